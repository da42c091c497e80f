// Central control unit: broadcasts the activations that the LNZD finds, loads batches, counts, and detects completion.
// Reset ends a scan; clear, which comes with every reset, sets the counters to 0; a start sets all other registers.
// Its rules: docs/hardware.md, B3, D2, Q2, U2.
module ccu #(
    parameter int N_PE = 64,
    parameter int COLUMN_BITS = 14,
    parameter int VALUE_BITS = 16,
    parameter int REGISTER_ENTRIES = 64,
    parameter int SRAM_WORDS = 1024,
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1),
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1
) (
    input  logic                         clk,
    input  logic                         reset,
    input  logic                         clear,       // the counters begin at 0
    input  logic                         start,       // one scan: the settings below are taken at this edge
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
    output logic                         broadcast,
    output logic [COLUMN_BITS-1:0]       broadcast_column,
    output logic [VALUE_BITS-1:0]        broadcast_value,
    output logic                         complete,
    output logic [31:0]                  cycles,      // performance counters, set to 0 by clear
    output logic [31:0]                  broadcasts,
    output logic [31:0]                  stalls       // cycles in which a full queue held a broadcast back
);
  logic [COLUMN_BITS-1:0] batch_first;
  logic [ROW_COUNT_BITS-1:0] rows_to_load, batch_rows;
  logic [SRAM_ADDRESS_BITS-1:0] next_word;

  // A row is read from the SRAM in the cycle before it is written: the first at the start's edge.
  assign load_enable  = busy && rows_to_load != '0;
  assign load_row     = ROW_BITS'(batch_rows - rows_to_load);
  assign load_read    = start ? load : load_enable;
  assign load_address = start ? first_word : next_word;

  assign computing        = busy && !load_enable;
  assign broadcast        = found && !any_full;
  assign broadcast_column = batch_first + COLUMN_BITS'(found_row) * COLUMN_BITS'(N_PE) + COLUMN_BITS'(found_position);
  assign broadcast_value  = found_value;
  assign complete         = busy && computing && scan_finished && !any_busy;

  always_ff @(posedge clk) begin
    if (clear) begin
      cycles     <= '0;
      broadcasts <= '0;
      stalls     <= '0;
    end
    if (reset) begin
      busy <= 1'b0;
    end else if (start) begin
      busy         <= 1'b1;
      batch_first  <= first_input;
      batch_rows   <= rows;
      rows_to_load <= load ? rows : '0;
      next_word    <= first_word + 1'b1;
    end else if (busy) begin
      if (complete) busy <= 1'b0;
      else cycles <= cycles + 1'b1;
      if (load_enable) begin
        rows_to_load <= rows_to_load - 1'b1;
        next_word    <= next_word + 1'b1;
      end
      if (broadcast) broadcasts <= broadcasts + 1'b1;
      if (found && any_full) stalls <= stalls + 1'b1;
    end
  end

`ifndef SYNTHESIS
  always @(posedge clk) begin
    assert (reset || !(start && busy)) else $fatal(1, "ccu: a scan is started while one runs");
    assert (reset || !(broadcast && !computing)) else $fatal(1, "ccu: a broadcast while no scan runs");
  end
`endif
endmodule
