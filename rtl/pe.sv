// One processing element: queue, pointer read, weight-memory read, arithmetic unit, activation read and write.
module pe #(
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
    parameter int POINTER_WORDS = 8192,  // in each of the two banks
    parameter int SRAM_WORDS = 1024,
    parameter int COLUMN_BITS = 14,
    parameter int DATA_BITS = 64,        // of the host port
    parameter int HOST_ADDRESS_BITS = 14,
    parameter int LATCHES = 0,           // in queue, codebook and register files
    parameter int SLOW_MEMORIES = 0,     // 1: for memories that answer late in the cycle, as an FPGA's do
    localparam int ROW_BITS = REGISTER_ENTRIES > 1 ? $clog2(REGISTER_ENTRIES) : 1,
    localparam int SRAM_ADDRESS_BITS = SRAM_WORDS > 1 ? $clog2(SRAM_WORDS) : 1,
    localparam int PLACE_BITS = ROW_BITS > SRAM_ADDRESS_BITS ? ROW_BITS : SRAM_ADDRESS_BITS,
    localparam int READ_PLACE_BITS = ROW_BITS > CODE_BITS ? ROW_BITS : CODE_BITS,
    localparam int READ_BITS = (DATA_BITS + 31) / 32 * 32,
    localparam int COUNT_BITS = $clog2(QUEUE_DEPTH),
    localparam int SPMAT_ADDRESS_BITS = SPMAT_ROWS > 1 ? $clog2(SPMAT_ROWS) : 1
) (
    input  logic                               clk,
    input  logic                               scan_enable,
    input  logic                               reset,
    input  logic                               clear,
    input  logic                               busy,
    input  logic                               source,
    input  logic                               relu,
    input  logic                               write_pointer,  // I/O mode: which memory host_data goes to
    input  logic                               write_weights,
    input  logic                               write_codebook,
    input  logic                               write_source,
    input  logic                               write_destination,
    input  logic                               write_sram,
    input  logic                               read_pointer,   // I/O mode: which memory's word is read at this edge
    input  logic                               read_weights,
    input  logic                               read_sram,
    input  logic [2:0]                         read_space,     // I/O mode: which word is shown, read before from a memory,
    // verilator lint_off UNUSEDSIGNAL
    input  logic [READ_PLACE_BITS-1:0]         read_place,     // or read now from a file or the codebook at read_place
    // verilator lint_on UNUSEDSIGNAL
    // A memory uses as many bits of the host's word as it is wide.
    // verilator lint_off UNUSEDSIGNAL
    input  logic [HOST_ADDRESS_BITS-1:0]       host_address,
    input  logic [DATA_BITS-1:0]               host_data,
    // verilator lint_on UNUSEDSIGNAL
    input  logic                               load_read,
    input  logic [SRAM_ADDRESS_BITS-1:0]       load_address,
    input  logic                               load_enable,
    input  logic [ROW_BITS-1:0]                load_row,
    input  logic                               store_enable,
    input  logic [ROW_BITS-1:0]                row_address,
    input  logic                               broadcast,
    input  logic [COLUMN_BITS-1:0]             broadcast_column,
    input  logic [VALUE_BITS-1:0]              broadcast_value,
    output logic [VALUE_BITS-1:0]              source_row,
    output logic                               source_nonzero,
    output logic [READ_BITS-1:0]               host_word,      // the word shown; 0 in computing mode
    output logic                               full,
    output logic                               occupied,       // something is in the queue, a stage or the pipeline
    output logic                               queue_valid,
    output logic [COUNT_BITS-1:0]              queue_count,
    output logic                               take,
    output logic                               stage_valid,
    output logic                               entry_valid,
    output logic                               weight_valid,
    output logic                               row_read,
    output logic                               pipeline_busy,
    output logic                               write_valid
);
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (DATA_BITS < ENTRIES_PER_ROW * ENTRY_BITS || DATA_BITS < POINTER_BITS ||
      DATA_BITS < ACCUMULATOR_BITS) begin : refuses1
    $fatal(1, "pe: DATA_BITS must hold a weight-memory row, a pointer and an accumulator");
  end
  if (HOST_ADDRESS_BITS < COLUMN_BITS || HOST_ADDRESS_BITS < SPMAT_ADDRESS_BITS ||
      HOST_ADDRESS_BITS < PLACE_BITS || HOST_ADDRESS_BITS < CODE_BITS) begin : refuses2
    $fatal(1, "pe: HOST_ADDRESS_BITS must address every memory");
  end
