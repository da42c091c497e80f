// Every entry is added to the newest sum of its row, in four stages, none lost. docs/hardware.md, E9, U6, U7.
// With WHOLE the products are looked into, too: the file's sums are those of a machine without stages (A4, A5).
module arithm_unit_properties #(
    parameter int VALUE_BITS = 16,
    parameter int ACCUMULATOR_BITS = 24,
    parameter int CODE_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int ROW_BITS = 6
) (
    input logic clk,
    input logic reset,
    input logic busy,
    input logic host_write,
    input logic [CODE_BITS-1:0] host_address,
    input logic [VALUE_BITS-1:0] host_data,
    input logic weight_valid,
    input logic [CODE_BITS-1:0] weight_code,
    input logic [INDEX_BITS-1:0] weight_index,
    input logic [VALUE_BITS-1:0] weight_activation,
    input logic weight_first,
    input logic signed [ACCUMULATOR_BITS-1:0] read_value,
    input logic pipeline_busy,
    input logic [ROW_BITS-1:0] read_row,
    input logic write_valid,
    input logic [ROW_BITS-1:0] write_row,
    input logic signed [ACCUMULATOR_BITS-1:0] write_value,
    input logic valid1,
    input logic valid2,
    input logic valid3,
    input logic first1,
    input logic [CODE_BITS-1:0] code1,
    input logic [INDEX_BITS-1:0] index1,
    input logic signed [VALUE_BITS-1:0] activation1,
    input logic signed [VALUE_BITS-1:0] activation2,
    input logic signed [VALUE_BITS-1:0] weight2,
    input logic signed [2*VALUE_BITS-1:0] product3,
    input logic [ROW_BITS-1:0] column_row,
    input logic [ROW_BITS-1:0] row1,
    input logic [ROW_BITS-1:0] row3,
    input logic signed [ACCUMULATOR_BITS-1:0] accumulated3,
    input logic signed [ACCUMULATOR_BITS-1:0] sum3,
    input logic [VALUE_BITS-1:0] codebook[1 << CODE_BITS]
);
  // One row, any, of the register file.
  logic [ROW_BITS-1:0] its_row, its_row_before;  // driven by nothing, and held
  logic signed [ACCUMULATOR_BITS-1:0] in_file;
  wire signed [ACCUMULATOR_BITS-1:0] in_file_next = write_valid && write_row == its_row ? write_value : in_file;
  logic begun = 1'b0;
  always_comb begin
    assume (begun || reset);
    assume (!begun || !reset);
    assume (!begun || its_row == its_row_before);
    assume (read_row != its_row || read_value == in_file);
    assume (busy ? !(host_write && (weight_valid || pipeline_busy)) : !(weight_valid || pipeline_busy));
    assume (!host_write || host_data != {1'b1, {(VALUE_BITS - 1) {1'b0}}});
  end
  always_ff @(posedge clk) begin
    begun          <= 1'b1;
    its_row_before <= its_row;
    in_file        <= in_file_next;
  end

  logic signed [ACCUMULATOR_BITS-1:0] newest;  // its newest sum, as the adder made it
  logic [3:0] ages;  // the entries of the last four cycles, the newest lowest
  logic [ROW_BITS-1:0] row;  // of the entry at hand, by its column's indices
  logic [2:0][ROW_BITS-1:0] rows;
  logic started;  // a column has begun
  wire [ROW_BITS-1:0] here = weight_first ? ROW_BITS'(weight_index) : row + ROW_BITS'(weight_index) + 1'b1;
  logic [VALUE_BITS-1:0] of_column;  // its activation
  always_comb assume (!weight_valid || weight_first || (started && weight_activation == of_column));
  always_ff @(posedge clk) begin
    if (reset) begin
      newest  <= in_file_next;
      ages    <= '0;
      started <= 1'b0;
    end else begin
      ages <= {ages[2:0], weight_valid};
      rows <= {rows[1:0], here};
      if (weight_valid) begin
        row       <= here;
        started   <= 1'b1;
        of_column <= weight_activation;
      end
      if (valid3 && row3 == its_row) newest <= sum3;
    end
  end

  always_comb begin
    if (begun && !reset) begin
      four_stages : assert (ages == {write_valid, valid3, valid2, valid1});
      its_own_row : assert (!valid2 || read_row == rows[1]);
      newest_sum : assert (!(valid3 && row3 == its_row) || accumulated3 == newest);
      all_written : assert (pipeline_busy || in_file == newest);
`ifdef INVARIANTS
      about_to_be : assert (write_valid && write_row == its_row ? write_value == newest : in_file == newest);
      first_row : assert (!valid1 || row1 == rows[0]);
      last_row : assert (!started || valid1 || column_row == row);
      this_row : assert (!valid1 || row == rows[0]);
      third_row : assert (!valid3 || row3 == rows[2]);
      same_row : assert (!valid2 || column_row == read_row);
      the_columns : assert (!started || (activation1 == of_column && ((valid1 && first1) || activation2 == of_column)));
      begins : assert (started || !(valid1 || valid2 || valid3 || write_valid));
`endif
    end
  end

`ifdef WHOLE
  logic signed [ACCUMULATOR_BITS-1:0] sum;  // of a machine without stages
  wire signed [VALUE_BITS-1:0] shared = codebook[weight_code];
  wire signed [2*VALUE_BITS-1:0] product = shared * $signed(weight_activation);
  wire signed [2*VALUE_BITS-1:0] half = (2 * VALUE_BITS)'(1 << (VALUE_BITS - 2));
  wire signed [2*VALUE_BITS-1:0] rounded = product + half;
  always_ff @(posedge clk) begin
    if (reset) sum <= in_file_next;
    else if (weight_valid && here == its_row) sum <= sum + ACCUMULATOR_BITS'(rounded >>> (VALUE_BITS - 1));
  end
  always_comb if (begun && !reset) without_stages : assert (pipeline_busy || in_file == sum);
  // For the induction: what an entry on its way will add to its row.
  function automatic logic signed [ACCUMULATOR_BITS-1:0] adds(input logic mine, input logic signed [VALUE_BITS-1:0] w,
                                                              input logic signed [VALUE_BITS-1:0] a);
    logic signed [2*VALUE_BITS-1:0] exact;
    exact = w * a;
    exact = exact + half;
    adds  = mine ? ACCUMULATOR_BITS'(exact >>> (VALUE_BITS - 1)) : '0;
  endfunction
  logic signed [2*VALUE_BITS-1:0] third;
  logic signed [ACCUMULATOR_BITS-1:0] on_its_way;
  always_comb begin
    third = product3 + half;
    on_its_way = adds(valid1 && row1 == its_row, codebook[code1], activation1) +
        adds(valid2 && read_row == its_row, weight2, activation2) +
        (valid3 && row3 == its_row ? ACCUMULATOR_BITS'(third >>> (VALUE_BITS - 1)) : ACCUMULATOR_BITS'(0));
  end
  always_comb if (begun && !reset) assert (sum == newest + on_its_way);
`endif
endmodule

bind arithm_unit arithm_unit_properties #(
    .VALUE_BITS      (VALUE_BITS),
    .ACCUMULATOR_BITS(ACCUMULATOR_BITS),
    .CODE_BITS       (CODE_BITS),
    .INDEX_BITS      (INDEX_BITS),
    .ROW_BITS        (ROW_BITS)
) properties (
    .codebook(codebook.flip_flops.words),
    .*
);
