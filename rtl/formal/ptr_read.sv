// A column that is taken is issued whole, in order, an entry in every cycle. docs/hardware.md, M3, T1, U4.
module ptr_read_properties #(
    parameter int POINTER_BITS = 16,
    parameter int POINTER_WORDS = 8192,
    parameter int COLUMN_BITS = 14,
    parameter int VALUE_BITS = 16,
    parameter int SLOW_MEMORIES = 0,
    parameter int WORD_BITS = 16,
    parameter int POINTER_ADDRESS_BITS = 13
) (
    input logic clk,
    input logic reset,
    input logic busy,
    input logic host_write,
    input logic host_read,
    input logic [COLUMN_BITS-1:0] host_address,
    input logic [POINTER_BITS-1:0] host_data,
    input logic shown_odd,
    input logic [POINTER_BITS-1:0] shown_pointer,
    input logic queue_valid,
    input logic [COLUMN_BITS-1:0] head_column,
    input logic [VALUE_BITS-1:0] head_value,
    input logic [COLUMN_BITS-1:0] coming_column,
    input logic take,
    input logic stays,
    input logic stage_valid,
    input logic entry_valid,
    input logic [POINTER_BITS-1:0] entry_address,
    input logic [VALUE_BITS-1:0] entry_activation,
    input logic entry_first,
    input logic swapped,
    input logic more,
    input logic [POINTER_BITS-1:0] held_end,
    input logic [WORD_BITS-1:0] even_word,
    input logic [WORD_BITS-1:0] odd_word,
    input logic [POINTER_ADDRESS_BITS-1:0] even_address,  // of the words that the proof's memories keep
    input logic [POINTER_ADDRESS_BITS-1:0] odd_address,
    input logic [WORD_BITS-1:0] kept_even,
    input logic [WORD_BITS-1:0] kept_odd
);
  // One column, any, and its pointers as the host wrote them last.
  logic [COLUMN_BITS-1:0] its, its_before;  // driven by nothing, and held
  logic [POINTER_BITS-1:0] from, to;
  logic from_written, to_written;
  wire [COLUMN_BITS-1:0] its_end = its + 1'b1;

  logic begun = 1'b0;
  logic mine;  // it is in the stage
  logic read_back;  // the host has read its first pointer
  logic waiting;  // there was a head, and it was not taken
  logic foretold;  // a cycle ago the queue could tell which column would be at its head
  logic [COLUMN_BITS-1:0] waiting_column, last_written, coming;
  logic [VALUE_BITS-1:0] waiting_value, its_value;
  logic [POINTER_BITS-1:0] issued;

  always_comb begin
    assume (begun || reset);
    assume (!begun || its == its_before);
    assume (int'(its) < 2 * POINTER_WORDS - 1 && int'(head_column) < 2 * POINTER_WORDS - 1);
    assume (int'(host_address) < 2 * POINTER_WORDS);
    assume (busy ? !(host_write || host_read) : !(queue_valid || stage_valid));
    assume (!(host_write && host_read));
    assume (SLOW_MEMORIES == 0 || !host_write || host_address == '0 || host_address == last_written + 1'b1);
    assume (!(queue_valid && head_column == its) || (from_written && to_written && from <= to));
    assume (!waiting || (queue_valid && head_column == waiting_column && head_value == waiting_value));
    assume (SLOW_MEMORIES == 0 || !queue_valid || (foretold && head_column == coming));
    assume (even_address == POINTER_ADDRESS_BITS'(its_end >> 1));
    assume (odd_address == POINTER_ADDRESS_BITS'(its >> 1));
  end

  always_ff @(posedge clk) begin
    begun          <= 1'b1;
    its_before     <= its;
    foretold       <= !reset && busy;
    coming         <= coming_column;
    read_back      <= begun && host_read && host_address == its && from_written;
    waiting        <= !reset && queue_valid && !take;
    waiting_column <= head_column;
    waiting_value  <= head_value;
    if (!begun) begin
      from_written <= 1'b0;
      to_written   <= 1'b0;
    end else if (host_write) begin
      last_written <= host_address;
      if (host_address == its) begin
        from         <= host_data;
        from_written <= 1'b1;
        // The length beside the next pointer is this one's until that is written, too.
        if (SLOW_MEMORIES != 0) to_written <= 1'b0;
      end
      if (host_address == its_end) begin
        to         <= host_data;
        to_written <= SLOW_MEMORIES == 0 || last_written == its && from_written;
      end
    end
    if (reset) mine <= 1'b0;
    else if (take) begin
      mine      <= head_column == its;
      its_value <= head_value;
      issued    <= '0;
    end else if (mine) begin
      issued <= issued + POINTER_BITS'(entry_valid);
      if (!stays) mine <= 1'b0;
    end
  end

  wire [POINTER_BITS-1:0] count = to - from;
  wire [1:0] length = {count > POINTER_BITS'(1), count != '0};
  wire [WORD_BITS-1:0] from_word = its[0] ? odd_word : even_word;
  wire [WORD_BITS-1:0] to_word = its[0] ? even_word : odd_word;
  wire [WORD_BITS-1:0] kept_from = its[0] ? kept_odd : kept_even;
  wire [WORD_BITS-1:0] kept_to = its[0] ? kept_even : kept_odd;

  always_comb begin
    if (begun && !reset) begin
      takes_a_head : assert (!take || queue_valid);
      not_lost : assert (!mine || (stage_valid && entry_activation == its_value));
      in_order : assert (!(mine && entry_valid) || (entry_address == from + issued && entry_address < to));
      whole : assert (!mine || stays || issued + POINTER_BITS'(entry_valid) == count);
      every_cycle : assert (!mine || entry_valid == (from != to));
      reads_back : assert (!read_back || shown_odd != its[0] || shown_pointer == from);
      marked : assert (!mine || entry_first == (issued == '0));
`ifdef INVARIANTS
      known : assert (!mine || (from_written && to_written && from <= to));
      a_head_is_written : assert (!(waiting && waiting_column == its) || (from_written && to_written && from <= to));
`endif
    end
`ifdef INVARIANTS
    if (begun) begin
      kept : assert (!from_written || kept_from[POINTER_BITS-1:0] == from);
      kept_end : assert (!to_written || kept_to[POINTER_BITS-1:0] == to);
    end
`endif
  end

`ifdef INVARIANTS
  wire shown = from_word[POINTER_BITS-1:0] == from && to_word[POINTER_BITS-1:0] == to;
  if (SLOW_MEMORIES != 0) begin : early
    always_comb begin
      if (begun && !reset) begin
        at_hand : assert (!mine || (entry_address == from + issued && held_end == to));
        an_entry_left : assert (!mine || (entry_first ? issued == '0 : issued < count && issued != '0));
        last_marked : assert (!mine || more == (count != '0 && issued + 1'b1 != count));
      end
      if (begun) begin
        kept_length : assert (!to_written || kept_to[WORD_BITS-1-:2] == length);
        written_last : assert (!(from_written && last_written == its) || read_early.previous == from);
        head_shown : assert (!(foretold && coming == its && from_written && to_written) ||
                             (shown && to_word[WORD_BITS-1-:2] == length));
      end
    end
  end else begin : at_the_head
    always_comb begin
      if (begun && !reset) begin
        in_its_bank : assert (!mine || swapped == its[0]);
        first_shown : assert (!(mine && entry_first) || shown);
        later : assert (!(mine && !entry_first) || (read_at_the_head.next == from + issued && issued < count &&
                        issued != '0 && held_end == to && more == (issued + 1'b1 != count)));
        head_shown : assert (!read_at_the_head.fetched || (waiting && (waiting_column != its || shown)));
      end
    end
  end
`endif
endmodule

bind ptr_read ptr_read_properties #(
    .POINTER_BITS        (POINTER_BITS),
    .POINTER_WORDS       (POINTER_WORDS),
    .COLUMN_BITS         (COLUMN_BITS),
    .VALUE_BITS          (VALUE_BITS),
    .SLOW_MEMORIES       (SLOW_MEMORIES),
    .WORD_BITS           (WORD_BITS),
    .POINTER_ADDRESS_BITS(POINTER_ADDRESS_BITS)
) properties (
    .even_address(even_bank.kept_address),
    .odd_address (odd_bank.kept_address),
    .kept_even   (even_bank.kept_word),
    .kept_odd    (odd_bank.kept_word),
    .*
);
