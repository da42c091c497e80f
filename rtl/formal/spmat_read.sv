// Every entry issued comes out in the next cycle, from its place in its row; a row is read once while it is at hand.
// docs/hardware.md, E7, E8, U5.
module spmat_read_properties #(
    parameter int ENTRY_BITS = 8,
    parameter int ENTRIES_PER_ROW = 8,
    parameter int SPMAT_ROWS = 16384,
    parameter int CODE_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int POINTER_BITS = 16,
    parameter int VALUE_BITS = 16,
    parameter int SPMAT_ADDRESS_BITS = 14
) (
    input logic clk,
    input logic reset,
    input logic clear,
    input logic busy,
    input logic host_write,
    input logic host_read,
    input logic [SPMAT_ADDRESS_BITS-1:0] host_address,
    input logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] host_data,
    input logic entry_valid,
    input logic [POINTER_BITS-1:0] entry_address,
    input logic [VALUE_BITS-1:0] entry_activation,
    input logic entry_first,
    input logic weight_valid,
    input logic row_read,
    input logic [CODE_BITS-1:0] weight_code,
    input logic [INDEX_BITS-1:0] weight_index,
    input logic [VALUE_BITS-1:0] weight_activation,
    input logic weight_first,
    input logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] shown_row,
    input logic buffer_valid,
    input logic [POINTER_BITS-1:0] buffered,
    input logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] buffer,
    input logic [SPMAT_ADDRESS_BITS-1:0] kept_address,  // of the row that the proof's memory keeps
    input logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] kept_word
);
  logic begun = 1'b0;
  logic written;  // the row that is kept has been
  logic stale;  // the host has written since the buffer was emptied
  logic started;  // a column has begun
  logic [VALUE_BITS-1:0] of_column;  // its activation
  wire [POINTER_BITS-1:0] row = entry_address / POINTER_BITS'(ENTRIES_PER_ROW);
  always_comb begin
    assume (begun || reset);
    assume (!entry_valid || (!stale && !clear && int'(row) < SPMAT_ROWS));
    assume (busy ? !(host_write || host_read) : !entry_valid);
    assume (!(host_write && host_read));
    assume (!(entry_valid && reset));
    assume (!entry_valid || entry_first || (started && entry_activation == of_column));  // one activation a column
  end

  logic issued, first, at_hand, read_back;
  logic [POINTER_BITS-1:0] address, row_at_hand;
  logic [VALUE_BITS-1:0] activation;
  logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] contents;  // of the row that is kept, as the host wrote it
  logic reads;
  always_ff @(posedge clk) begin
    begun      <= 1'b1;
    issued     <= entry_valid;
    first      <= entry_first;
    address    <= entry_address;
    activation <= entry_activation;
    read_back  <= begun && host_read && host_address == kept_address && written;
    reads      <= entry_valid && !(at_hand && row_at_hand == row);
    if (!begun || reset) started <= 1'b0;
    else if (entry_valid && entry_first) {started, of_column} <= {1'b1, entry_activation};
    if (!begun) written <= 1'b0;
    else if (host_write && host_address == kept_address) begin
      written  <= 1'b1;
      contents <= host_data;
    end
    if (reset || clear) {at_hand, stale} <= '0;
    else if (host_read) at_hand <= 1'b0;
    else if (host_write) stale <= 1'b1;
    else if (entry_valid) {at_hand, row_at_hand} <= {1'b1, row};
  end

  wire mine = issued && written && address / POINTER_BITS'(ENTRIES_PER_ROW) == POINTER_BITS'(kept_address);
  wire [ENTRY_BITS-1:0] entry = contents[int'(address % POINTER_BITS'(ENTRIES_PER_ROW))*ENTRY_BITS+:ENTRY_BITS];

  always_comb begin
    if (begun && !reset) begin
      next_cycle : assert (weight_valid == issued);
      its_activation : assert (!issued || (weight_activation == activation && weight_first == first));
      its_entry : assert (!mine || {weight_index, weight_code} == entry[CODE_BITS+INDEX_BITS-1:0]);
      reads_back : assert (!read_back || shown_row == contents);
      once : assert (row_read == (issued && reads));
`ifdef INVARIANTS
      at_the_buffer : assert (stale || (at_hand == buffer_valid && (!at_hand || row_at_hand == buffered)));
      in_the_buffer : assert (stale || !buffer_valid || !written || buffered != POINTER_BITS'(kept_address) ||
                              buffer == contents);
      the_columns : assert ((!started || weight_activation == of_column) &&
                            (!issued || (started && activation == of_column)));
      issued_last : assert (stale || !issued ||
                            (buffer_valid && buffered == address / POINTER_BITS'(ENTRIES_PER_ROW)));
`endif
    end
`ifdef INVARIANTS
    if (begun) in_memory : assert (!written || kept_word == contents);
`endif
  end
endmodule

bind spmat_read spmat_read_properties #(
    .ENTRY_BITS        (ENTRY_BITS),
    .ENTRIES_PER_ROW   (ENTRIES_PER_ROW),
    .SPMAT_ROWS        (SPMAT_ROWS),
    .CODE_BITS         (CODE_BITS),
    .INDEX_BITS        (INDEX_BITS),
    .POINTER_BITS      (POINTER_BITS),
    .VALUE_BITS        (VALUE_BITS),
    .SPMAT_ADDRESS_BITS(SPMAT_ADDRESS_BITS)
) properties (
    .kept_address(memory.kept_address),
    .kept_word   (memory.kept_word),
    .*
);
