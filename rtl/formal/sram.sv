// The memory of the proofs, in place of rtl/sram.sv: it keeps one word, at any address, and every other word may read as
// anything. What is proved with it holds for the memory that keeps all of them.
module sram #(
    parameter int WORD_BITS = 64,
    parameter int WORDS = 1024,
    localparam int ADDRESS_BITS = WORDS > 1 ? $clog2(WORDS) : 1
) (
    input  logic                    clk,
    input  logic                    read,
    input  logic                    write,
    input  logic [ADDRESS_BITS-1:0] address,
    input  logic [ WORD_BITS-1:0]   write_data,
    output logic [ WORD_BITS-1:0]   read_data
);
  logic [ADDRESS_BITS-1:0] kept_address, kept_address_before;  // driven by nothing, and held
  logic [WORD_BITS-1:0] kept_word, anything;
  always_comb assume (kept_address == kept_address_before);
  always_ff @(posedge clk) begin
    kept_address_before <= kept_address;
    if (write) begin
      if (address == kept_address) kept_word <= write_data;
    end else if (read) read_data <= address == kept_address ? kept_word : anything;
  end
endmodule
