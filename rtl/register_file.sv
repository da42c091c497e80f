// A file of words with one write port and one read port; a word written is read in the next cycle. Nothing is reset: a
// word is written before it is read.
//
// Words are flip-flops, or with LATCHES latches, of half their area and a fraction of their power. A read then is a sum
// of products: words that are not read toggle nothing. A latch is open before the edge, while the clock is low. So
// `write` and `write_place` must come from registers, and a read of the word that is written in the same cycle, which
// flip-flops answer with the old word, must not matter.
module register_file #(
    parameter int ENTRIES = 64,
    parameter int WORD_BITS = 64,
    parameter int LATCHES = 0,
    parameter int GROUP = ENTRIES,  // words that share a clock and the wires to them
    parameter int ZEROS = 0,        // the first so many words are only ever 0: they need no latches
    localparam int PLACE_BITS = ENTRIES > 1 ? $clog2(ENTRIES) : 1
) (
    input  logic                  clk,
    // While it is high no latch changes; and for the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                  scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                  write,
    input  logic [PLACE_BITS-1:0] write_place,
    input  logic [ WORD_BITS-1:0] write_data,
    input  logic [PLACE_BITS-1:0] read_place,
    output logic [ WORD_BITS-1:0] read_data
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (ENTRIES < 1 || WORD_BITS < 1 || GROUP < 1) begin : refuses1
    $fatal(1, "register_file: ENTRIES, WORD_BITS and GROUP must be at least 1");
  end
`endif

  if (LATCHES == 0) begin : flip_flops
    logic [WORD_BITS-1:0] words[ENTRIES];
    always_ff @(posedge clk) if (write) words[write_place] <= write_data;
    assign read_data = words[read_place];
  end else begin : latches
    logic [WORD_BITS*ENTRIES-1:0] words;  // all words' bits 0, all bits 1, and so on

    for (genvar g = 0; g * GROUP < ENTRIES; g++) begin : group
      localparam int WORDS = ENTRIES - g * GROUP < GROUP ? ENTRIES - g * GROUP : GROUP;
      wire here = WORDS == ENTRIES || int'(write_place) / GROUP == g;
      wire closed = !(write && here) || scan_enable;
      logic opened;
      wire group_clk = !opened;
      logic [WORD_BITS-1:0] entering;
      low_gate group_gate (
          .clk,
          .hold(closed),
          .open(opened)
      );
      // The data go to the group that is written.
      if (WORDS < ENTRIES) begin : of_several
        data_gate #(
            .BITS(WORD_BITS)
        ) data_gate (
            .enable(here),
            .data  (write_data),
            .gated (entering)
        );
      end else begin : the_only
        assign entering = write_data;
      end
      for (genvar k = 0; k < WORDS; k++) begin : word
        localparam int PLACE = g * GROUP + k;
        logic [WORD_BITS-1:0] stored;
        if (PLACE < ZEROS) begin : zero
          assign stored = '0;
        end else begin : kept
          wire hold = int'(write_place) % GROUP != PLACE % GROUP;
          logic open;
          low_gate word_gate (
              .clk(group_clk),
              .hold,
              .open
          );
          always_latch if (open) stored = entering;
        end
        for (genvar b = 0; b < WORD_BITS; b++) begin : places
          assign words[b*ENTRIES+PLACE] = stored[b];
        end
      end
    end

    // A bit at a time, so that the sum is a tree.
    logic [ENTRIES-1:0] is_read;
    for (genvar k = 0; k < ENTRIES; k++) begin : selected
      assign is_read[k] = int'(read_place) == k;
    end
    for (genvar b = 0; b < WORD_BITS; b++) begin : bits
      wire [ENTRIES-1:0] products = is_read & words[b*ENTRIES+:ENTRIES];
      assign read_data[b] = |products;
    end
  end
endmodule
