// Activation read and write of one PE: two register files that swap roles, and the SRAM behind them.
// The row that is written is not read in the same cycle: the arithmetic unit takes its own sum, the detector waits for
// the loader. A file keeps sums of A bits; a source row is saturated to B bits and put through ReLU when it is read, and
// so is a row that is stored in the SRAM.
// Nothing is reset: the host or a scan writes every row before it is read.
// Its rules: docs/hardware.md, A7, A8, B3, H3, L1, M1, M2.
module act_rw #(
    parameter int VALUE_BITS = 16,
    parameter int ACCUMULATOR_BITS = 24,
    parameter int REGISTER_ENTRIES = 64,
    parameter int SRAM_WORDS = 1024,
    parameter int LATCHES = 0,  // in the files
    parameter int SLOW_MEMORIES = 0,  // 1: what is known of a value is stored beside it
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1,
    // of a row of a file or a word of the SRAM
    localparam int PLACE_BITS = ROW_BITS > SRAM_ADDRESS_BITS ? ROW_BITS : SRAM_ADDRESS_BITS
) (
    input  logic                               clk,
    input  logic                               scan_enable,
    // Before it nothing means anything: for the assertions.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                               reset,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                               source,             // which file is the source
    input  logic                               relu,               // of the layer that wrote it
    input  logic                               busy,               // computing mode: the host writes nothing
    input  logic                               host_write_source,
    input  logic                               host_write_destination,
    input  logic                               host_write_sram,
    input  logic                               host_read_sram,
    input  logic [PLACE_BITS-1:0]              host_address,
    input  logic [ACCUMULATOR_BITS-1:0]        host_data,
    input  logic                               load_read,          // of the SRAM's row that is loaded a cycle later
    input  logic [SRAM_ADDRESS_BITS-1:0]       load_address,
    input  logic                               load_enable,
    input  logic [ROW_BITS-1:0]                load_row,
    input  logic                               store_enable,       // of the source row, at load_address
    input  logic [ROW_BITS-1:0]                row_address,
    input  logic [ROW_BITS-1:0]                read_row,
    input  logic                               write_valid,
    input  logic [ROW_BITS-1:0]                write_row,
    input  logic signed [ACCUMULATOR_BITS-1:0] write_value,
    output logic [VALUE_BITS-1:0]              loaded,             // the word of the SRAM that was read
    output logic [VALUE_BITS-1:0]              source_row,
    output logic                               source_nonzero,     // it is not 0; known before it
    output logic signed [ACCUMULATOR_BITS-1:0] source_value,       // the source row as it is kept
    output logic signed [ACCUMULATOR_BITS-1:0] read_value
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (VALUE_BITS < 2 || ACCUMULATOR_BITS < VALUE_BITS) begin : refuses1
    $fatal(1, "act_rw: VALUE_BITS must be at least 2 and at most ACCUMULATOR_BITS");
  end
`endif

  // Whether a sum is beyond the range of B bits, and whether it is not 0.
  function automatic logic [1:0] described(input logic [ACCUMULATOR_BITS-1:0] sum);
    described = {sum[ACCUMULATOR_BITS-1:VALUE_BITS-1] != '0 && sum[ACCUMULATOR_BITS-1:VALUE_BITS-1] != '1, sum != '0};
  endfunction

  localparam int NOTE_BITS = SLOW_MEMORIES != 0 ? 2 : 0;  // beside a sum
  localparam int WORD_BITS = VALUE_BITS + (SLOW_MEMORIES != 0 ? 1 : 0);
  localparam int KEPT_BITS = ACCUMULATOR_BITS + NOTE_BITS;
  logic [WORD_BITS-1:0] stored_word, loaded_word;
  assign loaded = loaded_word[VALUE_BITS-1:0];
  sram #(.WORD_BITS(WORD_BITS), .WORDS(SRAM_WORDS)) activations (
      .clk,
      .read(load_read || host_read_sram),
      .write(host_write_sram || store_enable),
      .address(host_write_sram || host_read_sram ? SRAM_ADDRESS_BITS'(host_address) : load_address),
      .write_data(stored_word),
      .read_data(loaded_word)
  );

  // One write port per file: the host's in I/O mode, whether it writes or not, as its decoded write comes late; else the
  // loader's for the source, the fourth stage's for the destination. One read port per file: the
  // detector's for the source, the arithmetic unit's for the destination.
  wire write_source = host_write_source || load_enable;
  wire write_destination = host_write_destination || write_valid;
  wire [ROW_BITS-1:0] host_place = ROW_BITS'(host_address);
  wire [ROW_BITS-1:0] source_place = busy ? load_row : host_place;
  wire [ROW_BITS-1:0] destination_place = busy ? write_row : host_place;
  logic [KEPT_BITS-1:0] source_data, destination_data;
  assign source_data[ACCUMULATOR_BITS-1:0] = busy ? ACCUMULATOR_BITS'($signed(loaded)) : host_data;
  assign destination_data[ACCUMULATOR_BITS-1:0] = busy ? write_value : host_data;
  assign stored_word[VALUE_BITS-1:0] = busy ? source_row : host_data[VALUE_BITS-1:0];

  logic [1:0][KEPT_BITS-1:0] file_data;
  for (genvar f = 0; f < 2; f++) begin : file
    wire is_source = source == 1'(f);
    register_file #(
        .ENTRIES(REGISTER_ENTRIES),
        .WORD_BITS(KEPT_BITS),
        .LATCHES(LATCHES),
        .GROUP(8)
    ) registers (
        .clk,
        .scan_enable,
        .write(is_source ? write_source : write_destination),
        .write_place(is_source ? source_place : destination_place),
        .write_data(is_source ? source_data : destination_data),
        .read_place(is_source ? row_address : read_row),
        .read_data(file_data[f])
    );
  end

  wire [KEPT_BITS-1:0] source_word = file_data[source];
  // What is known of a sum is of use in the source file alone.
  // verilator lint_off UNUSEDSIGNAL
  wire [KEPT_BITS-1:0] destination_word = file_data[!source];
  // verilator lint_on UNUSEDSIGNAL
  wire [ACCUMULATOR_BITS-1:0] kept = source_word[ACCUMULATOR_BITS-1:0];
  wire below = kept[ACCUMULATOR_BITS-1];
  logic beyond, nonzero;
  if (SLOW_MEMORIES != 0) begin : described_when_written
    assign source_data[ACCUMULATOR_BITS+:2] = busy ? {1'b0, loaded_word[VALUE_BITS]} : described(host_data);
    assign destination_data[ACCUMULATOR_BITS+:2] = described(destination_data[ACCUMULATOR_BITS-1:0]);
    assign stored_word[VALUE_BITS] = busy ? source_nonzero : host_data[VALUE_BITS-1:0] != '0;
    assign {beyond, nonzero} = source_word[ACCUMULATOR_BITS+:2];
  end else begin : described_when_read
    assign {beyond, nonzero} = described(kept);
  end

  assign source_row = relu && below ? '0 : beyond ? {below, {(VALUE_BITS - 1) {!below}}} : kept[VALUE_BITS-1:0];
  assign source_nonzero = nonzero && !(relu && below);

  assign source_value = kept;
  assign read_value = destination_word[ACCUMULATOR_BITS-1:0];

`ifndef SYNTHESIS
  always @(posedge clk) begin
    assert (reset || (busy ? !(host_write_source || host_write_destination || host_write_sram || host_read_sram) :
             !(load_enable || write_valid || store_enable)) !== 1'b0)
    else $fatal(1, "act_rw: the host writes or reads in computing mode, or the chip writes in I/O mode");
    assert (reset || ((host_write_sram || host_read_sram || store_enable) && load_read) !== 1'b1)
    else $fatal(1, "act_rw: the SRAM has two accesses");
  end
`endif
endmodule
