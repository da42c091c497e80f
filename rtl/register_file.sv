// A file of words with one write port and one read port; a word written is read in the next cycle. Nothing is reset: a
// word is written before it is read.
//
// Words are flip-flops, or with LATCHES latches, of half their area and a fraction of their power. A read then is a sum
// of products: words that are not read toggle nothing. Latches are open
//   after the edge, while the clock is high: the word's data is held in a register for that time; or
//   before it, with EARLY: no register is needed, but the word may be read too early, and `write` and its place must come
//   from registers. For files that are not read in the cycle in which they are written.
module register_file #(
    parameter int ENTRIES = 64,
    parameter int WORD_BITS = 64,
    parameter int LATCHES = 0,
    parameter int EARLY = 0,
    localparam int PLACE_BITS = ENTRIES > 1 ? $clog2(ENTRIES) : 1
) (
    input  logic                  clk,
    input  logic                  write,
    input  logic [PLACE_BITS-1:0] write_place,
    input  logic [ WORD_BITS-1:0] write_data,
    input  logic [PLACE_BITS-1:0] read_place,
    output logic [ WORD_BITS-1:0] read_data
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (ENTRIES < 1 || WORD_BITS < 1) begin : refuses1
    $fatal(1, "register_file: ENTRIES and WORD_BITS must be at least 1");
  end
`endif

  if (LATCHES == 0) begin : flip_flops
    logic [WORD_BITS-1:0] words[ENTRIES];
    always_ff @(posedge clk) if (write) words[write_place] <= write_data;
    assign read_data = words[read_place];
  end else begin : latches
    logic [WORD_BITS*ENTRIES-1:0] words;  // all words' bits 0, all bits 1, and so on
    logic [ENTRIES-1:0] open;
    localparam int GROUP = EARLY != 0 ? ENTRIES : 8;  // words that share a clock and the wires to them
    localparam int GROUPS = (ENTRIES + GROUP - 1) / GROUP;
    logic [GROUPS*WORD_BITS-1:0] entering;

    if (EARLY != 0) begin : before_edge
      assign entering = write_data;
      for (genvar k = 0; k < ENTRIES; k++) begin : word
        wire hold = !(write && int'(write_place) == k);
        low_gate open_gate (
            .clk,
            .hold,
            .open(open[k])
        );
      end
    end else begin : after_edge
      logic [WORD_BITS-1:0] data;
      logic [PLACE_BITS-1:0] place;
      logic file_clk;
      logic [GROUPS-1:0] group_clk;
      always_ff @(posedge clk) begin
        if (write) begin
          data  <= write_data;
          place <= write_place;
        end
      end
      clock_gate file_gate (
          .clk,
          .enable(write),
          .gated(file_clk)
      );
      for (genvar g = 0; g < GROUPS; g++) begin : group
        wire enable = int'(write_place) / GROUP == g;
        clock_gate group_gate (
            .clk(file_clk),
            .enable,
            .gated(group_clk[g])
        );
        // The data go to the group that is written.
        wire written = int'(place) / GROUP == g;
        data_gate #(
            .BITS(WORD_BITS)
        ) data_gate (
            .enable(written),
            .data,
            .gated(entering[g*WORD_BITS+:WORD_BITS])
        );
      end
      for (genvar k = 0; k < ENTRIES; k++) begin : word
        wire enable = int'(write_place) % GROUP == k % GROUP;
        clock_gate open_gate (
            .clk(group_clk[k/GROUP]),
            .enable,
            .gated(open[k])
        );
      end
    end

    for (genvar k = 0; k < ENTRIES; k++) begin : latch
      wire is_open = open[k];
      wire [WORD_BITS-1:0] data = entering[k/GROUP*WORD_BITS+:WORD_BITS];
      logic [WORD_BITS-1:0] word;
      always_latch if (is_open) word = data;
      for (genvar b = 0; b < WORD_BITS; b++) begin : stored
        assign words[b*ENTRIES+k] = word[b];
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
