// The port answers every access once and keeps an answer until it is taken, gives the chip only words that have a place
// and while it is not busy, and sends the words asked for, in order. docs/registers.md.
module eie_axi_properties #(
    parameter int N_PE = 64,
    parameter int REGISTER_ENTRIES = 64,
    parameter int CODE_BITS = 4,
    parameter int SPMAT_ROWS = 16384,
    parameter int POINTER_WORDS = 8192,
    parameter int SRAM_WORDS = 1024,
    parameter int HOST_ADDRESS_BITS = 14,
    parameter int STREAM_BITS = 64,
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1
) (
    input logic aclk,
    input logic aresetn,
    input logic resetting,
    input logic s_axil_awvalid,
    input logic s_axil_awready,
    input logic s_axil_wvalid,
    input logic s_axil_wready,
    input logic [1:0] s_axil_bresp,
    input logic s_axil_bvalid,
    input logic s_axil_bready,
    input logic s_axil_arvalid,
    input logic s_axil_arready,
    input logic [31:0] s_axil_rdata,
    input logic [1:0] s_axil_rresp,
    input logic s_axil_rvalid,
    input logic s_axil_rready,
    input logic [STREAM_BITS-1:0] s_axis_tdata,
    input logic s_axis_tvalid,
    input logic s_axis_tready,
    input logic [STREAM_BITS-1:0] m_axis_tdata,
    input logic m_axis_tvalid,
    input logic m_axis_tready,
    input logic m_axis_tlast,
    input logic busy,
    input logic to_chip,
    input logic [2:0] host_space,
    input logic [POSITION_BITS-1:0] host_pe,
    input logic [HOST_ADDRESS_BITS-1:0] host_address,
    input logic header,
    input logic [2:0] happened
);
  logic begun = 1'b0;
  always_ff @(posedge aclk) begun <= 1'b1;
  always_comb assume (begun || !aresetn);

  // Accesses without their answer, what was shown and not taken, and words taken from the stream a cycle ago.
  wire written = s_axil_awvalid && s_axil_awready;
  logic write_owed, read_owed, kept_write, kept_read, kept_word, word_taken, wrote;
  logic [1:0] kept_bresp, kept_rresp;
  logic [31:0] kept_rdata;
  logic [STREAM_BITS-1:0] kept_tdata;
  logic kept_tlast;
  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      {write_owed, read_owed} <= '0;
    end else begin
      if (written) write_owed <= 1'b1;
      else if (s_axil_bready) write_owed <= 1'b0;
      if (s_axil_arvalid && s_axil_arready) read_owed <= 1'b1;
      else if (s_axil_rvalid && s_axil_rready) read_owed <= 1'b0;
    end
    kept_write <= aresetn && s_axil_bvalid && !s_axil_bready;
    kept_read  <= aresetn && s_axil_rvalid && !s_axil_rready;
    kept_word  <= !resetting && m_axis_tvalid && !m_axis_tready;
    word_taken <= !resetting && s_axis_tvalid && s_axis_tready && !header;
    wrote      <= aresetn && written;
    {kept_bresp, kept_rresp, kept_rdata} <= {s_axil_bresp, s_axil_rresp, s_axil_rdata};
    {kept_tdata, kept_tlast} <= {m_axis_tdata, m_axis_tlast};
  end

  // Words sent since the header of a stream that asks for some of one PE, all of which are there.
  localparam int SPACE = eie_registers::HEADER_SPACE, COUNT = eie_registers::HEADER_COUNT;
  wire [31:0] first = s_axis_tdata[eie_registers::HEADER_ADDRESS+:32];
  wire [15:0] count = s_axis_tdata[COUNT+:16];
  wire [7:0] of = s_axis_tdata[eie_registers::HEADER_PE+:8];
  logic followed;
  logic [15:0] words, sent;
  logic [31:0] from;
  logic [7:0] of_pe;
  wire sends = m_axis_tvalid && m_axis_tready;
  always_ff @(posedge aclk) begin
    if (resetting) begin
      followed <= 1'b0;
    end else if (header) begin
      followed <= s_axis_tdata[SPACE+:3] == eie_registers::SPACE_DESTINATION && s_axis_tdata[eie_registers::HEADER_SEND] &&
          !s_axis_tdata[eie_registers::HEADER_BY_ROW] && int'(of) < N_PE && first < 32'(REGISTER_ENTRIES) &&
          32'(count) <= 32'(REGISTER_ENTRIES) - first && count != '0;
      words <= count;
      sent  <= '0;
      from  <= first;
      of_pe <= of;
    end else if (sends) begin
      sent <= sent + 1'b1;
    end
  end
  wire [HOST_ADDRESS_BITS-1:0] at = HOST_ADDRESS_BITS'(from + 32'(sent));

  logic [31:0] places;
  always_comb begin
    case (host_space)
      eie_registers::SPACE_SETTINGS: places = 32'd8;
      eie_registers::SPACE_POINTERS: places = 32'(2 * POINTER_WORDS);
      eie_registers::SPACE_WEIGHTS: places = 32'(SPMAT_ROWS);
      eie_registers::SPACE_CODEBOOK: places = 32'(1 << CODE_BITS);
      eie_registers::SPACE_SOURCE, eie_registers::SPACE_DESTINATION: places = 32'(REGISTER_ENTRIES);
      eie_registers::SPACE_SRAM: places = 32'(SRAM_WORDS);
      default: places = '0;
    endcase
  end

  always_comb begin
    if (begun && aresetn) begin
      written_whole :
      assert (s_axil_awready == s_axil_wready && (!s_axil_awready || (s_axil_awvalid && s_axil_wvalid)));
      answers_a_write : assert (s_axil_bvalid == write_owed);
      answers_a_read : assert (s_axil_arready == !read_owed && (!s_axil_rvalid || read_owed));
      keeps_answers :
      assert ((!kept_write || (s_axil_bvalid && s_axil_bresp == kept_bresp)) &&
          (!kept_read || (s_axil_rvalid && s_axil_rresp == kept_rresp && s_axil_rdata == kept_rdata)));
      keeps_a_word :
      assert (!kept_word || (m_axis_tvalid && m_axis_tdata == kept_tdata && m_axis_tlast == kept_tlast));
      nothing_lost : assert (!(to_chip && busy));
      has_a_place :
      assert (!to_chip || (32'(host_address) < places &&
          (int'(host_pe) < N_PE || host_space == eie_registers::SPACE_SETTINGS)));
      refused_is_not_done :
      assert (!(wrote && s_axil_bresp != '0 && to_chip));
      told : assert (!word_taken || to_chip || happened[eie_registers::INTERRUPT_REFUSED]);
      as_many : assert (!followed || !m_axis_tvalid || resetting || (sent < words && m_axis_tlast == (sent == words - 16'd1)));
      its_words :
      assert (!followed || !m_axis_tvalid || resetting ||
          m_axis_tdata == STREAM_BITS'({eie_registers::SPACE_DESTINATION, of_pe[POSITION_BITS-1:0], at}));
    end
  end
endmodule

bind eie_axi eie_axi_properties #(
    .N_PE(N_PE),
    .REGISTER_ENTRIES(REGISTER_ENTRIES),
    .CODE_BITS(CODE_BITS),
    .SPMAT_ROWS(SPMAT_ROWS),
    .POINTER_WORDS(POINTER_WORDS),
    .SRAM_WORDS(SRAM_WORDS),
    .HOST_ADDRESS_BITS(HOST_ADDRESS_BITS),
    .STREAM_BITS(STREAM_BITS)
) properties (
    .to_chip(host_write),
    .*
);
