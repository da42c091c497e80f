// The one wrapper around every memory: single port, synchronous read; the output holds until the next read.
// An ASIC or FPGA flow replaces this module; as it stands, tools infer a RAM. With the macro EIE_ULTRARAM defined, those
// of four block RAMs or more that are as wide as one are UltraScale+'s UltraRAM, and others block RAM.
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
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (WORD_BITS < 1 || WORDS < 1) begin : refuses1
    $fatal(1, "sram: WORD_BITS and WORDS must be at least 1");
  end
`endif

`ifdef EIE_ULTRARAM
  localparam STYLE = WORD_BITS >= 36 && WORD_BITS * WORDS >= 4 * 36 * 1024 ? "ultra" : "block";
  (* ram_style = STYLE *)
`endif
  logic [WORD_BITS-1:0] words[WORDS];

  always_ff @(posedge clk) begin
    if (write) words[address] <= write_data;
    else if (read) read_data <= words[address];
  end
endmodule
