// Passes the clock's low half, before an edge, while `hold` is 0. `hold` comes from registers: it settles while the
// clock is high. A module of its own, so that synthesis puts nothing else between the clock and the latches.
(* keep_hierarchy *)
module low_gate (
    input  logic clk,
    input  logic hold,
    output logic open
);
  assign open = !(clk || hold);
endmodule
