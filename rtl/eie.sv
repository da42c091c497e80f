// The chip: N processing elements, the LNZD quadtree over their source activations, the CCU, and the host port.
//
// Host port, I/O mode: `host_write` puts host_data into `host_space` of PE host_pe at host_address, one word a cycle.
//   0 settings   address 0 rows, 1 first_input, 2 first_word, 3 flags {kind, relu, source, load}, 4 start, 5 clear,
//                6 step: keeps the others as that step of the table, 7 run: so many steps of the table
//   1 pointers   2 weights (a memory row)   3 codebook (all PEs)   4 source file   5 destination file
//   6 activation SRAM
// Writing `start` begins one step in computing mode (`busy`), a scan or rows that are moved, and `run` as many of the
// table as it says, one after the other; `finished` is high in its last cycle. `clear` empties the weight buffers and sets the
// counters to 0, and so does `run`. What is written while the chip is busy is lost: eie_axi.sv refuses it.
// While the chip is not busy, spaces 1 to 6 are read: host_space of PE host_pe at host_address, in three steps, at edges with
// `host_read`. After the third the word is host_read_data, until the next such edge, signed numbers with their sign. At
// every one of them a read may begin. Reading a row of weights empties its PE's weight buffer.
//
// Reset is synchronous, high for one clock edge or more, and does what `clear` does. It ends a step and a run, and empties
// queues and stages; memories, register files, codebook and settings keep what they held, so the host writes them first.
// A word that the host writes at its edge is written; a step does not begin. Every register has an enable, from which
// synthesis makes clock gates; this source has none but those of latches. `scan_enable`, low but for a test of the chip, opens
// the one and closes the others.
module eie #(
    parameter int N_PE = 64,
    parameter int QUEUE_DEPTH = 8,
    parameter int REGISTER_ENTRIES = 64,  // R
    parameter int VALUE_BITS = 16,        // B
    parameter int ACCUMULATOR_BITS = 24,  // A
    parameter int CODE_BITS = 4,          // C
    parameter int INDEX_BITS = 4,         // I
    parameter int ENTRY_BITS = 8,         // C + I in whole bytes
    parameter int ENTRIES_PER_ROW = 8,    // per weight-memory row: a power of two
    parameter int SPMAT_ROWS = 16384,
    parameter int POINTER_BITS = 16,      // P
    parameter int POINTER_WORDS = 8192,   // in each of the two banks
    parameter int SRAM_WORDS = 1024,
    parameter int COLUMN_BITS = 14,       // X
    parameter int DATA_BITS = 64,
    parameter int HOST_ADDRESS_BITS = 14,
    parameter int LATCHES = 0,            // 1: queues, codebooks and register files are latches
    parameter int BROADCAST_STAGES = 0,   // registers between a broadcast and the queues, and back
    parameter int SLOW_MEMORIES = 0,      // 1: for memories that answer late in the cycle, as an FPGA's do
    parameter int TABLE_STEPS = 16,       // steps that run without the host
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
    // the units' signals, for a trace: the names of the tables in src/eie/chip/stepped/signals.py
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
`ifndef __ICARUS__  // it has no elaboration system tasks
  if (HOST_ADDRESS_BITS < 3) begin : refuses1
    $fatal(1, "eie: HOST_ADDRESS_BITS must address the settings");
  end
`endif

  logic [ROW_COUNT_BITS-1:0] rows;
  logic [COLUMN_BITS-1:0] first_input;
  logic [SRAM_ADDRESS_BITS-1:0] first_word;
  logic [1:0] kind;
  logic relu, coming_source, load, start, clear, run, running, last_step, stepping;

  wire setting = host_write && host_space == eie_registers::SPACE_SETTINGS && !busy;
  assign finished = complete && (!running || last_step);

  step_table #(
      .REGISTER_ENTRIES(REGISTER_ENTRIES),
      .SRAM_WORDS(SRAM_WORDS),
      .COLUMN_BITS(COLUMN_BITS),
      .DATA_BITS(DATA_BITS),
      .TABLE_STEPS(TABLE_STEPS)
  ) stepper (
      .clk,
      .scan_enable,
      .reset,
      .setting,
      .number(host_address[2:0]),
      .value(host_data),
      .complete,
      .start,
      .clear,
      .run,
      .running,
      .last(last_step),
      .kind,
      .relu,
      .coming_source,
      .load,
      .rows,
      .first_input,
      .first_word
  );

  // What fills the destination file, or stores it, sees the files' roles swapped. A new pass begins with empty buffers.
  wire presets = kind == eie_registers::KIND_PRESET;
  wire empties = clear || (start && presets);
  // They lead to every processing element, so they are registers: a step or a run goes on, and which file is the source.
  logic swapped, source_file;
  wire swaps = !reset && (start ? presets || kind == eie_registers::KIND_STORE : swapped && !complete);
  always_ff @(posedge clk) begin
    busy        <= !reset && (start || run || (busy && !finished));
    swapped     <= swaps;
    source_file <= coming_source ^ swaps;
  end
  logic store_enable, codebook_enable;
  logic [CODE_BITS-1:0] load_code;
  // A codebook out of the SRAM is written as the host writes one.
  wire [HOST_ADDRESS_BITS-1:0] place = busy ? HOST_ADDRESS_BITS'(load_code) : host_address;

  logic [ROW_BITS-1:0] found_row, row_address, load_row;
  logic [POSITION_BITS-1:0] found_position;
  logic [VALUE_BITS-1:0] found_value;
  logic load_read;
  logic [SRAM_ADDRESS_BITS-1:0] load_address;
  logic [N_PE-1:0] full, occupied;
  logic [N_PE-1:0][VALUE_BITS-1:0] source_row;
  logic [N_PE-1:0] source_nonzero;
  logic [N_PE-1:0][READ_BITS-1:0] host_word;

  logic arrival, in_flight;
  logic [COLUMN_BITS-1:0] arrival_column;
  logic [VALUE_BITS-1:0] arrival_value;

  if (BROADCAST_STAGES == 0) begin : direct
    assign any_full = |full;
    assign in_flight = 1'b0;
    assign {arrival, arrival_column, arrival_value} = {broadcast, broadcast_column, broadcast_value};
  end else begin : staged
    credits #(
        .N_PE(N_PE),
        .QUEUE_DEPTH(QUEUE_DEPTH),
        .VALUE_BITS(VALUE_BITS),
        .COLUMN_BITS(COLUMN_BITS),
        .BROADCAST_STAGES(BROADCAST_STAGES)
    ) path (
        .clk,
        .scan_enable,
        .reset,
        .start,
        .broadcast,
        .broadcast_column,
        .broadcast_value,
        .take,
        .any_full,
        .in_flight,
        .arrival,
        .arrival_column,
        .arrival_value
    );
    // The credits tell what each PE's own queue would.
    // verilator lint_off UNUSEDSIGNAL
    wire unused = |full;
    // verilator lint_on UNUSEDSIGNAL
  end

  // A read's three steps: the memory's, or of a file the address; a PE of each group of four; and a group. Behind an FPGA's
  // slow memories each PE is a group.
  localparam int GROUP = SLOW_MEMORIES != 0 ? 1 : 4;
  localparam int GROUPS = (N_PE + GROUP - 1) / GROUP;
  localparam int READ_PLACE_BITS = ROW_BITS > CODE_BITS ? ROW_BITS : CODE_BITS;
  logic [GROUPS-1:0][READ_BITS-1:0] group_data;
  logic [POSITION_BITS-1:0] read_pe, group_read;
  logic [2:0] read_space;
  logic [READ_PLACE_BITS-1:0] read_place;
  always_ff @(posedge clk) begin
    if (host_read) begin
      read_space     <= host_space;
      read_pe        <= host_pe;
      read_place     <= READ_PLACE_BITS'(host_address);
      group_read     <= POSITION_BITS'(int'(read_pe) / GROUP);
      host_read_data <= group_data[group_read];
    end
  end
  for (genvar g = 0; g < GROUPS; g++) begin : group
    localparam int PES = N_PE - g * GROUP < GROUP ? N_PE - g * GROUP : GROUP;
    wire [PES*READ_BITS-1:0] words;
    for (genvar k = 0; k < PES; k++) begin : member
      assign words[k*READ_BITS+:READ_BITS] = host_word[g*GROUP+k];
    end
    wire [READ_BITS-1:0] word = words[int'(read_pe)%GROUP*READ_BITS+:READ_BITS];
    always_ff @(posedge clk) if (host_read) group_data[g] <= word;
  end

  ccu #(
      .N_PE(N_PE),
      .COLUMN_BITS(COLUMN_BITS),
      .VALUE_BITS(VALUE_BITS),
      .REGISTER_ENTRIES(REGISTER_ENTRIES),
      .SRAM_WORDS(SRAM_WORDS),
      .CODE_BITS(CODE_BITS)
  ) control (
      .clk,
      .scan_enable,
      .reset,
      .clear,
      .running,
      .start,
      .kind,
      .load,
      .rows,
      .first_input,
      .first_word,
      .found,
      .found_row,
      .found_position,
      .found_value,
      .scan_finished,
      .any_full,
      .any_busy(in_flight || |occupied),
      .busy(stepping),
      .computing,
      .load_read,
      .load_address,
      .load_enable,
      .load_row,
      .store_enable,
      .codebook_enable,
      .load_code,
      .broadcast,
      .broadcast_column,
      .broadcast_value,
      .complete,
      .cycles,
      .broadcasts,
      .stalls
  );

  lnzd #(
      .N_PE(N_PE),
      .VALUE_BITS(VALUE_BITS),
      .REGISTER_ENTRIES(REGISTER_ENTRIES)
  ) detector (
      .clk,
      .scan_enable,
      .reset,
      .start,
      .rows,
      .computing,
      .storing(store_enable),
      .broadcast,
      .source_row,
      .source_nonzero,
      .found,
      .found_row,
      .found_position,
      .found_value,
      .row_address,
      .scan_finished
  );

  // Nothing is shown in computing mode, so that nothing toggles. The source row is the detector's while a scan runs.
  wire [2:0] shown = busy ? eie_registers::SPACE_SETTINGS : read_space;
  for (genvar i = 0; i < N_PE; i++) begin : element
    wire here = !busy && host_pe == POSITION_BITS'(i);
    wire io = host_write && here;
    wire reads = host_read && here;
    pe #(
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
        .SLOW_MEMORIES(SLOW_MEMORIES)
    ) pe (
        .clk,
        .scan_enable,
        .reset,
        .clear(empties),
        .busy,
        .source(source_file),
        .relu,
        .write_pointer(io && host_space == eie_registers::SPACE_POINTERS),
        .write_weights(io && host_space == eie_registers::SPACE_WEIGHTS),
        .write_codebook(codebook_enable || (host_write && !busy && host_space == eie_registers::SPACE_CODEBOOK)),
        .write_source(io && host_space == eie_registers::SPACE_SOURCE),
        .write_destination(io && host_space == eie_registers::SPACE_DESTINATION),
        .write_sram(io && host_space == eie_registers::SPACE_SRAM),
        .read_pointer(reads && host_space == eie_registers::SPACE_POINTERS),
        .read_weights(reads && host_space == eie_registers::SPACE_WEIGHTS),
        .read_sram(reads && host_space == eie_registers::SPACE_SRAM),
        .read_space(shown),
        .read_place,
        .host_address(place),
        .host_data,
        .load_read,
        .load_address,
        .load_enable,
        .load_row,
        .store_enable,
        .row_address(busy ? row_address : ROW_BITS'(read_place)),
        .broadcast(arrival),
        .broadcast_column(arrival_column),
        .broadcast_value(arrival_value),
        .source_row(source_row[i]),
        .source_nonzero(source_nonzero[i]),
        .host_word(host_word[i]),
        .full(full[i]),
        .occupied(occupied[i]),
        .queue_valid(queue_valid[i]),
        .queue_count(queue_count[i]),
        .take(take[i]),
        .stage_valid(stage_valid[i]),
        .entry_valid(entry_valid[i]),
        .weight_valid(weight_valid[i]),
        .row_read(row_read[i]),
        .pipeline_busy(pipeline_busy[i]),
        .write_valid(write_valid[i])
    );
  end

`ifndef SYNTHESIS
  always @(posedge clk) begin
    assert (reset !== 1'b0 || busy === (stepping || running)) else $fatal(1, "eie: busy while no step and no run goes on");
    assert (reset !== 1'b0 || !store_enable || row_address === load_row)
    else $fatal(1, "eie: another row is stored than is shown");
  end
`endif
endmodule
