// A clock gate: passes the clock's high half after an edge at which `enable` is set. It takes the enable while the clock
// is low, so no enable that settles before the edge makes a glitch. Synthesis puts the library's own cell here.
module clock_gate (
    input  logic clk,
    input  logic enable,
    output logic gated
);
  logic open;
  always_latch if (!clk) open = enable;
  assign gated = clk && open;
endmodule
