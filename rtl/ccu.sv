// Central control unit: broadcasts the activations that the LNZD finds, loads batches, counts, and detects completion.
// A step is a scan, or moves rows: from the activation SRAM to the destination file or the codebook, or from the
// destination file to the SRAM. `rows` and `kind` stay as they are while one runs. Which steps follow each other is
// step_table.sv's.
// Reset ends a step; clear, which comes with every reset, sets the counters to 0; a start sets all other registers.
// Its rules: docs/hardware.md, B3, D2, L1, L2, Q2, U2.
module ccu #(
    parameter int N_PE = 64,
    parameter int COLUMN_BITS = 14,
    parameter int VALUE_BITS = 16,
    parameter int REGISTER_ENTRIES = 64,
    parameter int SRAM_WORDS = 1024,
    parameter int CODE_BITS = 4,
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1),
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1
) (
    input  logic                         clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                         scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                         reset,
    input  logic                         clear,       // the counters begin at 0
    input  logic                         running,     // steps follow each other: all cycles are counted
    input  logic                         start,       // one step: the settings below are taken at this edge
    input  logic [1:0]                   kind,
    input  logic                         load,        // the source rows come from the activation SRAM first
    input  logic [ROW_COUNT_BITS-1:0]    rows,
    input  logic [COLUMN_BITS-1:0]       first_input,
    input  logic [SRAM_ADDRESS_BITS-1:0] first_word,  // where the batch lies in the activation SRAM
    input  logic                         found,
    input  logic [ROW_BITS-1:0]          found_row,
    input  logic [POSITION_BITS-1:0]     found_position,
    input  logic [VALUE_BITS-1:0]        found_value,
    input  logic                         scan_finished,
    input  logic                         any_full,
    input  logic                         any_busy,    // an activation or an entry is in some queue, stage or pipeline
    output logic                         busy,        // computing mode
    output logic                         computing,
    output logic                         load_read,
    output logic [SRAM_ADDRESS_BITS-1:0] load_address,
    output logic                         load_enable,
    output logic [ROW_BITS-1:0]          load_row,
    output logic                         store_enable,
    output logic                         codebook_enable,
    output logic [CODE_BITS-1:0]         load_code,
    output logic                         broadcast,
    output logic [COLUMN_BITS-1:0]       broadcast_column,
    output logic [VALUE_BITS-1:0]        broadcast_value,
    output logic                         complete,
    output logic [31:0]                  cycles,      // performance counters, set to 0 by clear
    output logic [31:0]                  broadcasts,
    output logic [31:0]                  stalls       // cycles in which a full queue held a broadcast back
);
  localparam int CODES = 1 << CODE_BITS;
  localparam int MOST_ROWS = CODES > REGISTER_ENTRIES ? CODES : REGISTER_ENTRIES;
  localparam int MOVE_BITS = $clog2(MOST_ROWS + 1);

  logic [COLUMN_BITS-1:0] batch_first;
  logic [MOVE_BITS-1:0] rows_to_move;
  // A row and a code have fewer bits.
  // verilator lint_off UNUSEDSIGNAL
  logic [MOVE_BITS-1:0] moved;  // rows of the batch
  // verilator lint_on UNUSEDSIGNAL
  logic [SRAM_ADDRESS_BITS-1:0] next_word;

  wire scans = kind == eie_registers::KIND_SCAN;
  wire stores = kind == eie_registers::KIND_STORE;
  wire fills = kind == eie_registers::KIND_CODEBOOK;
  wire moves = busy && rows_to_move != '0;
  wire [MOVE_BITS-1:0] all_rows = fills ? MOVE_BITS'(CODES) : scans && !load ? '0 : MOVE_BITS'(rows);

  // A row is read from the SRAM in the cycle before it is written: the first at the start's edge. One that is stored is
  // written to the SRAM in the cycle in which it is read.
  assign load_enable     = moves && !stores && !fills;
  assign load_row        = ROW_BITS'(moved);
  assign store_enable    = moves && stores && !reset;
  assign codebook_enable = moves && fills && !reset;
  assign load_code       = CODE_BITS'(moved);
  assign load_read       = start ? (scans ? load : !stores) : moves && !stores;
  assign load_address    = busy ? next_word : first_word;

  assign computing        = busy && !moves && scans;
  assign broadcast        = found && !any_full;
  assign broadcast_column = batch_first + COLUMN_BITS'(found_row) * COLUMN_BITS'(N_PE) + COLUMN_BITS'(found_position);
  assign broadcast_value  = found_value;
  assign complete         = busy && !moves && (!scans || (scan_finished && !any_busy));

  always_ff @(posedge clk) begin
    if (clear) begin
      cycles     <= '0;
      broadcasts <= '0;
      stalls     <= '0;
    end else if (running || (busy && !complete)) begin
      cycles <= cycles + 1'b1;
    end
    if (reset) begin
      busy <= 1'b0;
    end else if (start) begin
      busy         <= 1'b1;
      batch_first  <= first_input;
      moved        <= '0;
      rows_to_move <= all_rows;
      next_word    <= stores ? first_word : first_word + 1'b1;
    end else if (busy) begin
      if (complete) busy <= 1'b0;
      if (moves) begin
        moved        <= moved + 1'b1;
        rows_to_move <= rows_to_move - 1'b1;
        next_word    <= next_word + 1'b1;
      end
      if (broadcast) broadcasts <= broadcasts + 1'b1;
      if (found && any_full) stalls <= stalls + 1'b1;
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk) begin
    assert (reset || !(start && busy)) else $fatal(1, "ccu: a step is started while one runs");
    assert (reset || !(broadcast && !computing)) else $fatal(1, "ccu: a broadcast while no scan runs");
  end
`endif
endmodule
