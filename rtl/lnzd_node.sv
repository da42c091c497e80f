// One leading non-zero detector of the quadtree: passes on the first of four children that has found something.
module lnzd_node #(
    parameter int VALUE_BITS = 16,   // B
    parameter int POSITION_BITS = 6  // bits of a position among all PEs
) (
    input  logic [3:0]                    found_in,
    input  logic [3:0][POSITION_BITS-1:0] position_in,
    input  logic [3:0][VALUE_BITS-1:0]    value_in,
    output logic                          found,
    output logic [POSITION_BITS-1:0]      position,
    output logic [VALUE_BITS-1:0]         value
);
  logic [1:0] child;

  always_comb begin
    if (found_in[0]) child = 2'd0;
    else if (found_in[1]) child = 2'd1;
    else if (found_in[2]) child = 2'd2;
    else child = 2'd3;
  end

  assign found    = |found_in;
  assign position = position_in[child];
  assign value    = value_in[child];
endmodule
