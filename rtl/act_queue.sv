// Activation queue of one PE: a ring, full with one slot left, which therefore is not built. Reset empties it; the slots
// keep what they held.
//
// Its rules: docs/hardware.md, Q1 to Q4.
module act_queue #(
    parameter int QUEUE_DEPTH = 8,
    parameter int COLUMN_BITS = 14,  // X: bits of an input's number
    parameter int VALUE_BITS = 16,
    parameter int LATCHES = 0,  // in the slots
    parameter int SLOW_MEMORIES = 0,  // 1: tells which column comes to the head, so that its pointers are read early
    localparam int SLOTS = QUEUE_DEPTH - 1,
    localparam int PLACE_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1,
    localparam int COUNT_BITS = $clog2(QUEUE_DEPTH)
) (
    input  logic                   clk,
    input  logic                   scan_enable,
    input  logic                   reset,
    input  logic                   broadcast,
    input  logic [COLUMN_BITS-1:0] broadcast_column,
    input  logic [VALUE_BITS-1:0]  broadcast_value,
    input  logic                   take,
    output logic                   full,
    output logic                   queue_valid,
    output logic [COUNT_BITS-1:0]  queue_count,
    output logic [COLUMN_BITS-1:0] head_column,
    output logic [VALUE_BITS-1:0]  head_value,
    output logic [COLUMN_BITS-1:0] coming_column  // with slow memories: the head's in the next cycle, if there is one
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (QUEUE_DEPTH < 2) begin : refuses1
    $fatal(1, "act_queue: QUEUE_DEPTH must be at least 2, as a queue is full with one slot left");
  end
`endif

  logic [PLACE_BITS-1:0] write_place, read_place;

  wire [PLACE_BITS-1:0] after_write = write_place == PLACE_BITS'(SLOTS - 1) ? '0 : write_place + 1'b1;
  wire [PLACE_BITS-1:0] after_read  = read_place == PLACE_BITS'(SLOTS - 1) ? '0 : read_place + 1'b1;

  assign full = queue_count == COUNT_BITS'(QUEUE_DEPTH - 1);
  assign queue_valid = queue_count != '0;

  // A latch opens before it is known whether there is a broadcast: the slot at write_place is free unless all are full.
  register_file #(
      .ENTRIES(SLOTS),
      .WORD_BITS(COLUMN_BITS + VALUE_BITS),
      .LATCHES(LATCHES)
  ) slots (
      .clk,
      .scan_enable,
      .write(LATCHES != 0 ? !full : broadcast),
      .write_place,
      .write_data({broadcast_column, broadcast_value}),
      .read_place,
      .read_data({head_column, head_value})
  );

  if (SLOW_MEMORIES != 0) begin : looks_ahead
    logic [COLUMN_BITS-1:0] second_column;
    register_file #(
        .ENTRIES(SLOTS),
        .WORD_BITS(COLUMN_BITS),
        .LATCHES(LATCHES)
    ) columns (
        .clk,
        .scan_enable,
        .write(LATCHES != 0 ? !full : broadcast),
        .write_place,
        .write_data(broadcast_column),
        .read_place(after_read),
        .read_data(second_column)
    );
    // As if taken and as if not: whether it is comes last.
    wire [COLUMN_BITS-1:0] if_taken = queue_count == COUNT_BITS'(1) ? broadcast_column : second_column;
    wire [COLUMN_BITS-1:0] if_not   = queue_valid ? head_column : broadcast_column;
    assign coming_column = take ? if_taken : if_not;
  end else begin : at_hand
    assign coming_column = '0;
  end

  always_ff @(posedge clk) begin
    if (reset) begin
      write_place <= '0;
      read_place  <= '0;
      queue_count <= '0;
    end else begin
      if (broadcast) write_place <= after_write;
      if (take) read_place <= after_read;
      if (broadcast && !take) queue_count <= queue_count + 1'b1;
      if (take && !broadcast) queue_count <= queue_count - 1'b1;
    end
  end

`ifndef SYNTHESIS
  // The entries written and not yet taken, in order: the queue must not lose, double or change any.
  logic [COLUMN_BITS+VALUE_BITS-1:0] held[$];
  logic [COLUMN_BITS+VALUE_BITS-1:0] oldest;
  logic [COLUMN_BITS-1:0] foretold;
  /* verilator lint_off BLKSEQ */
  always @(posedge clk) begin
    if (reset) held = {};
    else begin
      assert (int'(queue_count) === held.size()) else $fatal(1, "act_queue: an entry is lost or doubled");
      assert (!(broadcast && held.size() == QUEUE_DEPTH - 1))
      else $fatal(1, "act_queue: a broadcast into a full queue");
      assert (!(take && held.size() == 0)) else $fatal(1, "act_queue: taken from an empty queue");
      assert (SLOW_MEMORIES == 0 || !queue_valid || head_column === foretold)
      else $fatal(1, "act_queue: another column is at the head than was foretold");
      if (take) begin
        oldest = held.pop_front();
        assert ({head_column, head_value} === oldest) else $fatal(1, "act_queue: not the oldest entry is taken");
      end
      if (broadcast) held.push_back({broadcast_column, broadcast_value});
    end
    foretold = coming_column;
  end
  /* verilator lint_on BLKSEQ */
`endif
endmodule
