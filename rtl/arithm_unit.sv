// Arithmetic unit of one PE, four stages: codebook lookup and address accumulation; accumulator read and
// multiplication; shift and addition; write. A product is added to the newest sum of its row: the adder's, the write
// stage's, or the file's. Reset clears the stages' valid bits; their other registers and the codebook keep their value.
// Its rules: docs/hardware.md, A4, A5, E9, U6, U7.
module arithm_unit #(
    parameter int VALUE_BITS = 16,        // B
    parameter int ACCUMULATOR_BITS = 24,  // A
    parameter int CODE_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int REGISTER_ENTRIES = 64,  // R
    parameter int LATCHES = 0,            // 1: the codebook is latches, of half a flip-flop's area
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1
) (
    input  logic                               clk,
    input  logic                               scan_enable,
    input  logic                               reset,
    input  logic                               busy,        // computing mode; else the codebook shows what the host reads
    input  logic                               host_write,  // of a codebook entry
    input  logic [CODE_BITS-1:0]               host_address,
    input  logic [VALUE_BITS-1:0]              host_data,
    input  logic [CODE_BITS-1:0]               read_place,
    input  logic                               weight_valid,
    input  logic [CODE_BITS-1:0]               weight_code,
    input  logic [INDEX_BITS-1:0]              weight_index,
    input  logic [VALUE_BITS-1:0]              weight_activation,
    input  logic                               weight_first,
    input  logic signed [ACCUMULATOR_BITS-1:0] read_value,
    output logic                               pipeline_busy,
    output logic [ROW_BITS-1:0]                read_row,
    output logic                               write_valid,
    output logic [ROW_BITS-1:0]                write_row,
    output logic signed [ACCUMULATOR_BITS-1:0] write_value,
    output logic signed [VALUE_BITS-1:0]       shown_weight
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (VALUE_BITS < 2 || ACCUMULATOR_BITS < VALUE_BITS) begin : refuses1
    $fatal(1, "arithm_unit: VALUE_BITS must be at least 2 and at most ACCUMULATOR_BITS");
  end
  if (REGISTER_ENTRIES < 1) begin : refuses2
    $fatal(1, "arithm_unit: REGISTER_ENTRIES must be at least 1");
  end
`endif

  logic signed [VALUE_BITS-1:0] weight1;

  logic valid1, valid2, valid3;
  logic first1;
  logic [CODE_BITS-1:0] code1;
  // Of a relative index a small register file needs few bits.
  // verilator lint_off UNUSEDSIGNAL
  logic [INDEX_BITS-1:0] index1;
  // verilator lint_on UNUSEDSIGNAL
  logic signed [VALUE_BITS-1:0] activation1, activation2, weight2;
  logic signed [2*VALUE_BITS-1:0] product3;
  logic signed [ACCUMULATOR_BITS-1:0] accumulated3;
  logic [ROW_BITS-1:0] column_row;  // the local row of the column's latest entry
  logic [ROW_BITS-1:0] row3;

  wire [ROW_BITS-1:0] distance1 = ROW_BITS'(index1);
  wire [ROW_BITS-1:0] row1 = first1 ? distance1 : column_row + distance1 + 1'b1;

  // Rounded: half a unit is added before the shift, as the carry out of a bit below the sum's lowest. The product fits B
  // bits, as the codebook holds no -2^(B-1).
  // verilator lint_off UNUSEDSIGNAL
  wire signed [ACCUMULATOR_BITS:0] carried =
      {accumulated3, 1'b1} + (ACCUMULATOR_BITS + 1)'(product3 >>> (VALUE_BITS - 2));
  // verilator lint_on UNUSEDSIGNAL
  wire signed [ACCUMULATOR_BITS-1:0] sum3 = carried[ACCUMULATOR_BITS:1];

  assign shown_weight = weight1;
  assign pipeline_busy = valid1 || valid2 || valid3 || write_valid;

  // Written in I/O mode and read in computing mode. Entry 0 is the value 0.
  register_file #(
      .ENTRIES(1 << CODE_BITS),
      .WORD_BITS(VALUE_BITS),
      .LATCHES(LATCHES),
      .ZEROS(1)
  ) codebook (
      .clk,
      .scan_enable,
      .write(host_write),
      .write_place(host_address),
      .write_data(host_data),
      .read_place(busy ? code1 : read_place),
      .read_data(weight1)
  );

  always_ff @(posedge clk) begin
    if (reset) begin
      valid1      <= 1'b0;
      valid2      <= 1'b0;
      valid3      <= 1'b0;
      write_valid <= 1'b0;
    end else begin
      valid1      <= weight_valid;
      valid2      <= valid1;
      valid3      <= valid2;
      write_valid <= valid3;
      if (weight_valid) begin
        code1  <= weight_code;
        index1 <= weight_index;
        first1 <= weight_first;
        if (weight_first) activation1 <= weight_activation;
      end
      if (valid1) begin
        weight2    <= weight1;
        column_row <= row1;
        read_row   <= row1;
        if (first1) activation2 <= activation1;
      end
      if (valid2) begin
        product3 <= weight2 * activation2;
        row3     <= read_row;
        if (valid3 && row3 == read_row) accumulated3 <= sum3;
        else if (write_valid && write_row == read_row) accumulated3 <= write_value;
        else accumulated3 <= read_value;
      end
      if (valid3) begin
        write_value <= sum3;
        write_row   <= row3;
      end
    end
  end

`ifndef SYNTHESIS
  // The newest sum of every row since the pipeline was last empty, as the adder made it; older ones are in the file.
  logic signed [ACCUMULATOR_BITS-1:0] newest[REGISTER_ENTRIES];
  logic signed [ACCUMULATOR_BITS-1:0] operand;  // the sum to which the third stage must add
  logic [REGISTER_ENTRIES-1:0] summed;
  /* verilator lint_off BLKSEQ */
  always @(posedge clk) begin
    assert ((host_write && host_data == {1'b1, {(VALUE_BITS - 1) {1'b0}}}) !== 1'b1)
    else $fatal(1, "arithm_unit: the codebook's value is -2^(B-1), whose product does not fit");
    assert ((host_write && host_address == '0 && host_data != '0) !== 1'b1)
    else $fatal(1, "arithm_unit: the codebook's entry 0 is not 0");
    if (reset || !pipeline_busy) summed = '0;
    else begin
      if (valid3) begin
        assert (accumulated3 === operand) else $fatal(1, "arithm_unit: added to a sum that is not its row's newest");
        newest[row3] = sum3;
        summed[row3] = 1'b1;
      end
      if (valid2) operand = summed[read_row] ? newest[read_row] : read_value;
    end
  end
  /* verilator lint_on BLKSEQ */
`endif
endmodule
