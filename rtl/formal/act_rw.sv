// Each file keeps what was written to it, the files swap roles, and a source row is read, or stored in the SRAM, as A7 and
// A8 of docs/hardware.md say. Only the unit's ports are looked at.
module act_rw_properties #(
    parameter int VALUE_BITS = 16,
    parameter int ACCUMULATOR_BITS = 24,
    parameter int REGISTER_ENTRIES = 64,
    parameter int ROW_BITS = 6,
    parameter int PLACE_BITS = 10,
    parameter int SRAM_ADDRESS_BITS = 10
) (
    input logic clk,
    input logic source,
    input logic relu,
    input logic busy,
    input logic host_write_source,
    input logic host_write_destination,
    input logic host_write_sram,
    input logic host_read_sram,
    input logic [PLACE_BITS-1:0] host_address,
    input logic [ACCUMULATOR_BITS-1:0] host_data,
    input logic load_read,
    input logic [SRAM_ADDRESS_BITS-1:0] load_address,
    input logic load_enable,
    input logic store_enable,
    input logic [ROW_BITS-1:0] load_row,
    input logic [ROW_BITS-1:0] row_address,
    input logic [ROW_BITS-1:0] read_row,
    input logic write_valid,
    input logic [ROW_BITS-1:0] write_row,
    input logic signed [ACCUMULATOR_BITS-1:0] write_value,
    input logic [VALUE_BITS-1:0] source_row,
    input logic [VALUE_BITS-1:0] loaded,
    input logic source_nonzero,
    input logic signed [ACCUMULATOR_BITS-1:0] source_value,
    input logic signed [ACCUMULATOR_BITS-1:0] read_value,
    input logic [SRAM_ADDRESS_BITS-1:0] kept_address  // of the word that the proof's memory keeps
);
  // One row, any, of both files: driven by nothing, and held.
  logic [ROW_BITS-1:0] its_row, its_row_before;
  logic begun = 1'b0;
  logic signed [ACCUMULATOR_BITS-1:0] rows[2];
  logic known[2];  // written since the beginning
  logic in_sram, loaded_known;
  logic [VALUE_BITS-1:0] word, kept_loaded;

  always_comb begin
    assume (!begun || its_row == its_row_before);
    assume (int'(its_row) < REGISTER_ENTRIES);
    assume (busy ? !(host_write_source || host_write_destination || host_write_sram || host_read_sram) :
            !(load_enable || write_valid || store_enable));
    assume (32'(host_write_sram) + 32'(host_read_sram) + 32'(load_read) + 32'(store_enable) <= 1);
    assume (32'(host_write_source) + 32'(host_write_destination) + 32'(host_write_sram) <= 1);
    assume (!(host_write_source || host_write_destination) || int'(host_address) < REGISTER_ENTRIES);
    assume (!(host_write_sram || host_read_sram) || int'(host_address) < 1 << SRAM_ADDRESS_BITS);
    assume (int'(load_row) < REGISTER_ENTRIES && int'(write_row) < REGISTER_ENTRIES);
  end

  localparam int MOST = (1 << (VALUE_BITS - 1)) - 1;
  wire signed [ACCUMULATOR_BITS-1:0] kept = rows[source];
  wire signed [VALUE_BITS-1:0] shown = relu && kept < 0 ? '0 : int'(kept) > MOST ? VALUE_BITS'(MOST) :
      int'(kept) < -MOST - 1 ? VALUE_BITS'(-MOST - 1) : VALUE_BITS'(kept);

  wire host_here = host_address == PLACE_BITS'(its_row);
  always_ff @(posedge clk) begin
    begun          <= 1'b1;
    its_row_before <= its_row;
    if (!begun) begin
      known[0]     <= 1'b0;
      known[1]     <= 1'b0;
      in_sram      <= 1'b0;
      loaded_known <= 1'b0;
    end else begin
      if (host_write_sram && host_address == PLACE_BITS'(kept_address)) begin
        in_sram <= 1'b1;
        word    <= host_data[VALUE_BITS-1:0];
      end
      if (store_enable && load_address == kept_address) begin
        in_sram <= known[source] && row_address == its_row;
        word    <= shown;
      end
      if (load_read || host_read_sram) begin
        loaded_known <= in_sram && (host_read_sram ? host_address == PLACE_BITS'(kept_address) : load_address == kept_address);
        kept_loaded  <= word;
      end
      if (host_write_source && host_here) {known[source], rows[source]} <= {1'b1, host_data};
      if (load_enable && load_row == its_row)
        {known[source], rows[source]} <= {loaded_known, ACCUMULATOR_BITS'($signed(kept_loaded))};
      if (host_write_destination && host_here) {known[!source], rows[!source]} <= {1'b1, host_data};
      if (write_valid && write_row == its_row) {known[!source], rows[!source]} <= {1'b1, write_value};
    end
  end

  always_comb begin
    if (begun) begin
      keeps_sums : assert (!(known[!source] && read_row == its_row) || read_value == rows[!source]);
      shows_the_word : assert (!loaded_known || loaded == kept_loaded);
      reads_out : assert (!(known[source] && row_address == its_row) || source_row == shown);
      shows_the_source : assert (!(known[source] && row_address == its_row) || source_value == rows[source]);
      knows_zero : assert (!(known[source] && row_address == its_row) || source_nonzero == (source_row != '0));
    end
  end
endmodule

bind act_rw act_rw_properties #(
    .VALUE_BITS       (VALUE_BITS),
    .ACCUMULATOR_BITS (ACCUMULATOR_BITS),
    .REGISTER_ENTRIES (REGISTER_ENTRIES),
    .ROW_BITS         (ROW_BITS),
    .PLACE_BITS       (PLACE_BITS),
    .SRAM_ADDRESS_BITS(SRAM_ADDRESS_BITS)
) properties (
    .kept_address(activations.kept_address),
    .*
);
