// The queue gives what it was given, in order, and counts it; the slot that is open is not the one that is read.
// docs/hardware.md, Q1.
module act_queue_properties #(
    parameter int QUEUE_DEPTH = 8,
    parameter int ITEM_BITS = 30,
    parameter int COLUMN_BITS = 14,
    parameter int SLOW_MEMORIES = 0,
    localparam int SLOTS = QUEUE_DEPTH - 1,
    localparam int PLACE_BITS = SLOTS > 1 ? $clog2(SLOTS) : 1,
    localparam int COUNT_BITS = $clog2(QUEUE_DEPTH)
) (
    input logic clk,
    input logic reset,
    input logic broadcast,
    input logic take,
    input logic full,
    input logic queue_valid,
    input logic [COUNT_BITS-1:0] queue_count,
    input logic [PLACE_BITS-1:0] read_place,
    input logic [PLACE_BITS-1:0] write_place,
    input logic [ITEM_BITS-1:0] given,
    input logic [ITEM_BITS-1:0] head,
    input logic [COLUMN_BITS-1:0] head_column,
    input logic [COLUMN_BITS-1:0] coming_column,
    input logic [ITEM_BITS-1:0] words[SLOTS]
);
  logic begun = 1'b0;
  logic [COLUMN_BITS-1:0] coming;  // what was told a cycle ago
  always_ff @(posedge clk) begin
    begun  <= 1'b1;
    coming <= coming_column;
  end
  always_comb begin
    assume (begun || reset);
    assume (!(broadcast && full));
    assume (!(take && !queue_valid));
  end

  // One item, any, is followed from the cycle in which it is given; `ahead` are taken before it.
  logic chosen;  // driven by nothing: any value in any cycle
  logic following;
  logic [COUNT_BITS-1:0] ahead, entries;
  logic [ITEM_BITS-1:0] item;
  always_ff @(posedge clk) begin
    if (reset) begin
      following <= 1'b0;
      entries   <= '0;
    end else begin
      entries <= entries + COUNT_BITS'(broadcast) - COUNT_BITS'(take);
      if (!following && chosen && broadcast) begin
        following <= 1'b1;
        item      <= given;
        ahead     <= entries - COUNT_BITS'(take);
      end else if (following && take) begin
        if (ahead == '0) following <= 1'b0;
        else ahead <= ahead - 1'b1;
      end
    end
  end

  wire [COUNT_BITS:0] after_last = (COUNT_BITS + 1)'(read_place) + {1'b0, entries};
  wire [COUNT_BITS:0] at = (COUNT_BITS + 1)'(read_place) + {1'b0, ahead};

  always_comb begin
    if (begun && !reset) begin
      counted : assert (queue_count == entries && queue_valid == (entries != '0));
      one_slot_free : assert (full == (int'(entries) == QUEUE_DEPTH - 1));
      in_order : assert (!(following && ahead == '0) || head == item);
      free_slot : assert (full || !queue_valid || write_place != read_place);
      foretold : assert (SLOW_MEMORIES == 0 || !queue_valid || head_column == coming);
      still_there : assert (!following || ahead < queue_count);
`ifdef INVARIANTS
      in_the_ring : assert (int'(entries) < QUEUE_DEPTH && int'(read_place) < SLOTS);
      next_place : assert (int'(write_place) == int'(after_last) % SLOTS);
      unchanged : assert (!following || words[int'(at) % SLOTS] == item);
`endif
    end
  end
endmodule

bind act_queue act_queue_properties #(
    .QUEUE_DEPTH(QUEUE_DEPTH),
    .ITEM_BITS  (COLUMN_BITS + VALUE_BITS),
    .COLUMN_BITS(COLUMN_BITS),
    .SLOW_MEMORIES(SLOW_MEMORIES)
) properties (
    .given({broadcast_column, broadcast_value}),
    .head ({head_column, head_value}),
    .words(slots.flip_flops.words),
    .*
);
