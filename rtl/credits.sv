// Broadcasts through registers, with credits: one path to all queues, and one from each PE back.
// A broadcast arrives STAGES cycles later. What each PE has been sent and has not been told to have taken is counted
// here, and a full count holds all broadcasts back: `any_full` is a register, and no path leads from the queues to it in
// one cycle. A start finds the queues empty, and forgets the takes on their way.
// Its rule: docs/hardware.md, T6.
module credits #(
    parameter int N_PE = 64,
    parameter int QUEUE_DEPTH = 8,
    parameter int VALUE_BITS = 16,
    parameter int COLUMN_BITS = 14,
    parameter int BROADCAST_STAGES = 1,
    localparam int COUNT_BITS = $clog2(QUEUE_DEPTH)
) (
    input  logic                   clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                   scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                   reset,
    input  logic                   start,
    input  logic                   broadcast,
    input  logic [COLUMN_BITS-1:0] broadcast_column,
    input  logic [VALUE_BITS-1:0]  broadcast_value,
    input  logic [N_PE-1:0]        take,
    output logic                   any_full,
    output logic                   in_flight,
    output logic                   arrival,
    output logic [COLUMN_BITS-1:0] arrival_column,
    output logic [VALUE_BITS-1:0]  arrival_value
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (BROADCAST_STAGES < 1) begin : refuses1
    $fatal(1, "credits: BROADCAST_STAGES must be at least 1");
  end
`endif

  // Registers from the newest to the oldest, the newest in the low bits.
  localparam int COLUMNS_BITS = BROADCAST_STAGES * COLUMN_BITS, VALUES_BITS = BROADCAST_STAGES * VALUE_BITS,
      TOLD_BITS = BROADCAST_STAGES * N_PE;
  logic [BROADCAST_STAGES-1:0]     coming;
  logic [COLUMNS_BITS-1:0]         columns;
  logic [VALUES_BITS-1:0]          values;
  logic [TOLD_BITS-1:0]            told;
  logic [N_PE-1:0][COUNT_BITS-1:0] sent;
  logic [N_PE-1:0]                 full_after, full_before;  // with one more sent in this cycle, and without

  assign in_flight = coming != '0;
  assign arrival = coming[BROADCAST_STAGES-1];
  assign arrival_column = columns[COLUMNS_BITS-1-:COLUMN_BITS];
  assign arrival_value = values[VALUES_BITS-1-:VALUE_BITS];

  always_ff @(posedge clk) begin
    coming <= reset ? '0 : BROADCAST_STAGES'({coming, broadcast});
    told   <= reset || start ? '0 : TOLD_BITS'({told, take});
    if (broadcast || in_flight) begin
      columns <= COLUMNS_BITS'({columns, broadcast_column});
      values  <= VALUES_BITS'({values, broadcast_value});
    end
  end

  for (genvar i = 0; i < N_PE; i++) begin : element
    wire [COUNT_BITS-1:0] left = sent[i] - COUNT_BITS'(told[TOLD_BITS-N_PE+i]);
    assign full_after[i]  = left == COUNT_BITS'(QUEUE_DEPTH - 2);
    assign full_before[i] = left == COUNT_BITS'(QUEUE_DEPTH - 1);
    always_ff @(posedge clk) begin
      if (reset || start) sent[i] <= '0;
      else sent[i] <= left + COUNT_BITS'(broadcast);
    end
  end

  always_ff @(posedge clk) begin
    if (reset || start) any_full <= 1'b0;
    else any_full <= broadcast ? |full_after : |full_before;
  end
endmodule
