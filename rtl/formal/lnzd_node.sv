// A node passes on its first child that has found something. docs/hardware.md, U3.
module lnzd_node_properties #(
    parameter int VALUE_BITS = 16,
    parameter int POSITION_BITS = 6
) (
    input logic [3:0] found_in,
    input logic [3:0][POSITION_BITS-1:0] position_in,
    input logic [3:0][VALUE_BITS-1:0] value_in,
    input logic found,
    input logic [POSITION_BITS-1:0] position,
    input logic [VALUE_BITS-1:0] value
);
  logic first_found;
  logic [POSITION_BITS-1:0] first_position;
  logic [VALUE_BITS-1:0] first_value;
  always_comb begin
    {first_found, first_position, first_value} = '0;
    for (int i = 3; i >= 0; i--) begin
      if (found_in[i]) {first_found, first_position, first_value} = {1'b1, position_in[i], value_in[i]};
    end
    finds : assert (found == first_found);
    the_first : assert (!found || (position == first_position && value == first_value));
  end
endmodule

bind lnzd_node lnzd_node_properties #(
    .VALUE_BITS   (VALUE_BITS),
    .POSITION_BITS(POSITION_BITS)
) properties (
    .*
);
