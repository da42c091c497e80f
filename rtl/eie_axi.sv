// The chip behind a system's bus: AXI4-Lite for control, status, counters and memories, AXI4-Stream for bulk data.
// Registers, spaces and the stream's header: docs/registers.md, made from the file that eie_registers.sv is made from.
//
// What cannot be done is refused, not lost: SLVERR on AXI4-Lite; a stream waits while a step or a run goes on, and a word of it that
// has no place is dropped and told by INTERRUPT_REFUSED. Reset is synchronous and active low; the register RESET does
// the same to the chip and to the streams, while the answer of AXI4-Lite is still given.
//
// What goes to the chip goes through registers, a cycle after it was accepted; the chip is busy from then on.
module eie_axi #(
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
    parameter int LATCHES = 0,
    parameter int BROADCAST_STAGES = 0,
    parameter int SLOW_MEMORIES = 0,
    parameter int TABLE_STEPS = 16,
    localparam int STREAM_BITS = DATA_BITS <= 64 ? 64 : 1 << $clog2(DATA_BITS)
) (
    input  logic                   aclk,
    input  logic                   scan_enable,
    input  logic                   aresetn,
    // The protection bits mean nothing to this chip.
    // verilator lint_off UNUSEDSIGNAL
    input  logic [2:0]             s_axil_awprot,
    input  logic [2:0]             s_axil_arprot,
    // verilator lint_on UNUSEDSIGNAL
    input  logic [11:0]            s_axil_awaddr,
    input  logic                   s_axil_awvalid,
    output logic                   s_axil_awready,
    input  logic [31:0]            s_axil_wdata,
    input  logic [3:0]             s_axil_wstrb,
    input  logic                   s_axil_wvalid,
    output logic                   s_axil_wready,
    output logic [1:0]             s_axil_bresp,
    output logic                   s_axil_bvalid,
    input  logic                   s_axil_bready,
    input  logic [11:0]            s_axil_araddr,
    input  logic                   s_axil_arvalid,
    output logic                   s_axil_arready,
    output logic [31:0]            s_axil_rdata,
    output logic [1:0]             s_axil_rresp,
    output logic                   s_axil_rvalid,
    input  logic                   s_axil_rready,
    // A memory uses as many bits of a word as it is wide.
    // verilator lint_off UNUSEDSIGNAL
    input  logic [STREAM_BITS-1:0] s_axis_tdata,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                   s_axis_tvalid,
    output logic                   s_axis_tready,
    output logic [STREAM_BITS-1:0] m_axis_tdata,
    output logic                   m_axis_tvalid,
    input  logic                   m_axis_tready,
    output logic                   m_axis_tlast,
    output logic                   irq
);
  localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1;
  localparam int WORDS = (DATA_BITS + 31) / 32;  // registers in a word
  localparam logic [1:0] OKAY = 2'b00, SLVERR = 2'b10;

