// A step moves its rows in order, to a file, the codebook or the SRAM; a scan broadcasts what the detector finds while no
// queue is full. It ends once, when nothing is left; the counters count that. While a codebook may be written, in I/O mode
// or in a step of its own, nothing is anywhere that reads it. docs/hardware.md, B3, D2, L1, Q2.
module ccu_properties #(
    parameter int N_PE = 64,
    parameter int COLUMN_BITS = 14,
    parameter int VALUE_BITS = 16,
    parameter int REGISTER_ENTRIES = 64,
    parameter int SRAM_WORDS = 1024,
    parameter int CODE_BITS = 4,
    parameter int MOVE_BITS = 7,
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1),
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1
) (
    input logic clk,
    input logic reset,
    input logic clear,
    input logic running,
    input logic start,
    input logic [1:0] kind,
    input logic load,
    input logic [ROW_COUNT_BITS-1:0] rows,
    input logic [COLUMN_BITS-1:0] first_input,
    input logic [SRAM_ADDRESS_BITS-1:0] first_word,
    input logic found,
    input logic [ROW_BITS-1:0] found_row,
    input logic [POSITION_BITS-1:0] found_position,
    input logic [VALUE_BITS-1:0] found_value,
    input logic scan_finished,
    input logic any_full,
    input logic any_busy,
    input logic busy,
    input logic computing,
    input logic load_read,
    input logic [SRAM_ADDRESS_BITS-1:0] load_address,
    input logic load_enable,
    input logic [ROW_BITS-1:0] load_row,
    input logic store_enable,
    input logic codebook_enable,
    input logic [CODE_BITS-1:0] load_code,
    input logic broadcast,
    input logic [COLUMN_BITS-1:0] broadcast_column,
    input logic [VALUE_BITS-1:0] broadcast_value,
    input logic complete,
    input logic [31:0] cycles,
    input logic [31:0] broadcasts,
    input logic [31:0] stalls,
    input logic [COLUMN_BITS-1:0] batch_first,
    input logic [MOVE_BITS-1:0] rows_to_move,
    input logic [MOVE_BITS-1:0] moved,
    input logic [SRAM_ADDRESS_BITS-1:0] next_word
);
  logic begun = 1'b0;
  always_ff @(posedge clk) begun <= 1'b1;
  always_comb begin
    assume (begun || reset);
    assume (!reset || clear);
    assume (!(start && busy));
    assume (reset || !(clear && (busy || start)));
    assume (!found || computing);
    assume (int'(rows) <= REGISTER_ENTRIES);
  end
  wire scans = kind == eie_registers::KIND_SCAN, stores = kind == eie_registers::KIND_STORE;
  wire fills = kind == eie_registers::KIND_CODEBOOK;

  // What has happened since the start, and since the counters were cleared.
  logic at_work;
  logic [1:0] kind_before;
  logic [MOVE_BITS-1:0] so_far, to_move;
  logic [COLUMN_BITS-1:0] first;
  logic [SRAM_ADDRESS_BITS-1:0] word;
  logic [31:0] scan_cycles, sent, held_back;
  wire moving = at_work && so_far != to_move;
  logic was_busy, was_sent;  // an activation or an entry was somewhere a cycle ago, or was broadcast
  always_comb begin
    assume (!busy || kind == kind_before);
    assume (!(found && scan_finished));
    assume (!any_busy || was_busy || was_sent);
  end

  always_ff @(posedge clk) begin
    kind_before <= kind;
    was_busy    <= any_busy && !reset;
    was_sent    <= broadcast && !reset;
    if (reset) at_work <= 1'b0;
    else if (start) at_work <= 1'b1;
    else if (complete) at_work <= 1'b0;
    if (start) begin
      so_far   <= '0;
      to_move <= fills ? MOVE_BITS'(1 << CODE_BITS) : scans && !load ? '0 : MOVE_BITS'(rows);
      first   <= first_input;
      word    <= first_word;
    end else if (moving) begin
      so_far <= so_far + 1'b1;
    end
    if (clear) begin
      {scan_cycles, sent, held_back} <= '0;
    end else begin
      scan_cycles <= scan_cycles + 32'(running || (at_work && !complete));
      sent        <= sent + 32'(broadcast);
      held_back   <= held_back + 32'(found && any_full);
    end
  end

  // Stored as it is read; else read a cycle before.
  wire [SRAM_ADDRESS_BITS-1:0] next = word + SRAM_ADDRESS_BITS'(so_far) + SRAM_ADDRESS_BITS'(!stores);
  wire [COLUMN_BITS-1:0] column = first + COLUMN_BITS'(int'(found_row) * N_PE + int'(found_position));

  always_comb begin
    if (begun && !reset) begin
      runs : assert (busy == at_work);
      moves_first : assert (computing == (busy && !moving && scans));
      its_way :
      assert (store_enable == (moving && stores) && codebook_enable == (moving && fills) &&
          load_enable == (moving && !stores && !fills));
      rows_in_order : assert (!moving || (load_row == ROW_BITS'(so_far) && load_code == CODE_BITS'(so_far)));
      words_in_order :
      assert (load_read == (start ? (scans ? load : !stores) : moving && !stores) &&
          (!(load_read || store_enable) || load_address == (start ? first_word : next)));
      sends : assert (broadcast == (found && !any_full));
      its_column : assert (!broadcast || (broadcast_column == column && broadcast_value == found_value));
      ends : assert (complete == (busy && !moving && (!scans || (scan_finished && !any_busy))));
      codebook_unread : assert (!(any_busy && (!busy || codebook_enable)));
      counts : assert (cycles == scan_cycles && broadcasts == sent && stalls == held_back);
`ifdef INVARIANTS
      left_to_move : assert (!busy || (so_far <= to_move && rows_to_move == to_move - so_far));
      of_a_scan : assert (!(any_busy || was_sent) || computing);
      of_the_batch : assert (!busy || (batch_first == first && next_word == next && moved == so_far));
`endif
    end
  end
endmodule

bind ccu ccu_properties #(
    .N_PE(N_PE),
    .COLUMN_BITS(COLUMN_BITS),
    .VALUE_BITS(VALUE_BITS),
    .REGISTER_ENTRIES(REGISTER_ENTRIES),
    .SRAM_WORDS(SRAM_WORDS),
    .CODE_BITS(CODE_BITS),
    .MOVE_BITS(MOVE_BITS)
) properties (.*);
