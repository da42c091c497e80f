// Every non-zero of the vector is broadcast once, in order, with its value, and no zero is. docs/hardware.md, S1 to S7.
module lnzd_properties #(
    parameter int N_PE = 64,
    parameter int VALUE_BITS = 16,
    parameter int ROW_BITS = 6,
    parameter int ROW_COUNT_BITS = 7,
    parameter int POSITION_BITS = 6
) (
    input logic clk,
    input logic reset,
    input logic start,
    input logic computing,
    input logic storing,
    input logic broadcast,
    input logic found,
    input logic scan_finished,
    input logic row_valid,
    input logic [ROW_COUNT_BITS-1:0] rows,
    input logic [ROW_COUNT_BITS-1:0] next_row,
    input logic [ROW_BITS-1:0] found_row,
    input logic [ROW_BITS-1:0] row_address,
    input logic [POSITION_BITS-1:0] found_position,
    input logic [VALUE_BITS-1:0] found_value,
    input logic [N_PE-1:0] left,
    input logic [N_PE-1:0][VALUE_BITS-1:0] row,
    input logic [N_PE-1:0][VALUE_BITS-1:0] source_row,
    input logic [N_PE-1:0] source_nonzero
);
  // One activation, any: where it is and what it is. Driven by nothing, and held.
  logic [ROW_BITS-1:0] its_row, its_row_before;
  logic [POSITION_BITS-1:0] its_position, its_position_before;
  logic [VALUE_BITS-1:0] its_value, its_value_before;
  logic [ROW_COUNT_BITS-1:0] rows_before;
  logic begun = 1'b0;
  always_ff @(posedge clk) begin
    begun <= 1'b1;
    {its_row_before, its_position_before, its_value_before} <= {its_row, its_position, its_value};
    rows_before <= rows;
  end

  logic running, seen, any;  // a scan has started; the activation has been broadcast; some activation has been
  logic [ROW_COUNT_BITS+POSITION_BITS-1:0] latest;
  wire [ROW_COUNT_BITS+POSITION_BITS-1:0] place = {ROW_COUNT_BITS'(found_row), found_position};
  wire it = found_row == its_row && found_position == its_position;

  always_comb begin
    assume (begun || reset);
    if (begun) begin
      assume ({its_row, its_position, its_value} == {its_row_before, its_position_before, its_value_before});
      assume (rows == rows_before);
    end
    assume (int'(its_position) < N_PE && ROW_COUNT_BITS'(its_row) < rows && int'(rows) <= 1 << ROW_BITS);
    assume (row_address != its_row || source_row[its_position] == its_value);
    for (int i = 0; i < N_PE; i++) assume (source_nonzero[i] == (source_row[i] != '0));
    assume (!broadcast || (found && computing));
    assume (!computing || (running && !start));
    assume (!storing);  // in a scan
  end

  always_ff @(posedge clk) begin
    if (reset || start) begin
      running <= !reset;
      seen    <= 1'b0;
      any     <= 1'b0;
    end else if (broadcast) begin
      any    <= 1'b1;
      latest <= place;
      if (it) seen <= 1'b1;
    end
  end

  always_comb begin
    if (begun && !reset && running && !start) begin
      no_zero : assert (!found || found_value != '0);
      in_order : assert (!(broadcast && any) || place > latest);  // so none comes twice
      its_own_value : assert (!(broadcast && it) || found_value == its_value);
      none_left_out : assert (!scan_finished || seen == (its_value != '0));
`ifdef INVARIANTS
      shown : assert (row_address == ROW_BITS'(next_row));
      in_range : assert (next_row <= rows && (!row_valid || next_row != '0));
      held : assert (!row_valid || next_row - 1'b1 != ROW_COUNT_BITS'(its_row) ||
                     (row[its_position] == its_value && left[its_position] == (its_value != '0 && !seen)));
      not_yet : assert (!seen || (next_row > ROW_COUNT_BITS'(its_row) && its_value != '0));
      by_now : assert (seen == (its_value != '0) ||
                       next_row < ROW_COUNT_BITS'(its_row) + (row_valid ? ROW_COUNT_BITS'(2) : ROW_COUNT_BITS'(1)));
      before_now : assert (!any || latest[POSITION_BITS+:ROW_COUNT_BITS] < next_row);
      for (int i = 0; i < N_PE; i++) begin
        assert (!left[i] || (row_valid && row[i] != '0));
        if (any && row_valid && latest[POSITION_BITS+:ROW_COUNT_BITS] == next_row - 1'b1 &&
            i <= int'(latest[POSITION_BITS-1:0])) assert (!left[i]);
      end
`endif
    end
  end
endmodule

bind lnzd lnzd_properties #(
    .N_PE          (N_PE),
    .VALUE_BITS    (VALUE_BITS),
    .ROW_BITS      (ROW_BITS),
    .ROW_COUNT_BITS(ROW_COUNT_BITS),
    .POSITION_BITS (POSITION_BITS)
) properties (
    .*
);
