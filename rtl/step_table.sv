// The settings of a step, and the table of steps that run one after the other without the host.
// The host starts one step with the settings as they are, or puts them into the table; a run takes the steps from the
// table, from step 0 on. A step is taken into the settings when the one before is complete, and starts a cycle later: so
// nothing that starts with it waits in that cycle for all processing elements.
// Reset ends a run; the table and the settings are written before they are read.
// Its rules: docs/hardware.md, L1, L2.
module step_table #(
    parameter int REGISTER_ENTRIES = 64,
    parameter int SRAM_WORDS = 1024,
    parameter int COLUMN_BITS = 14,
    parameter int DATA_BITS = 64,
    parameter int TABLE_STEPS = 16,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1),
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1
) (
    input  logic                         clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                         scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                         reset,
    input  logic                         setting,      // the host writes one
    input  logic [2:0]                   number,
    // A setting uses as many bits of the host's word as it has.
    // verilator lint_off UNUSEDSIGNAL
    input  logic [DATA_BITS-1:0]         value,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                         complete,     // the step at hand
    output logic                         start,        // the step of the settings
    output logic                         clear,
    output logic                         run,          // a run begins
    output logic                         running,      // a run: more than one step, or the last
    output logic                         last,         // no step follows the one at hand
    output logic [1:0]                   kind,
    output logic                         relu,
    output logic                         coming_source,  // in the next cycle
    output logic                         load,
    output logic [ROW_COUNT_BITS-1:0]    rows,
    output logic [COLUMN_BITS-1:0]       first_input,
    output logic [SRAM_ADDRESS_BITS-1:0] first_word
);
  localparam int STEP_BITS = TABLE_STEPS > 1 ? $clog2(TABLE_STEPS) : 1;
  localparam int LEFT_BITS = $clog2(TABLE_STEPS + 1);
  localparam int ENTRY_BITS = 5 + ROW_COUNT_BITS + COLUMN_BITS + SRAM_ADDRESS_BITS;

`ifndef __ICARUS__  // it has no elaboration system tasks
  if (TABLE_STEPS < 1) begin : refuses1
    $fatal(1, "step_table: TABLE_STEPS must be at least 1");
  end
  if (DATA_BITS < COLUMN_BITS || DATA_BITS < ROW_COUNT_BITS || DATA_BITS < SRAM_ADDRESS_BITS ||
      DATA_BITS < LEFT_BITS || DATA_BITS < 5) begin : refuses2
    $fatal(1, "step_table: DATA_BITS must hold every setting");
  end
`endif

  logic [ENTRY_BITS-1:0] steps[TABLE_STEPS];
  logic [STEP_BITS-1:0] next;  // the step that is taken next
  logic [LEFT_BITS-1:0] left;  // steps of the run that are not taken yet
  logic begins;                // the step that was taken starts
  logic source;                // which register file

  assign run = setting && number == eie_registers::SETTING_RUN;
  wire ends = running && complete && last;
  wire take = run || (running && complete && !last);

  wire [ENTRY_BITS-1:0] taken = steps[next];
  assign coming_source = take ? taken[ENTRY_BITS-4] :
      setting && number == eie_registers::SETTING_FLAGS ? value[1] : source;
  assign last  = left == '0;
  assign start = begins || (setting && number == eie_registers::SETTING_START);
  assign clear = reset || run || (setting && number == eie_registers::SETTING_CLEAR);

  always_ff @(posedge clk) begin
    if (reset || ends) begin
      running <= 1'b0;
      begins  <= 1'b0;
      next    <= '0;
      left    <= '0;
    end else begin
      begins <= take;
      if (run) running <= 1'b1;
      if (take) begin
        next <= next + 1'b1;
        left <= (run ? LEFT_BITS'(value) : left) - 1'b1;
      end
    end
    if (setting && number == eie_registers::SETTING_STEP) begin
      steps[STEP_BITS'(value)] <= {kind, relu, source, load, rows, first_input, first_word};
    end
    if (take) begin
      {kind, relu, source, load, rows, first_input, first_word} <= taken;
    end else if (setting) begin
      case (number)
        eie_registers::SETTING_ROWS: rows <= value[ROW_COUNT_BITS-1:0];
        eie_registers::SETTING_FIRST_INPUT: first_input <= value[COLUMN_BITS-1:0];
        eie_registers::SETTING_FIRST_WORD: first_word <= value[SRAM_ADDRESS_BITS-1:0];
        eie_registers::SETTING_FLAGS: {kind, relu, source, load} <= value[4:0];
        default: ;
      endcase
    end
  end

`ifndef SYNTHESIS
  logic foretold, begun;
  always @(posedge clk) begin
    begun    <= !reset;
    foretold <= coming_source;
    assert (begun !== 1'b1 || source === foretold)
    else $fatal(1, "step_table: another file is the source than was foretold");
  end
`endif
endmodule
