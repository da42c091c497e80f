// Leading non-zero detector: the row register, the scan position, and the quadtree that finds the next activation.
// Its rules: docs/hardware.md, S1 to S7, U3.
module lnzd #(
    parameter int N_PE = 64,
    parameter int VALUE_BITS = 16,
    parameter int ROW_BITS = 7,  // bits of a row's number
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1
) (
    input  logic                            clk,
    input  logic                            reset,
    input  logic                            start,  // a scan of `rows` rows begins in the next cycle
    input  logic [ROW_BITS-1:0]             rows,
    input  logic                            computing,
    input  logic                            broadcast,
    input  logic [N_PE-1:0][VALUE_BITS-1:0] source_row,
    output logic                            found,
    output logic [ROW_BITS-1:0]             found_row,
    output logic [POSITION_BITS-1:0]        found_position,
    output logic [VALUE_BITS-1:0]           found_value,
    output logic [ROW_BITS-1:0]             row_address,
    output logic                            scan_finished
);
  logic [N_PE-1:0][VALUE_BITS-1:0] row;
  logic                       row_valid;
  logic [N_PE-1:0]            passed;  // positions before the scan position
  logic [ROW_BITS-1:0]             next_row;

  // Nodes of the tree, level after level, in one array: the leaves first, the root last.
  function automatic int nodes_below(int level);  // nodes of all levels below `level`, the PEs being level 0
    int sum = 0, width = N_PE;
    for (int l = 0; l < level; l++) begin
      sum += width;
      width = (width + 3) / 4;
    end
    return sum;
  endfunction
  function automatic int width_of(int level);
    int width = N_PE;
    for (int l = 0; l < level; l++) width = (width + 3) / 4;
    return width;
  endfunction
  function automatic int tree_levels();
    int levels = 0, width = N_PE;
    while (width > 1) begin
      width = (width + 3) / 4;
      levels++;
    end
    return levels;
  endfunction
  localparam int LEVELS = tree_levels();
  localparam int NODES = nodes_below(LEVELS) + 1;

  logic                node_found   [NODES]  /*verilator split_var*/;
  logic [POSITION_BITS-1:0] node_position[NODES]  /*verilator split_var*/;
  logic [VALUE_BITS-1:0]    node_value   [NODES]  /*verilator split_var*/;

  for (genvar pe = 0; pe < N_PE; pe++) begin : leaf
    assign node_found[pe]    = row_valid && row[pe] != '0 && !passed[pe];
    assign node_position[pe] = POSITION_BITS'(pe);
    assign node_value[pe]    = row[pe];
  end
  for (genvar level = 1; level <= LEVELS; level++) begin : tree
    localparam int WIDTH = width_of(level), CHILDREN = width_of(level - 1);
    localparam int HERE = nodes_below(level), BELOW = nodes_below(level - 1);
    for (genvar n = 0; n < WIDTH; n++) begin : node
      logic [3:0]               found_in;
      logic [3:0][POSITION_BITS-1:0] position_in;
      logic [3:0][VALUE_BITS-1:0]    value_in;
      for (genvar c = 0; c < 4; c++) begin : child
        if (4 * n + c < CHILDREN) begin : real_child
          assign found_in[c]    = node_found[BELOW+4*n+c];
          assign position_in[c] = node_position[BELOW+4*n+c];
          assign value_in[c]    = node_value[BELOW+4*n+c];
        end else begin : no_child
          assign found_in[c]    = 1'b0;
          assign position_in[c] = '0;
          assign value_in[c]    = '0;
        end
      end
      lnzd_node #(
          .VALUE_BITS(VALUE_BITS),
          .POSITION_BITS(POSITION_BITS)
      ) detector (
          .found_in,
          .position_in,
          .value_in,
          .found(node_found[HERE+n]),
          .position(node_position[HERE+n]),
          .value(node_value[HERE+n])
      );
    end
  end

  assign found          = node_found[NODES-1];
  assign found_position = node_position[NODES-1];
  assign found_value    = node_value[NODES-1];
  assign found_row      = row_valid ? next_row - 1'b1 : '0;
  assign row_address    = next_row;
  assign scan_finished  = !row_valid && next_row == rows;

  wire last = broadcast && found_position == POSITION_BITS'(N_PE - 1);

  always_ff @(posedge clk) begin
    if (reset || start) begin
      next_row  <= '0;
      row_valid <= 1'b0;
    end else if (computing) begin
      if (last || !found) begin  // the next row is loaded, or there is none
        passed    <= '0;
        row_valid <= next_row != rows;
        if (next_row != rows) begin
          row      <= source_row;
          next_row <= next_row + 1'b1;
        end
      end else if (broadcast) begin
        for (int pe = 0; pe < N_PE; pe++) if (pe <= int'(found_position)) passed[pe] <= 1'b1;
      end
    end
  end

`ifndef SYNTHESIS
  logic [N_PE-1:0] left;  // the row's non-zeros at or after the scan position
  always_comb for (int pe = 0; pe < N_PE; pe++) left[pe] = row[pe] != '0 && !passed[pe];
  always @(posedge clk) begin
    if (!reset && row_valid) begin
      assert (!found || (row[found_position] === found_value && found_value != '0 && !passed[found_position]))
      else $fatal(1, "lnzd: what is found is zero or has been broadcast");
      assert (found ? (left & ((N_PE'(1) << found_position) - 1'b1)) === '0 : left === '0)
      else $fatal(1, "lnzd: a non-zero is passed over");
    end
  end
`endif
endmodule
