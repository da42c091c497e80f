// Pointer read of one PE: where an activation's column begins and ends, and its entries one a cycle.
// Even and odd columns lie in two single-ported banks, so that p_j and p_{j+1} come in one cycle.
// Its rules: docs/hardware.md, M3, T1, T2, U4.
module ptr_read #(
    parameter int POINTER_BITS = 16,     // P
    parameter int POINTER_WORDS = 8192,  // pointers in each bank
    parameter int COLUMN_BITS = 13,
    parameter int VALUE_BITS = 16,
    localparam int POINTER_ADDRESS_BITS = POINTER_WORDS > 1 ? $clog2(POINTER_WORDS) : 1
) (
    input  logic                    clk,
    input  logic                    reset,
    input  logic                    host_write,
    input  logic [COLUMN_BITS-1:0]  host_address,  // the pointer's number
    input  logic [POINTER_BITS-1:0] host_data,
    input  logic                    queue_valid,
    input  logic [COLUMN_BITS-1:0]  head_column,
    input  logic [VALUE_BITS-1:0]   head_value,
    output logic                    take,
    output logic                    stage_valid,
    output logic                    entry_valid,
    output logic [POINTER_BITS-1:0] entry_address,
    output logic [VALUE_BITS-1:0]   entry_activation,
    output logic                    entry_first
);
  logic [POINTER_BITS-1:0] even, odd, next;  // `next` counts on from the column's first entry
  logic swapped;                        // the column is odd: its own pointer is in the odd bank

  wire [COLUMN_BITS-1:0] column = host_write ? host_address : head_column;
  wire [COLUMN_BITS:0]   beyond = {1'b0, column} + 1'b1;

  // The even bank has pointer j or j + 1, whichever is even; a host's pointer goes to its own place.
  sram #(.WORD_BITS(POINTER_BITS), .WORDS(POINTER_WORDS)) even_bank (
      .clk,
      .read(take),
      .write(host_write && !host_address[0]),
      .address(POINTER_ADDRESS_BITS'(host_write ? column >> 1 : COLUMN_BITS'(beyond >> 1))),
      .write_data(host_data),
      .read_data(even)
  );
  sram #(.WORD_BITS(POINTER_BITS), .WORDS(POINTER_WORDS)) odd_bank (
      .clk,
      .read(take),
      .write(host_write && host_address[0]),
      .address(POINTER_ADDRESS_BITS'(column >> 1)),
      .write_data(host_data),
      .read_data(odd)
  );

  wire [POINTER_BITS-1:0] begins = swapped ? odd : even;
  wire [POINTER_BITS-1:0] ends   = swapped ? even : odd;
  wire [POINTER_BITS:0]   following = {1'b0, entry_address} + 1'b1;
  wire               stays = stage_valid && following < {1'b0, ends};

  assign entry_address = entry_first ? begins : next;
  assign entry_valid   = stage_valid && entry_address < ends;
  assign take          = !stays && queue_valid;

  always_ff @(posedge clk) begin
    if (reset) begin
      stage_valid <= 1'b0;
      entry_first <= 1'b0;
    end else begin
      stage_valid <= take || stays;
      entry_first <= take;
      if (stage_valid) next <= following[POINTER_BITS-1:0];
      if (take) begin
        swapped <= head_column[0];
        entry_activation <= head_value;
      end
    end
  end

`ifndef SYNTHESIS
  // What has been taken is in the stage in the next cycle, and leaves it when its p_j .. p_{j+1} have been issued.
  logic [POINTER_BITS-1:0] written[2*POINTER_WORDS];  // the pointers as the host wrote them
  logic [POINTER_BITS-1:0] first_entry, past_entry, issued;
  logic [VALUE_BITS-1:0]   taken_value;
  logic               taken;
  always @(posedge clk) begin
    if (host_write) written[host_address] <= host_data;
    taken  <= !reset && take;
    issued <= take ? '0 : issued + POINTER_BITS'(entry_valid);
    if (take) begin
      taken_value <= head_value;
      first_entry <= written[head_column];
      past_entry  <= written[head_column+1'b1];
    end
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