`ifndef __ICARUS__  // it has no elaboration system tasks
  if (WORDS > 512) begin : refuses1
    $fatal(1, "eie_axi: DATA_BITS must be at most 16384, the registers of one word");
  end
`endif

  logic busy, finished;  // of the chip
  logic restart;  // RESET was written
  wire resetting = !aresetn || restart;
  logic [31:0] cycles, broadcasts, stalls;
  logic [WORDS*32-1:0] word_read;

  // The cursor: where the next word of a stream, or of DATA, goes to or comes from.
  logic [2:0] space;
  logic by_row, sending;
  logic [7:0] pe;
  logic [31:0] address;
  logic [15:0] left;  // words of the stream at hand
  logic [2:0] enabled, happened;

  logic [2:0] coming, coming_last;  // words read on their way to the stream, the newest first, and whether the last
  wire streaming = left != '0 || coming != '0 || m_axis_tvalid;
  // A word for the chip.
  logic host_write;
  logic [2:0] host_space;
  logic [POSITION_BITS-1:0] host_pe;
  logic [HOST_ADDRESS_BITS-1:0] host_address;
  logic [DATA_BITS-1:0] host_data;
  wire starting = host_write && host_space == eie_registers::SPACE_SETTINGS &&
      (host_address[2:0] == eie_registers::SETTING_START || host_address[2:0] == eie_registers::SETTING_RUN);
  wire occupied = busy || starting;
  wire idle = !occupied && !streaming;

  // A write on AXI4-Lite: address and data are taken together, and answered in the next cycle.
  wire write = s_axil_awvalid && s_axil_wvalid && (!s_axil_bvalid || s_axil_bready) && !restart;
  wire [11:0] target = s_axil_awaddr;
  wire is_setting = target >= eie_registers::ROWS && target <= eie_registers::RUN;
  wire is_data = target[11];  // DATA and what follows
  wire [8:0] part = target[10:2];
  assign s_axil_awready = write;
  assign s_axil_wready  = write;

  // A word on its way to the chip, from a stream or from AXI4-Lite; the latter's first.
  logic reading;        // a read on AXI4-Lite: its address is taken
  logic [3:0] fetched;  // its word's way, the newest first
  logic [11:0] read_target;
  assign s_axis_tready = !occupied && !(sending && left != '0) && coming == '0 && !m_axis_tvalid && !write && !reading && !restart;
  wire taken = s_axis_tvalid && s_axis_tready;
  wire header = taken && left == '0;
  wire [2:0] setting = 3'((target - eie_registers::ROWS) >> 2);  // the one that AXI4-Lite writes
  wire [DATA_BITS-1:0] word;

  // Whether a setting may have a value.
  function automatic logic fits(input logic [2:0] number, input logic [31:0] value);
    case (number)
      eie_registers::SETTING_ROWS: fits = value <= 32'(REGISTER_ENTRIES);
      eie_registers::SETTING_FIRST_INPUT: fits = value >> COLUMN_BITS == '0;
      eie_registers::SETTING_FIRST_WORD: fits = value < 32'(SRAM_WORDS);
      eie_registers::SETTING_FLAGS: fits = value < 32'd32;
      eie_registers::SETTING_STEP: fits = value < 32'(TABLE_STEPS);
      eie_registers::SETTING_RUN: fits = value != '0 && value <= 32'(TABLE_STEPS);
      default: fits = 1'b1;
    endcase
  endfunction

  logic [31:0] places;  // words in the cursor's space
  always_comb begin
    case (space)
      eie_registers::SPACE_SETTINGS: places = 32'd8;
      eie_registers::SPACE_POINTERS: places = 32'(2 * POINTER_WORDS);
      eie_registers::SPACE_WEIGHTS: places = 32'(SPMAT_ROWS);
      eie_registers::SPACE_CODEBOOK: places = 32'(1 << CODE_BITS);
      eie_registers::SPACE_SOURCE, eie_registers::SPACE_DESTINATION: places = 32'(REGISTER_ENTRIES);
      eie_registers::SPACE_SRAM: places = 32'(SRAM_WORDS);
      default: places = '0;
    endcase
  end
  wire to_settings = space == eie_registers::SPACE_SETTINGS;
  wire there = address < places && (32'(pe) < 32'(N_PE) || to_settings);

  wire data_fits = !to_settings || fits(address[2:0], s_axil_wdata);
  wire whole = s_axil_wstrb == '1 && target[1:0] == '0;
  logic accepted;  // the write on AXI4-Lite
  always_comb begin
    accepted = 1'b0;
    if (whole) begin
      if (is_setting) accepted = idle && fits(setting, s_axil_wdata);
      else if (is_data) begin
        accepted = idle && 32'(part) < 32'(WORDS) && (part != '0 || (there && data_fits));
      end else begin
        case (target)
          eie_registers::INTERRUPT_ENABLE, eie_registers::INTERRUPT: accepted = s_axil_wdata < 32'd8;
          eie_registers::RESET: accepted = 1'b1;
          eie_registers::CURSOR: accepted = idle && s_axil_wdata < 32'd16;
          eie_registers::CURSOR_PE: accepted = idle && s_axil_wdata < 32'd256;
          eie_registers::CURSOR_ADDRESS: accepted = idle;
          default: ;
        endcase
      end
    end
  end
  wire change = write && accepted;
  wire data_write = change && is_data && part == '0;
  wire stream_accepted = there && (!to_settings || fits(address[2:0], s_axis_tdata[31:0]));

  if (WORDS > 1) begin : wide
    // The upper registers of DATA; the lowest is written with the word.
    // verilator lint_off UNUSEDSIGNAL
    logic [WORDS*32-1:32] upper;
    // verilator lint_on UNUSEDSIGNAL
    always_ff @(posedge aclk)
      if (change && is_data && part != '0) upper[int'(part)*32+:32] <= s_axil_wdata;
    assign word = write ? {upper[DATA_BITS-1:32], s_axil_wdata} : s_axis_tdata[DATA_BITS-1:0];
  end else begin : narrow
    assign word = write ? s_axil_wdata[DATA_BITS-1:0] : s_axis_tdata[DATA_BITS-1:0];
  end

  // Reads of memories: a word a cycle for a stream, one for AXI4-Lite. An address is in a register first, and
  // the chip takes three steps; all stand while the stream's word is not taken.
  wire move = !m_axis_tvalid || m_axis_tready;
  always_ff @(posedge aclk) begin
    restart      <= aresetn && change && target == eie_registers::RESET;
    host_write   <= aresetn && ((change && is_setting) || data_write || (taken && !header && stream_accepted));
    if (move) begin
      host_space   <= write && is_setting ? eie_registers::SPACE_SETTINGS : space;
      host_pe      <= POSITION_BITS'(pe);
      host_address <= write && is_setting ? HOST_ADDRESS_BITS'(setting) : HOST_ADDRESS_BITS'(address);
      host_data    <= write && is_setting ? DATA_BITS'(s_axil_wdata) : word;
    end
  end

  wire readable = there && !to_settings;
  wire [8:0] read_part = read_target[10:2];
  wire to_data = read_target[11] && read_target[1:0] == '0 && 32'(read_part) < 32'(WORDS);
  wire step = sending && left != '0 && move && !write;
  wire data_read = reading && to_data && idle && readable && !write;
  assign m_axis_tdata = STREAM_BITS'($signed(word_read));

  always_ff @(posedge aclk) begin
    if (resetting) begin
      left          <= '0;
      coming        <= '0;
      m_axis_tvalid <= 1'b0;
      happened      <= '0;
    end else begin
      if (header) begin
        left <= s_axis_tdata[eie_registers::HEADER_COUNT+:eie_registers::HEADER_COUNT_BITS];
      end else if (taken || step) begin
        left <= left - 1'b1;
      end
      if (move) begin
        coming        <= {coming[1:0], step && readable};
        coming_last   <= {coming_last[1:0], left == 16'd1};
        m_axis_tvalid <= coming[2];
        m_axis_tlast  <= coming_last[2];
      end
      happened <= (change && target == eie_registers::INTERRUPT ? happened & ~s_axil_wdata[2:0] : happened) | {
        (taken && !header && !stream_accepted) || (step && !readable),
        m_axis_tvalid && m_axis_tready && m_axis_tlast,
        finished
      };
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      {by_row, sending, space, pe, address} <= '0;
    end else if (header) begin
      space   <= s_axis_tdata[eie_registers::HEADER_SPACE+:eie_registers::HEADER_SPACE_BITS];
      by_row  <= s_axis_tdata[eie_registers::HEADER_BY_ROW];
      sending <= s_axis_tdata[eie_registers::HEADER_SEND];
      pe      <= s_axis_tdata[eie_registers::HEADER_PE+:eie_registers::HEADER_PE_BITS];
      address <= s_axis_tdata[eie_registers::HEADER_ADDRESS+:eie_registers::HEADER_ADDRESS_BITS];
    end else if (taken || step || data_write || (data_read && read_part == '0)) begin
      if (by_row && 32'(pe) != 32'(N_PE - 1)) begin
        pe <= pe + 1'b1;
      end else begin
        address <= address + 1'b1;
        if (by_row) pe <= '0;
      end
    end else if (change) begin
      case (target)
        eie_registers::CURSOR: {by_row, space} <= s_axil_wdata[3:0];
        eie_registers::CURSOR_PE: pe <= s_axil_wdata[7:0];
        eie_registers::CURSOR_ADDRESS: address <= s_axil_wdata;
        default: ;
      endcase
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      enabled       <= '0;
      s_axil_bvalid <= 1'b0;
    end else begin
      if (s_axil_bready) s_axil_bvalid <= 1'b0;
      if (write) begin
        s_axil_bvalid <= 1'b1;
        s_axil_bresp  <= accepted ? OKAY : SLVERR;
      end
      if (change && target == eie_registers::INTERRUPT_ENABLE) enabled <= s_axil_wdata[2:0];
    end
  end
  assign irq = (enabled & happened) != '0;

  // A read on AXI4-Lite: one at a time; a word of the chip takes some cycles more.
  logic [31:0] shown;
  logic known;
  always_comb begin
    known = 1'b1;
    shown = '0;
    case (read_target)
      eie_registers::IDENTITY: shown = eie_registers::IDENTITY_VALUE;
      eie_registers::STATUS: begin
        shown[eie_registers::STATUS_BUSY] = occupied;
        shown[eie_registers::STATUS_STREAMING] = streaming;
      end
      eie_registers::INTERRUPT_ENABLE: shown = 32'(enabled);
      eie_registers::INTERRUPT: shown = 32'(happened);
      eie_registers::CYCLES: shown = cycles;
      eie_registers::BROADCASTS: shown = broadcasts;
      eie_registers::STALLS: shown = stalls;
      eie_registers::CURSOR: shown = 32'({by_row, space});
      eie_registers::CURSOR_PE: shown = 32'(pe);
      eie_registers::CURSOR_ADDRESS: shown = address;
      eie_registers::N_PE: shown = 32'(N_PE);
      eie_registers::QUEUE_DEPTH: shown = 32'(QUEUE_DEPTH);
      eie_registers::REGISTER_ENTRIES: shown = 32'(REGISTER_ENTRIES);
      eie_registers::VALUE_BITS: shown = 32'(VALUE_BITS);
      eie_registers::ACCUMULATOR_BITS: shown = 32'(ACCUMULATOR_BITS);
      eie_registers::CODE_BITS: shown = 32'(CODE_BITS);
      eie_registers::INDEX_BITS: shown = 32'(INDEX_BITS);
      eie_registers::ENTRY_BITS: shown = 32'(ENTRY_BITS);
      eie_registers::ENTRIES_PER_ROW: shown = 32'(ENTRIES_PER_ROW);
      eie_registers::SPMAT_ROWS: shown = 32'(SPMAT_ROWS);
      eie_registers::POINTER_BITS: shown = 32'(POINTER_BITS);
      eie_registers::POINTER_WORDS: shown = 32'(POINTER_WORDS);
      eie_registers::SRAM_WORDS: shown = 32'(SRAM_WORDS);
      eie_registers::COLUMN_BITS: shown = 32'(COLUMN_BITS);
      eie_registers::DATA_BITS: shown = 32'(DATA_BITS);
      eie_registers::HOST_ADDRESS_BITS: shown = 32'(HOST_ADDRESS_BITS);
      eie_registers::BROADCAST_STAGES: shown = 32'(BROADCAST_STAGES);
      eie_registers::TABLE_STEPS: shown = 32'(TABLE_STEPS);
      default: known = 1'b0;
    endcase
  end

  assign s_axil_arready = !reading && fetched == '0 && !s_axil_rvalid;
  wire waits = to_data && idle && readable;  // for the chip's host port

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      reading       <= 1'b0;
      fetched       <= '0;
      s_axil_rvalid <= 1'b0;
    end else begin
      fetched <= {fetched[2:0], data_read};
      if (s_axil_rready) s_axil_rvalid <= 1'b0;
      if (s_axil_arvalid && s_axil_arready) begin
        reading     <= 1'b1;
        read_target <= s_axil_araddr;
      end
      if (reading) begin
        if (data_read) begin
          reading <= 1'b0;
        end else if (!waits) begin
          reading       <= 1'b0;
          s_axil_rvalid <= 1'b1;
          s_axil_rdata  <= shown;
          s_axil_rresp  <= known ? OKAY : SLVERR;
        end
      end
      if (fetched[3]) begin
        s_axil_rvalid <= 1'b1;
        s_axil_rdata  <= 32'(word_read >> {read_part, 5'b0});
        s_axil_rresp  <= OKAY;
      end
    end
  end

  // The signals for a trace are no ports here.
  // verilator lint_off PINCONNECTEMPTY
  eie #(
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
      .LATCHES(LATCHES),
      .BROADCAST_STAGES(BROADCAST_STAGES),
      .SLOW_MEMORIES(SLOW_MEMORIES),
      .TABLE_STEPS(TABLE_STEPS)
  ) chip (
      .clk(aclk),
      .scan_enable,
      .reset(resetting),
      .host_write,
      .host_read(move && (coming != '0 || fetched[2:0] != '0)),
      .host_space,
      .host_pe,
      .host_address,
      .host_data,
      .host_read_data(word_read),
      .busy,
      .finished,
      .cycles,
      .broadcasts,
      .stalls,
      .computing(),
      .load_enable(),
      .broadcast(),
      .broadcast_column(),
      .broadcast_value(),
      .complete(),
      .found(),
      .scan_finished(),
      .any_full(),
      .queue_valid(),
      .queue_count(),
      .take(),
      .stage_valid(),
      .entry_valid(),
      .weight_valid(),
      .row_read(),
      .pipeline_busy(),
      .write_valid()
  );
  // verilator lint_on PINCONNECTEMPTY
endmodule
