// Weight-memory read of one PE: reads one memory row, which the memory's output register holds, and selects an entry.
// Reset empties the stage and, like clear and a row that the host reads, the buffer.
// Its rules: docs/hardware.md, E7, E8, M4, U5.
module spmat_read #(
    parameter int ENTRY_BITS = 8,       // C + I, in whole bytes
    parameter int ENTRIES_PER_ROW = 8,  // per memory row: a power of two
    parameter int SPMAT_ROWS = 16384,
    parameter int CODE_BITS = 4,        // C
    parameter int INDEX_BITS = 4,       // I
    parameter int POINTER_BITS = 16,
    parameter int VALUE_BITS = 16,
    parameter int SLOW_MEMORIES = 0,    // 1: every entry reads its row anew, without a look at the buffer's first
    localparam int OFFSET_BITS = $clog2(ENTRIES_PER_ROW),
    localparam int SPMAT_ADDRESS_BITS = SPMAT_ROWS > 1 ? $clog2(SPMAT_ROWS) : 1
) (
    input  logic                                  clk,
    // For the clock gates that synthesis makes of enables.
    // verilator lint_off UNUSEDSIGNAL
    input  logic                                  scan_enable,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                                  reset,
    input  logic                                  clear,  // a layer or pass begins: the buffer holds nothing
    input  logic                                  busy,   // computing mode: the host writes nothing
    input  logic                                  host_write,
    input  logic                                  host_read,
    input  logic [SPMAT_ADDRESS_BITS-1:0]         host_address,
    input  logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] host_data,
    input  logic                                  entry_valid,
    input  logic [POINTER_BITS-1:0]               entry_address,
    input  logic [VALUE_BITS-1:0]                 entry_activation,
    input  logic                                  entry_first,
    output logic                                  weight_valid,
    output logic                                  row_read,
    output logic [CODE_BITS-1:0]                  weight_code,
    output logic [INDEX_BITS-1:0]                 weight_index,
    output logic [VALUE_BITS-1:0]                 weight_activation,
    output logic                                  weight_first,
    output logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] shown_row     // the row that was read
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (ENTRIES_PER_ROW < 1 || (ENTRIES_PER_ROW & (ENTRIES_PER_ROW - 1)) != 0) begin : refuses1
    $fatal(1, "spmat_read: ENTRIES_PER_ROW must be a power of two");
  end
  if (ENTRY_BITS < CODE_BITS + INDEX_BITS) begin : refuses2
    $fatal(1, "spmat_read: ENTRY_BITS must be at least CODE_BITS + INDEX_BITS");
  end
`endif

  logic [ENTRIES_PER_ROW-1:0][ENTRY_BITS-1:0] buffer;
  logic [POINTER_BITS-1:0] buffered;  // the row in the buffer
  logic               buffer_valid;
  logic [(OFFSET_BITS > 0 ? OFFSET_BITS : 1)-1:0] offset;

  wire [POINTER_BITS-1:0] row  = entry_address >> OFFSET_BITS;
  wire               missing = entry_valid && !(buffer_valid && row == buffered);

  wire [SPMAT_ADDRESS_BITS-1:0] place = SPMAT_ADDRESS_BITS'(row);

  sram #(.WORD_BITS(ENTRIES_PER_ROW * ENTRY_BITS), .WORDS(SPMAT_ROWS)) memory (
      .clk,
      .read((SLOW_MEMORIES != 0 ? entry_valid : missing) || host_read),
      .write(host_write),
      .address(busy ? place : host_address),
      .write_data(host_data),
      .read_data(buffer)
  );

  wire [ENTRY_BITS-1:0] entry = buffer[offset];
  assign shown_row    = buffer;
  assign weight_code  = entry[CODE_BITS-1:0];
  assign weight_index = entry[CODE_BITS+:INDEX_BITS];

  always_ff @(posedge clk) begin
    if (reset) begin
      weight_valid <= 1'b0;
      row_read     <= 1'b0;
      buffer_valid <= 1'b0;
    end else begin
      weight_valid <= entry_valid;
      row_read     <= missing;
      if (clear || host_read) buffer_valid <= 1'b0;
      if (missing) begin
        buffer_valid <= 1'b1;
        buffered     <= row;
      end
      if (entry_valid) begin
        offset            <= (OFFSET_BITS > 0 ? OFFSET_BITS : 1)'(entry_address & POINTER_BITS'(ENTRIES_PER_ROW - 1));
        weight_first      <= entry_first;
        if (entry_first) weight_activation <= entry_activation;
      end
    end
  end

`ifndef SYNTHESIS
  logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] written[SPMAT_ROWS];  // the memory as the host wrote it
  logic [SPMAT_ADDRESS_BITS-1:0] issued;  // the row of the entry at hand
  always @(posedge clk) begin
    if (host_write) written[host_address] <= host_data;
    if (entry_valid) issued <= place;
    assert (reset || (busy ? !host_write && !host_read : !entry_valid))
    else $fatal(1, "spmat_read: an entry in I/O mode, or a row written or read by the host in computing mode");
    assert (reset || !weight_valid || buffer === written[issued])
    else $fatal(1, "spmat_read: the buffer does not hold the entry's row");
  end
`endif
endmodule
