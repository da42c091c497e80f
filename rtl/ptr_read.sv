// Pointer read of one PE: reads where an activation's column begins and ends, and issues its entries one per cycle.
// The pointers of even and odd columns lie in two single-ported banks, so p_j and p_{j+1} are read in one cycle.
//
// The banks are read as soon as the queue has a head, and hold its pointers until it is taken. So a column is read
// once, and the read enable depends on registers alone, not on the pointers read. In a column's first cycle the
// pointers decide whether it has 0, 1, 2 or more entries; in later cycles a register, set in the cycle before, tells
// whether the entry is the last. Reset empties the stage; pointers and the current activation keep their value.
// In I/O mode the banks' address is the host's, whether it writes or not: then no decoded write is in its path. A pointer
// that it reads is shown after the next edge.
//
// Block RAMs of an FPGA answer too late for that decision. With SLOW_MEMORIES the banks are read a cycle earlier, when
// the queue tells which column comes to its head, and what they show is in registers when the column is in the stage. The
// host writes the pointers in ascending order, and whether the column that ends at a pointer has 0, 1 or more entries is
// stored beside it.
// Its rules: docs/hardware.md, M3, T1, T2, U4.
module ptr_read #(
    parameter int POINTER_BITS = 16,     // P
    parameter int POINTER_WORDS = 8192,  // in each bank
    parameter int COLUMN_BITS = 14,      // X
    parameter int VALUE_BITS = 16,       // B
    parameter int SLOW_MEMORIES = 0,     // 1: for memories that answer late in the cycle
    localparam int POINTER_ADDRESS_BITS = POINTER_WORDS > 1 ? $clog2(POINTER_WORDS) : 1
) (
    input  logic                    clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                    scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                    reset,
    input  logic                    busy,          // computing mode: the queue may have a head, and the host writes nothing
    input  logic                    host_write,
    input  logic                    host_read,
    input  logic [COLUMN_BITS-1:0]  host_address,  // the pointer's number
    input  logic [POINTER_BITS-1:0] host_data,
    input  logic                    shown_odd,     // the pointer that the host has read is in the odd bank
    input  logic                    queue_valid,
    input  logic [COLUMN_BITS-1:0]  head_column,
    input  logic [VALUE_BITS-1:0]   head_value,
    // Of slow memories alone.
    // verilator lint_off UNUSEDSIGNAL
    input  logic [COLUMN_BITS-1:0]  coming_column,  // the head's in the next cycle, if there is one
    // verilator lint_on UNUSEDSIGNAL
    output logic                    take,
    output logic                    stage_valid,
    output logic                    entry_valid,
    output logic [POINTER_BITS-1:0] entry_address,
    output logic [VALUE_BITS-1:0]   entry_activation,
    output logic                    entry_first,
    output logic [POINTER_BITS-1:0] shown_pointer
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (2 * POINTER_WORDS > 1 << COLUMN_BITS) begin : refuses1
    $fatal(1, "ptr_read: COLUMN_BITS must number the pointers of both banks");
  end
`endif

  localparam int WORD_BITS = POINTER_BITS + (SLOW_MEMORIES != 0 ? 2 : 0);
  logic [WORD_BITS-1:0] even_word, odd_word, written_word;
  logic [POINTER_BITS-1:0] held_end;  // after the column's first entry: the column's end
  logic                    read;      // the banks
  logic                    stays;     // the entry is not the column's last
  logic                    more;      // the next entry is not the last
  logic                    swapped;   // the column in the stage is odd: its own pointer is in the odd bank
  wire [COLUMN_BITS-1:0] column = !busy ? host_address : SLOW_MEMORIES != 0 ? coming_column : head_column;
  // Its lowest bit tells only whether the even bank's pointer is the column's own.
  // verilator lint_off UNUSEDSIGNAL
  wire [COLUMN_BITS-1:0] column_end = column + COLUMN_BITS'(busy);
  // verilator lint_on UNUSEDSIGNAL

  // The even bank has pointer j or j + 1, whichever is even; a host's pointer goes to its own place.
  sram #(.WORD_BITS(WORD_BITS), .WORDS(POINTER_WORDS)) even_bank (
      .clk,
      .read,
      .write(host_write && !host_address[0]),
      .address(POINTER_ADDRESS_BITS'(column_end >> 1)),
      .write_data(written_word),
      .read_data(even_word)
  );
  sram #(.WORD_BITS(WORD_BITS), .WORDS(POINTER_WORDS)) odd_bank (
      .clk,
      .read,
      .write(host_write && host_address[0]),
      .address(POINTER_ADDRESS_BITS'(column >> 1)),
      .write_data(written_word),
      .read_data(odd_word)
  );

  // Whether a + 1 or a + 2 is b, without a carry that runs through all bits: a + ~b must be -1 - distance. Each bit of
  // that sum says what its carry must be, and the bit below whether it is.
  // The constants have names because Yosys takes ~W'(1) for (~W)'(1).
  localparam logic [POINTER_BITS-1:0] ONE = POINTER_BITS'(1), TWO = POINTER_BITS'(2);
  function automatic logic is_ahead(input logic [POINTER_BITS-1:0] a, input logic [POINTER_BITS-1:0] b,
                                    input logic two);
    logic [POINTER_BITS-1:0] sum, wanted, given;
    sum      = two ? ~TWO : ~ONE;
    wanted   = a ^ ~b ^ sum;
    given    = ((a & ~b) | ((a | ~b) & ~sum)) << 1;
    is_ahead = wanted == given;
  endfunction

  wire [POINTER_BITS-1:0] even = even_word[POINTER_BITS-1:0];
  wire [POINTER_BITS-1:0] odd  = odd_word[POINTER_BITS-1:0];
  wire own_odd = SLOW_MEMORIES != 0 ? head_column[0] : swapped;
  wire [POINTER_BITS-1:0] begins = own_odd ? odd : even;
  wire [POINTER_BITS-1:0] ends   = own_odd ? even : odd;
  assign shown_pointer = shown_odd ? odd : even;

  assign take = !stays && queue_valid;

  if (SLOW_MEMORIES != 0) begin : read_early
    logic [POINTER_BITS-1:0] previous;  // the pointer written last
    wire [1:0] lengths = own_odd ? even_word[POINTER_BITS+:2] : odd_word[POINTER_BITS+:2];
    wire some = host_data != previous;
    assign written_word = {some && !is_ahead(previous, host_data, 1'b0), some, host_data};
    assign read = busy || host_read;
    assign stays = stage_valid && more;
    assign swapped = 1'b0;
    always_ff @(posedge clk) begin
      if (host_write) previous <= host_data;
      entry_valid <= !reset && (take ? lengths[0] : stays);
      if (take) begin
        more          <= lengths[1];
        entry_address <= begins;
        held_end      <= ends;
      end else begin
        more          <= !is_ahead(entry_address, held_end, 1'b1);
        entry_address <= entry_address + 1'b1;
      end
    end
  end else begin : read_at_the_head
    logic [POINTER_BITS-1:0] next;     // after the column's first entry
    logic                    fetched;  // the banks show the pointers of the queue's head
    wire empty     = even == odd;
    wire several   = !empty && !is_ahead(begins, ends, 1'b0);
    assign written_word  = host_data;
    assign read          = (queue_valid && !fetched) || host_read;
    assign stays         = stage_valid && (entry_first ? several : more);
    assign entry_address = entry_first ? begins : next;
    assign entry_valid   = stage_valid && !(entry_first && empty);
    always_ff @(posedge clk) begin
      fetched <= !reset && queue_valid && !take;
      if (stage_valid && !reset) begin
        more <= !is_ahead(entry_address, entry_first ? ends : held_end, 1'b1);
        next <= entry_address + 1'b1;
        if (entry_first) held_end <= ends;
      end
      if (take && !reset) swapped <= head_column[0];
    end
  end

  always_ff @(posedge clk) begin
    if (reset) begin
      stage_valid <= 1'b0;
      entry_first <= 1'b0;
    end else begin
      stage_valid <= take || stays;
      entry_first <= take;
      if (take) entry_activation <= head_value;
    end
  end

`ifndef SYNTHESIS
  // An activation taken is in the stage in the next cycle, and leaves it when entries p_j to p_{j+1} - 1 are issued.
  logic [POINTER_BITS-1:0] written[2*POINTER_WORDS];  // the pointers as the host wrote them
  logic [COLUMN_BITS-1:0]  last_written;
  logic [POINTER_BITS-1:0] first_entry, past_entry, issued;
  logic [VALUE_BITS-1:0]   taken_value;
  logic                    taken;
  always @(posedge clk) begin
    if (host_write) begin
      written[host_address] <= host_data;
      last_written          <= host_address;
      assert (reset || SLOW_MEMORIES == 0 || host_address == '0 || host_address === last_written + 1'b1)
      else $fatal(1, "ptr_read: pointers are not written in ascending order");
    end
    taken  <= !reset && take;
    issued <= take ? '0 : issued + POINTER_BITS'(entry_valid);
    if (take) begin
      taken_value <= head_value;
      first_entry <= written[head_column];
      past_entry  <= written[head_column+1'b1];
    end
    assert (reset || (busy ? !host_write && !host_read : !queue_valid))
    else $fatal(1, "ptr_read: a head in I/O mode, or a pointer written or read by the host in computing mode");
    if (!reset) begin
      assert (!take || queue_valid) else $fatal(1, "ptr_read: taken from an empty queue");
      assert (!taken || (stage_valid && entry_activation === taken_value))
      else $fatal(1, "ptr_read: a taken activation is lost");
    end
    if (!reset && stage_valid) begin
      assert (first_entry <= past_entry) else $fatal(1, "ptr_read: pointers run backwards");
      assert (!entry_valid || (entry_address === first_entry + issued && entry_address < past_entry))
      else $fatal(1, "ptr_read: an entry is not its column's next");
      assert (stays || issued + POINTER_BITS'(entry_valid) === past_entry - first_entry)
      else $fatal(1, "ptr_read: a column is left before its last entry");
    end
  end
`endif
endmodule
