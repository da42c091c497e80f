// Leading non-zero detector: the row register, the scan position, and the quadtree that finds the next activation.
// Reset and start mark the row register empty; the row and the scan position are written before they are read.
// Its rules: docs/hardware.md, S1 to S7, U3.
module lnzd #(
    parameter int N_PE = 64,
    parameter int VALUE_BITS = 16,
    parameter int REGISTER_ENTRIES = 64,
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1)
) (
    input  logic                            clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                            scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                            reset,
    input  logic                            start,  // a scan of `rows` rows begins in the next cycle
    input  logic [ROW_COUNT_BITS-1:0]       rows,
    input  logic                            computing,
    input  logic                            storing,  // the row at row_address is stored: the next one follows
    input  logic                            broadcast,
    input  logic [N_PE-1:0][VALUE_BITS-1:0] source_row,
    input  logic [N_PE-1:0]                 source_nonzero,  // which of its values are not 0
    output logic                            found,
    output logic [ROW_BITS-1:0]             found_row,
    output logic [POSITION_BITS-1:0]        found_position,
    output logic [VALUE_BITS-1:0]           found_value,
    output logic [ROW_BITS-1:0]             row_address,  // a register: it leads to every processing element
    output logic                            scan_finished
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (N_PE < 1 || N_PE > 256) begin : refuses1
    $fatal(1, "lnzd: N_PE must be 1 to 256");
  end
`endif

  logic [N_PE-1:0][VALUE_BITS-1:0] row;
  logic                            row_valid;
  logic [N_PE-1:0]                 left;  // its non-zeros at or after the scan position; none without a row
  logic [ROW_COUNT_BITS-1:0]       next_row;

  // The nodes of a full quadtree in one array: the root is node 0, the children of node n are 4n + 1 to 4n + 4, the
  // leaves come last. Leaves beyond the PEs find nothing, and synthesis removes them with the nodes above them.
  localparam int LEVELS = ($clog2(N_PE) + 1) / 2;
  localparam int LEAVES = 1 << (2 * LEVELS);
  localparam int DETECTORS = (LEAVES - 1) / 3;  // 1 + 4 + 16 + ...
  localparam int NODES = DETECTORS + LEAVES;

  // With one PE there is one node, and nothing to split.
  // verilator lint_off SPLITVAR
  logic [NODES-1:0]               node_found     /*verilator split_var*/;
  logic [NODES*POSITION_BITS-1:0] node_position  /*verilator split_var*/;
  logic [NODES*VALUE_BITS-1:0]    node_value     /*verilator split_var*/;
  // verilator lint_on SPLITVAR

  for (genvar i = 0; i < LEAVES; i++) begin : leaf
    if (i < N_PE) begin : element
      assign node_found[DETECTORS+i] = left[i];
      assign node_position[(DETECTORS+i)*POSITION_BITS+:POSITION_BITS] = POSITION_BITS'(i);
      assign node_value[(DETECTORS+i)*VALUE_BITS+:VALUE_BITS] = row[i];
    end else begin : nothing
      assign node_found[DETECTORS+i] = 1'b0;
      assign node_position[(DETECTORS+i)*POSITION_BITS+:POSITION_BITS] = '0;
      assign node_value[(DETECTORS+i)*VALUE_BITS+:VALUE_BITS] = '0;
    end
  end
  for (genvar n = 0; n < DETECTORS; n++) begin : node
    lnzd_node #(
        .VALUE_BITS(VALUE_BITS),
        .POSITION_BITS(POSITION_BITS)
    ) detector (
        .found_in(node_found[4*n+1+:4]),
        .position_in(node_position[(4*n+1)*POSITION_BITS+:4*POSITION_BITS]),
        .value_in(node_value[(4*n+1)*VALUE_BITS+:4*VALUE_BITS]),
        .found(node_found[n]),
        .position(node_position[n*POSITION_BITS+:POSITION_BITS]),
        .value(node_value[n*VALUE_BITS+:VALUE_BITS])
    );
  end

  assign found          = node_found[0];
  assign found_position = node_position[POSITION_BITS-1:0];
  assign found_value    = node_value[VALUE_BITS-1:0];
  assign found_row      = row_valid ? ROW_BITS'(next_row - 1'b1) : '0;
  assign scan_finished  = !row_valid && next_row == rows;

  // The first non-zero left is that of the last position, or there is none.
  wire at_end = N_PE'(left << 1) == '0;
  wire ends = computing && at_end && (broadcast || !left[N_PE-1]);  // the row; the next one is loaded, or there is none
  wire loads = ends && next_row != rows;

  always_ff @(posedge clk) begin
    if (reset || start) begin
      next_row  <= '0;
      row_valid <= 1'b0;
      left      <= '0;
    end else if (computing) begin
      if (ends) begin
        row_valid <= loads;
        left      <= loads ? source_nonzero : '0;
        if (loads) begin
          row      <= source_row;
          next_row <= next_row + 1'b1;
        end
      end else if (broadcast) begin
        left <= left & (left - 1'b1);  // without its first
      end
    end
    if (reset || start) row_address <= '0;
    else if (loads || storing) row_address <= row_address + 1'b1;
  end

`ifndef SYNTHESIS
  logic [N_PE-1:0] passed;  // positions before the scan position
  logic [N_PE-1:0] wanted;  // the row's non-zeros at or after it
  for (genvar i = 0; i < N_PE; i++) begin : looked_at
    assign wanted[i] = row[i] != '0 && !passed[i];
  end
  always @(posedge clk) begin
    if (computing) begin
      if (!found || (broadcast && found_position == POSITION_BITS'(N_PE - 1))) passed <= '0;
      else if (broadcast) for (int pe = 0; pe < N_PE; pe++) if (pe <= int'(found_position)) passed[pe] <= 1'b1;
    end
    if (!reset && row_valid) begin
      assert (!found || (row[found_position] === found_value && wanted[found_position]))
      else $fatal(1, "lnzd: what is found is zero or has been broadcast");
      assert (found ? (wanted & ((N_PE'(1) << found_position) - 1'b1)) === '0 : wanted === '0)
      else $fatal(1, "lnzd: a non-zero is passed over");
    end
  end
`endif
endmodule
