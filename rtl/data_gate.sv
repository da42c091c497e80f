// Passes data while `enable` is set, else zeros, so that nothing toggles behind it. A module of its own, so that synthesis
// drives the latches behind it directly.
(* keep_hierarchy *)
module data_gate #(
    parameter int BITS = 16
) (
    input  logic            enable,
    input  logic [BITS-1:0] data,
    output logic [BITS-1:0] gated
);
  assign gated = data & {BITS{enable}};
endmodule