`endif

  logic [COLUMN_BITS-1:0] head_column, coming_column;
  logic [VALUE_BITS-1:0] head_value, entry_activation, weight_activation, loaded;
  logic [POINTER_BITS-1:0] entry_address;
  logic entry_first, weight_first;
  logic [CODE_BITS-1:0] weight_code;
  logic [INDEX_BITS-1:0] weight_index;
  logic [ROW_BITS-1:0] read_row, write_row;
  logic signed [ACCUMULATOR_BITS-1:0] read_value, source_value, write_value;
  logic [POINTER_BITS-1:0] shown_pointer;
  logic [ENTRIES_PER_ROW*ENTRY_BITS-1:0] shown_row;
  logic signed [VALUE_BITS-1:0] shown_weight;

  assign occupied = queue_valid || stage_valid || weight_valid || pipeline_busy;

  // What a host reads: numbers with their sign, pointers and rows without.
  always_comb begin
    case (read_space)
      eie_registers::SPACE_POINTERS: host_word = READ_BITS'(shown_pointer);
      eie_registers::SPACE_WEIGHTS: host_word = READ_BITS'(shown_row);
      eie_registers::SPACE_CODEBOOK: host_word = READ_BITS'(shown_weight);
      eie_registers::SPACE_SOURCE: host_word = READ_BITS'(source_value);
      eie_registers::SPACE_DESTINATION: host_word = READ_BITS'(read_value);
      eie_registers::SPACE_SRAM: host_word = READ_BITS'($signed(loaded));
      default: host_word = '0;
    endcase
  end

  act_queue #(
      .QUEUE_DEPTH(QUEUE_DEPTH),
      .COLUMN_BITS(COLUMN_BITS),
      .VALUE_BITS(VALUE_BITS),
      .LATCHES(LATCHES),
      .SLOW_MEMORIES(SLOW_MEMORIES)
  ) queue (
      .clk,
      .scan_enable,
      .reset,
      .broadcast,
      .broadcast_column,
      .broadcast_value,
      .take,
      .full,
      .queue_valid,
      .queue_count,
      .head_column,
      .head_value,
      .coming_column
  );

  ptr_read #(
      .POINTER_BITS(POINTER_BITS),
      .POINTER_WORDS(POINTER_WORDS),
      .COLUMN_BITS(COLUMN_BITS),
      .VALUE_BITS(VALUE_BITS),
      .SLOW_MEMORIES(SLOW_MEMORIES)
  ) pointers (
      .clk,
      .scan_enable,
      .reset,
      .busy,
      .host_write(write_pointer),
      .host_read(read_pointer),
      .host_address(host_address[COLUMN_BITS-1:0]),
      .host_data(host_data[POINTER_BITS-1:0]),
      .shown_odd(read_place[0]),
      .queue_valid,
      .head_column,
      .head_value,
      .coming_column,
      .take,
      .stage_valid,
      .entry_valid,
      .entry_address,
      .entry_activation,
      .entry_first,
      .shown_pointer
  );

  spmat_read #(
      .ENTRY_BITS(ENTRY_BITS),
      .ENTRIES_PER_ROW(ENTRIES_PER_ROW),
      .SPMAT_ROWS(SPMAT_ROWS),
      .CODE_BITS(CODE_BITS),
      .INDEX_BITS(INDEX_BITS),
      .POINTER_BITS(POINTER_BITS),
      .VALUE_BITS(VALUE_BITS),
      .SLOW_MEMORIES(SLOW_MEMORIES)
  ) weights (
      .clk,
      .scan_enable,
      .reset,
      .clear,
      .busy,
      .host_write(write_weights),
      .host_read(read_weights),
      .host_address(host_address[SPMAT_ADDRESS_BITS-1:0]),
      .host_data(host_data[ENTRIES_PER_ROW*ENTRY_BITS-1:0]),
      .entry_valid,
      .entry_address,
      .entry_activation,
      .entry_first,
      .weight_valid,
      .row_read,
      .weight_code,
      .weight_index,
      .weight_activation,
      .weight_first,
      .shown_row
  );

  arithm_unit #(
      .VALUE_BITS(VALUE_BITS),
      .ACCUMULATOR_BITS(ACCUMULATOR_BITS),
      .CODE_BITS(CODE_BITS),
      .INDEX_BITS(INDEX_BITS),
      .REGISTER_ENTRIES(REGISTER_ENTRIES),
      .LATCHES(LATCHES)
  ) arithmetic (
      .clk,
      .scan_enable,
      .reset,
      .busy,
      .host_write(write_codebook),
      .host_address(host_address[CODE_BITS-1:0]),
      .host_data(busy ? loaded : host_data[VALUE_BITS-1:0]),
      .read_place(read_place[CODE_BITS-1:0]),
      .weight_valid,
      .weight_code,
      .weight_index,
      .weight_activation,
      .weight_first,
      .read_value,
      .pipeline_busy,
      .read_row,
      .write_valid,
      .write_row,
      .write_value,
      .shown_weight
  );

  act_rw #(
      .VALUE_BITS(VALUE_BITS),
      .ACCUMULATOR_BITS(ACCUMULATOR_BITS),
      .REGISTER_ENTRIES(REGISTER_ENTRIES),
      .SRAM_WORDS(SRAM_WORDS),
      .LATCHES(LATCHES),
      .SLOW_MEMORIES(SLOW_MEMORIES)
  ) activations (
      .clk,
      .scan_enable,
      .reset,
      .source,
      .relu,
      .busy,
      .host_write_source(write_source),
      .host_write_destination(write_destination),
      .host_write_sram(write_sram),
      .host_read_sram(read_sram),
      .host_address(host_address[PLACE_BITS-1:0]),
      .host_data(host_data[ACCUMULATOR_BITS-1:0]),
      .load_read,
      .load_address,
      .load_enable,
      .load_row,
      .store_enable,
      .row_address,
      .read_row(busy ? read_row : read_place[ROW_BITS-1:0]),
      .write_valid,
      .write_row,
      .write_value,
      .loaded,
      .source_row,
      .source_nonzero,
      .source_value,
      .read_value
  );
endmodule
