// A run takes the table's steps in order, each once, and one begins when the one before is complete; meanwhile nothing
// else starts, and a step's settings stay. docs/hardware.md, L1, L2.
module step_table_properties #(
    parameter int DATA_BITS = 64,
    parameter int COLUMN_BITS = 14,
    parameter int TABLE_STEPS = 16,
    parameter int ROW_COUNT_BITS = 7,
    parameter int SRAM_ADDRESS_BITS = 10,
    parameter int STEP_BITS = 4,
    parameter int LEFT_BITS = 5
) (
    input logic clk,
    input logic reset,
    input logic setting,
    input logic [2:0] number,
    input logic [DATA_BITS-1:0] value,
    input logic complete,
    input logic start,
    input logic clear,
    input logic running,
    input logic last,
    input logic [1:0] kind,
    input logic relu,
    input logic source,
    input logic load,
    input logic [ROW_COUNT_BITS-1:0] rows,
    input logic [COLUMN_BITS-1:0] first_input,
    input logic [SRAM_ADDRESS_BITS-1:0] first_word,
    input logic [STEP_BITS-1:0] next,
    input logic [LEFT_BITS-1:0] left,
    input logic begins,
    input logic [5+ROW_COUNT_BITS+COLUMN_BITS+SRAM_ADDRESS_BITS-1:0] kept_step  // of the table, the one followed
);
  localparam int ENTRY_BITS = 5 + ROW_COUNT_BITS + COLUMN_BITS + SRAM_ADDRESS_BITS;
  wire [ENTRY_BITS-1:0] settings = {kind, relu, source, load, rows, first_input, first_word};
  wire starts = setting && number == eie_registers::SETTING_START;
  wire runs = setting && number == eie_registers::SETTING_RUN;
  wire keeps = setting && number == eie_registers::SETTING_STEP;

  // One step of the table, any: driven by nothing, and held.
  logic [STEP_BITS-1:0] its_number, its_number_before;
  logic begun = 1'b0;
  logic known;  // its step was kept
  logic [ENTRY_BITS-1:0] kept, settings_before;
  logic working, worked, ran, ended;  // a step goes on; in the cycle before it did, a run did, a step was complete
  logic [LEFT_BITS-1:0] total, started;  // of the run

  always_comb begin
    assume (begun || reset);
    assume (!begun || its_number == its_number_before);
    assume (!setting || !(running || working));
    assume (!complete || working);
    assume (!keeps || value < DATA_BITS'(TABLE_STEPS));
    assume (!runs || (value != '0 && value <= DATA_BITS'(TABLE_STEPS)));
  end

  always_ff @(posedge clk) begin
    begun             <= 1'b1;
    its_number_before <= its_number;
    settings_before   <= settings;
    worked            <= (working || start) && !complete && !reset;
    ran               <= running && !reset;
    if (!begun) known <= 1'b0;
    else if (keeps && STEP_BITS'(value) == its_number) {known, kept} <= {1'b1, settings};
    if (reset || complete) working <= 1'b0;
    else if (start) working <= 1'b1;
    if (runs) {total, started} <= {LEFT_BITS'(value), LEFT_BITS'(0)};
    else if (running && start) started <= started + 1'b1;
    ended <= complete;
  end

  always_comb begin
    if (begun && !reset) begin
      one_at_a_time : assert (!(start && working));
      asked_for : assert (!start || running || starts);
      in_order : assert (!(running && start && known && started == LEFT_BITS'(its_number)) || settings == kept);
      each_once : assert (!ran || running || (ended && started == total));
      no_more : assert (!(running && start) || started < total);
      no_gap : assert (!running || working || start);
      tells_the_last : assert (!(running && working) || last == (started == total));
      settings_stay : assert (!worked || settings == settings_before);
      clears : assert (clear == (runs || (setting && number == eie_registers::SETTING_CLEAR)));
`ifdef INVARIANTS
      counted : assert (!running || (begins != working && total <= LEFT_BITS'(TABLE_STEPS) && started <= total));
      so_many_left : assert (!running || left == total - started - LEFT_BITS'(begins));
      in_turn : assert (next == (running ? STEP_BITS'(started + LEFT_BITS'(begins)) : '0));
      begins_its : assert (!begins || (running && (!(known && started == LEFT_BITS'(its_number)) || settings == kept)));
`endif
    end
`ifdef INVARIANTS
    if (begun) kept_there : assert (!known || kept_step == kept);
`endif
  end
endmodule

bind step_table step_table_properties #(
    .DATA_BITS(DATA_BITS),
    .COLUMN_BITS(COLUMN_BITS),
    .TABLE_STEPS(TABLE_STEPS),
    .ROW_COUNT_BITS(ROW_COUNT_BITS),
    .SRAM_ADDRESS_BITS(SRAM_ADDRESS_BITS),
    .STEP_BITS(STEP_BITS),
    .LEFT_BITS(LEFT_BITS)
) properties (
    .kept_step(steps[properties.its_number]),
    .*
);
