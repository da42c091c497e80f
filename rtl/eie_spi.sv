// The chip behind seven pins, for an FPGA: the registers of eie_axi.sv through SPI, a clock, a reset and an interrupt.
//
// SPI mode 0, the most significant bit first. A frame, while select_n is low, has 48 bits, the last ones sent:
//   to the chip    write, 3 bits of 0, the register's offset in 12 bits, its value in 32
//   from the chip  the answer to the frame before: irq, 13 bits of 0, AXI's response in 2 bits, the value read in 32
// A frame takes effect when select_n rises. The pins are sampled by clk, which has to be at least five times as fast as
// sclk; select_n is high for sixteen cycles of clk or more between two frames. The streams are left out.
//
// `reset` is sampled as well, and may be tied low: the chip begins in reset, for three cycles.
module eie_spi #(
    parameter int N_PE = 64,
    parameter int QUEUE_DEPTH = 8,
    parameter int REGISTER_ENTRIES = 64,
    parameter int VALUE_BITS = 16,
    parameter int ACCUMULATOR_BITS = 24,
    parameter int CODE_BITS = 4,
    parameter int INDEX_BITS = 4,
    parameter int ENTRY_BITS = 8,
    parameter int ENTRIES_PER_ROW = 8,
    parameter int SPMAT_ROWS = 16384,
    parameter int POINTER_BITS = 16,
    parameter int POINTER_WORDS = 8192,
    parameter int SRAM_WORDS = 1024,
    parameter int COLUMN_BITS = 14,
    parameter int DATA_BITS = 64,
    parameter int HOST_ADDRESS_BITS = 14,
    parameter int BROADCAST_STAGES = 0,
    parameter int SLOW_MEMORIES = 0,
    parameter int TABLE_STEPS = 16,
    localparam int STREAM_BITS = DATA_BITS <= 64 ? 64 : 1 << $clog2(DATA_BITS)
) (
    input  logic clk,
    input  logic reset,
    input  logic sclk,
    input  logic select_n,
    input  logic mosi,
    output logic miso,
    output logic irq
);
  logic [47:0] frame;
  logic [2:0] sclk_seen, select_seen;  // the newest first; two flip-flops meet the clock, the third knows an edge
  logic [1:0] mosi_seen;
  // An FPGA begins with it.
  // verilator lint_off PROCASSINIT
  logic [2:0] running = '0;
  // verilator lint_on PROCASSINIT
  logic writing, reading, ends;
  logic awready, bvalid, arready, rvalid, interrupt;
  logic [1:0] bresp, rresp;
  logic [31:0] rdata;

  wire aresetn = running[2];
  wire write = frame[47];
  wire [11:0] offset = frame[43:32];

  assign miso = frame[47];

  always_ff @(posedge clk) begin
    sclk_seen   <= {sclk_seen[1:0], sclk};
    select_seen <= {select_seen[1:0], select_n};
    mosi_seen   <= {mosi_seen[0], mosi};
    running     <= {running[1:0], !reset};
    irq         <= interrupt;
    ends        <= select_seen[2:1] == 2'b01;
    if (bvalid) frame <= {interrupt, 13'b0, bresp, 32'b0};
    else if (rvalid) frame <= {interrupt, 13'b0, rresp, rdata};
    else if (!select_seen[1] && sclk_seen[2:1] == 2'b01) frame <= {frame[46:0], mosi_seen[1]};
    writing <= aresetn && ((ends && write) || (writing && !awready));
    reading <= aresetn && ((ends && !write) || (reading && !arready));
  end

  // The streams' outputs, and ready signals that say the same as others.
  // verilator lint_off PINCONNECTEMPTY
  eie_axi #(
      .N_PE(N_PE),
      .QUEUE_DEPTH(QUEUE_DEPTH),
      .REGISTER_ENTRIES(REGISTER_ENTRIES),
      .VALUE_BITS(VALUE_BITS),
      .ACCUMULATOR_BITS(ACCUMULATOR_BITS),
      .CODE_BITS(CODE_BITS),
      .INDEX_BITS(INDEX_BITS),
      .ENTRY_BITS(ENTRY_BITS),
      .ENTRIES_PER_ROW(ENTRIES_PER_ROW),
      .SPMAT_ROWS(SPMAT_ROWS),
      .POINTER_BITS(POINTER_BITS),
      .POINTER_WORDS(POINTER_WORDS),
      .SRAM_WORDS(SRAM_WORDS),
      .COLUMN_BITS(COLUMN_BITS),
      .DATA_BITS(DATA_BITS),
      .HOST_ADDRESS_BITS(HOST_ADDRESS_BITS),
      .LATCHES(0),
      .BROADCAST_STAGES(BROADCAST_STAGES),
      .SLOW_MEMORIES(SLOW_MEMORIES),
      .TABLE_STEPS(TABLE_STEPS)
  ) port (
      .aclk(clk),
      .scan_enable(1'b0),
      .aresetn,
      .s_axil_awprot(3'b0),
      .s_axil_arprot(3'b0),
      .s_axil_awaddr(offset),
      .s_axil_awvalid(writing),
      .s_axil_awready(awready),
      .s_axil_wdata(frame[31:0]),
      .s_axil_wstrb(4'hf),
      .s_axil_wvalid(writing),
      .s_axil_wready(),
      .s_axil_bresp(bresp),
      .s_axil_bvalid(bvalid),
      .s_axil_bready(1'b1),
      .s_axil_araddr(offset),
      .s_axil_arvalid(reading),
      .s_axil_arready(arready),
      .s_axil_rdata(rdata),
      .s_axil_rresp(rresp),
      .s_axil_rvalid(rvalid),
      .s_axil_rready(1'b1),
      .s_axis_tdata(STREAM_BITS'(0)),
      .s_axis_tvalid(1'b0),
      .s_axis_tready(),
      .m_axis_tdata(),
      .m_axis_tvalid(),
      .m_axis_tready(1'b1),
      .m_axis_tlast(),
      .irq(interrupt)
  );
  // verilator lint_on PINCONNECTEMPTY
endmodule
