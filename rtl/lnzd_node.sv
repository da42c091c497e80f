// One leading non-zero detector of the quadtree: passes on the first of its four children that has found a non-zero.
module lnzd_node #(
    parameter int VALUE_BITS = 16,   // B
    parameter int POSITION_BITS = 6  // of a position among all PEs
) (
    input  logic [3:0]                    found_in,
    input  logic [3:0][POSITION_BITS-1:0] position_in,
    input  logic [3:0][VALUE_BITS-1:0]    value_in,
    output logic                          found,
    output logic [POSITION_BITS-1:0]      position,
    output logic [VALUE_BITS-1:0]         value
);
  wire [1:0] child = found_in[0] ? 2'd0 : found_in[1] ? 2'd1 : found_in[2] ? 2'd2 : 2'd3;

  assign found    = |found_in;
  assign position = position_in[child];
  assign value    = value_in[child];
endmodule
