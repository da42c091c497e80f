// A scan loads its rows in order, broadcasts what the detector finds while no queue is full, and ends once, when nothing
// is left; the counters count that. docs/hardware.md, B3, D2, Q2.
module ccu_properties #(
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
    input logic clk,
    input logic reset,
    input logic clear,
    input logic start,
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
    input logic broadcast,
    input logic [COLUMN_BITS-1:0] broadcast_column,
    input logic [VALUE_BITS-1:0] broadcast_value,
    input logic complete,
    input logic [31:0] cycles,
    input logic [31:0] broadcasts,
    input logic [31:0] stalls,
    input logic [COLUMN_BITS-1:0] batch_first,
    input logic [ROW_COUNT_BITS-1:0] rows_to_load,
    input logic [ROW_COUNT_BITS-1:0] batch_rows,
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

  // What has happened since the start, and since the counters were cleared.
  logic scanning;
  logic [ROW_COUNT_BITS-1:0] loaded, to_load;
  logic [COLUMN_BITS-1:0] first;
  logic [SRAM_ADDRESS_BITS-1:0] word;
  logic [31:0] scan_cycles, sent, held_back;
  always_ff @(posedge clk) begin
    if (reset) scanning <= 1'b0;
    else if (start) scanning <= 1'b1;
    else if (complete) scanning <= 1'b0;
    if (start) begin
      loaded  <= '0;
      to_load <= load ? rows : '0;
      first   <= first_input;
      word    <= first_word;
    end else if (scanning && loaded != to_load) begin
      loaded <= loaded + 1'b1;
    end
    if (clear) begin
      {scan_cycles, sent, held_back} <= '0;
    end else begin
      scan_cycles <= scan_cycles + 32'(scanning && !complete);
      sent        <= sent + 32'(broadcast);
      held_back   <= held_back + 32'(found && any_full);
    end
  end

  wire [SRAM_ADDRESS_BITS-1:0] next = word + SRAM_ADDRESS_BITS'(loaded) + 1'b1;
  wire [COLUMN_BITS-1:0] column = first + COLUMN_BITS'(int'(found_row) * N_PE + int'(found_position));

  always_comb begin
    if (begun && !reset) begin
      runs : assert (busy == scanning);
      loads_first : assert (load_enable == (busy && loaded != to_load) && computing == (busy && loaded == to_load));
      rows_in_order : assert (!load_enable || load_row == ROW_BITS'(loaded));
      words_in_order :
      assert (load_read == (start ? load : load_enable) &&
          (!load_read || load_address == (start ? first_word : next)));
      sends : assert (broadcast == (found && !any_full));
      its_column : assert (!broadcast || (broadcast_column == column && broadcast_value == found_value));
      ends : assert (complete == (computing && scan_finished && !any_busy));
      counts : assert (cycles == scan_cycles && broadcasts == sent && stalls == held_back);
`ifdef INVARIANTS
      left_to_load : assert (!busy || (loaded <= to_load && rows_to_load == to_load - loaded));
      of_the_batch : assert (!busy || (batch_first == first && next_word == next));
      rows_of_the_batch : assert (!busy || to_load == '0 || batch_rows == to_load);
`endif
    end
  end
endmodule

bind ccu ccu_properties #(
    .N_PE(N_PE),
    .COLUMN_BITS(COLUMN_BITS),
    .VALUE_BITS(VALUE_BITS),
    .REGISTER_ENTRIES(REGISTER_ENTRIES),
    .SRAM_WORDS(SRAM_WORDS)
) properties (.*);
