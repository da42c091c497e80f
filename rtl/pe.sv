// One processing element: queue, pointer read, weight-memory read, arithmetic unit, activation read and write.
module pe #(
    parameter int QUEUE_DEPTH = 8,
    parameter int REGISTERS = 64,
    parameter int VALUE = 16,
    parameter int ACCUMULATOR = 24,
    parameter int CODE = 4,
    parameter int INDEX = 4,
    parameter int ENTRY = 8,
    parameter int ENTRIES = 8,
    parameter int SPMAT_ROWS = 16384,
    parameter int POINTER = 16,
    parameter int POINTER_WORDS = 8192,  // in each of the two banks
    parameter int SRAM_WORDS = 1024,
    parameter int COLUMN = 13,
    parameter int ROW = 7,
    parameter int DATA = 64,             // of the host port
    parameter int HOST_ADDRESS = 16,
    parameter int LATCHES = 0,           // in the codebook
    localparam int ADDRESS = REGISTERS > 1 ? $clog2(REGISTERS) : 1,
    localparam int SRAM_ADDRESS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1,
    localparam int SPMAT_ADDRESS = SPMAT_ROWS > 1 ? $clog2(SPMAT_ROWS) : 1
) (
    input  logic                          clk,
    input  logic                          reset,
    input  logic                          clear,
    input  logic                          busy,
    input  logic                          source,
    input  logic                          relu,
    input  logic                          write_pointer,  // I/O mode: which memory host_data goes to
    input  logic                          write_weights,
    input  logic                          write_codebook,
    input  logic                          write_source,
    input  logic                          write_destination,
    input  logic                          write_sram,
    input  logic [HOST_ADDRESS-1:0]       host_address,
    input  logic [DATA-1:0]               host_data,
    input  logic                          load_read,
    input  logic [SRAM_ADDRESS-1:0]       load_address,
    input  logic                          load_enable,
    input  logic [ROW-1:0]                load_row,
    input  logic [ROW-1:0]                row_address,
    input  logic                          broadcast,
    input  logic [COLUMN-1:0]             broadcast_column,
    input  logic [VALUE-1:0]              broadcast_value,
    output logic [VALUE-1:0]              source_row,
    output logic signed [ACCUMULATOR-1:0] read_value,
    output logic                          full,
    output logic                          occupied,       // something is in the queue, a stage or the pipeline
    output logic                          queue_valid,
    output logic [$clog2(QUEUE_DEPTH)-1:0] queue_count,
    output logic                          take,
    output logic                          stage_valid,
    output logic                          entry_valid,
    output logic                          weight_valid,
    output logic                          row_read,
    output logic                          pipeline_busy,
    output logic                          write_valid
);
  logic [COLUMN-1:0] head_column;
  logic [VALUE-1:0] head_value, entry_activation, weight_activation;
  logic [POINTER-1:0] entry_address;
  logic entry_first, weight_first;
  logic [CODE-1:0] weight_code;
  logic [INDEX-1:0] weight_index;
  logic [ADDRESS-1:0] read_row, write_row;
  logic signed [ACCUMULATOR-1:0] write_value;

  assign occupied = queue_valid || stage_valid || weight_valid || pipeline_busy;

  act_queue #(
      .DEPTH (QUEUE_DEPTH),
      .COLUMN(COLUMN),
      .VALUE (VALUE)
  ) queue (.*);

  ptr_read #(
      .POINTER(POINTER),
      .WORDS  (POINTER_WORDS),
      .COLUMN (COLUMN),
      .VALUE  (VALUE)
  ) pointers (
      .host_write(write_pointer),
      .host_address(host_address[COLUMN-1:0]),
      .host_data(host_data[POINTER-1:0]),
      .*
  );

  spmat_read #(
      .ENTRY  (ENTRY),
      .ENTRIES(ENTRIES),
      .ROWS   (SPMAT_ROWS),
      .CODE   (CODE),
      .INDEX  (INDEX),
      .POINTER(POINTER),
      .VALUE  (VALUE)
  ) weights (
      .host_write(write_weights),
      .host_address(host_address[SPMAT_ADDRESS-1:0]),
      .host_data(host_data[ENTRIES*ENTRY-1:0]),
      .*
  );

  arithm_unit #(
      .VALUE      (VALUE),
      .ACCUMULATOR(ACCUMULATOR),
      .CODE       (CODE),
      .INDEX      (INDEX),
      .REGISTERS  (REGISTERS),
      .LATCHES    (LATCHES)
  ) arithmetic (
      .host_write(write_codebook),
      .host_address(host_address[CODE-1:0]),
      .host_data(host_data[VALUE-1:0]),
      .*
  );

  act_rw #(
      .VALUE      (VALUE),
      .ACCUMULATOR(ACCUMULATOR),
      .REGISTERS  (REGISTERS),
      .SRAM_WORDS (SRAM_WORDS),
      .ROW        (ROW)
  ) activations (
      .host_write_source(write_source),
      .host_write_destination(write_destination),
      .host_write_sram(write_sram),
      .host_address(host_address[SRAM_ADDRESS-1:0]),
      .host_data(host_data[ACCUMULATOR-1:0]),
      .read_row(busy ? read_row : host_address[ADDRESS-1:0]),
      .*
  );
endmodule
