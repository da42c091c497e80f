// The chip as its port sees it, for proofs of the port: any outputs, but for what the host port promises.
module eie #(
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
    localparam int POSITION_BITS = N_PE > 1 ? $clog2(N_PE) : 1,
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int ROW_COUNT_BITS = $clog2(REGISTER_ENTRIES + 1),
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1,
    localparam int READ_BITS = (DATA_BITS + 31) / 32 * 32,
    localparam int COUNT_BITS = $clog2(QUEUE_DEPTH)
) (
    input  logic                            clk,
    input  logic                            scan_enable,
    input  logic                            reset,
    input  logic                            host_write,
    input  logic                            host_read,
    input  logic [2:0]                      host_space,
    input  logic [POSITION_BITS-1:0]        host_pe,
    input  logic [HOST_ADDRESS_BITS-1:0]    host_address,
    input  logic [DATA_BITS-1:0]            host_data,
    output logic [READ_BITS-1:0]            host_read_data,
    output logic                            busy,
    output logic                            finished,
    output logic [31:0]                     cycles,
    output logic [31:0]                     broadcasts,
    output logic [31:0]                     stalls,
  
    output logic                            computing,
    output logic                            load_enable,
    output logic                            broadcast,
    output logic [COLUMN_BITS-1:0]          broadcast_column,
    output logic [VALUE_BITS-1:0]           broadcast_value,
    output logic                            complete,
    output logic                            found,
    output logic                            scan_finished,
    output logic                            any_full,
    output logic [N_PE-1:0]                 queue_valid,
    output logic [N_PE-1:0][COUNT_BITS-1:0] queue_count,
    output logic [N_PE-1:0]                 take,
    output logic [N_PE-1:0]                 stage_valid,
    output logic [N_PE-1:0]                 entry_valid,
    output logic [N_PE-1:0]                 weight_valid,
    output logic [N_PE-1:0]                 row_read,
    output logic [N_PE-1:0]                 pipeline_busy,
    output logic [N_PE-1:0]                 write_valid
);
  // Its memories read as the place that is asked for; a step or a run may end in any cycle.
  logic done;  // driven by nothing: any value in any cycle
  logic [READ_BITS-1:0] begun, half_read;
  wire start = host_write && !busy && host_space == eie_registers::SPACE_SETTINGS &&
      (host_address[2:0] == eie_registers::SETTING_START || host_address[2:0] == eie_registers::SETTING_RUN);
  assign finished = busy && done;
  always_ff @(posedge clk) begin
    if (reset) busy <= 1'b0;
    else if (start) busy <= 1'b1;
    else if (finished) busy <= 1'b0;
    if (host_read) begin
      begun          <= READ_BITS'({host_space, host_pe, host_address});
      half_read      <= begun;
      host_read_data <= half_read;
    end
  end
endmodule
