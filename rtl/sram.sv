// The one wrapper around every memory: single port, synchronous read; the output holds until the next read.
// An ASIC or FPGA flow replaces this module; as it stands, tools infer a RAM.
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
  logic [WORD_BITS-1:0] words[WORDS];

  always_ff @(posedge clk) begin
    if (write) words[address] <= write_data;
    else if (read) read_data <= words[address];
  end
endmodule
