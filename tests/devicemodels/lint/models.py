"""Models that compile and silently do not switch, each beside the construct that does it."""

HEAD = '`include "constants.vams"\n`include "disciplines.vams"\n'
HEAD += "module demo(p, n);\n  inout p, n;\n  electrical p, n{nets};\n"
TAIL = "endmodule\n"


def model(analog: str, declarations: str = "", nets: str = "") -> str:
    """A module with these declarations and the statements of its analog block."""
    return f"{HEAD.format(nets=nets)}{declarations}\n  analog begin\n{analog}\n  end\n{TAIL}"


STICKY = model(
    """
    if (V(p, n) > v_set) g = g_high;
    else if (V(p, n) < -v_set) g = g_low;
    I(p, n) <+ g * V(p, n);""",
    "parameter real v_set = 1.0; parameter real g_low = 1e-6; parameter real g_high = 1e-3; real g = 1e-6;",
)
"""A switch that means to remember its conductance in a variable."""

MENDED = model(
    """
    s = V(u);
    sc = max(0, min(1, s));
    I(p, n) <+ (g_low + (g_high - g_low) * sc) * V(p, n);
    if ($abstime <= 0) rate = -V(u);
    else if (V(p, n) > v_set) rate = 1e9 * (1 - s);
    else if (V(p, n) < -v_set) rate = -1e9 * s;
    else rate = 0;
    I(u) <+ ddt(V(u)) - rate;""",
    "parameter real v_set = 1.0; parameter real g_low = 1e-6; parameter real g_high = 1e-3; real s, sc, rate;",
    ", u",
)
"""The same switch with its state on a node."""

REFUSED: dict[str, tuple[str, str]] = {
    "a conductance that is kept below the threshold": ("hidden-state", STICKY),
    "a gap integrated by hand": (
        "hidden-state",
        model(
            "step = $abstime - before; gap = gap - k * V(p, n) * step; before = $abstime;\n"
            "I(p, n) <+ 1e-6 * exp(-max(0, gap)) * V(p, n);",
            "parameter real k = 1e3; real gap, step, before;",
        ),
    ),
    "a filament that starts in initial_step": (
        "event-assignment",
        model(
            "@(initial_step) w = 0.1;\nw = max(0, min(1, w + 1e-3 * V(p, n)));\nI(p, n) <+ w * 1e-3 * V(p, n);",
            "real w;",
        ),
    ),
    "a mode of a case without default": (
        "hidden-state",
        model(
            "case (mode) 0: r = 1e3; 1: r = 1e5; endcase\nI(p, n) <+ V(p, n) / r;",
            "parameter integer mode = 0 from [0:2]; real r;",
        ),
    ),
    "a variable of a named block": (
        "hidden-state",
        model("begin : memory\n real on;\n if (V(p, n) > 1) on = 1;\n I(p, n) <+ on * 1e-3 * V(p, n);\n end"),
    ),
    "a latch written in a loop that may not run": (
        "hidden-state",
        model(
            "i = 0; while (i < V(p, n)) begin q = i; i = i + 1; end\nI(p, n) <+ (1 + q) * 1e-6 * V(p, n);",
            "real q; integer i;",
        ),
    ),
    "a state of idt with an initial condition": (
        "idt-initial",
        model("V(u) <+ idt(1e3 * V(p, n), 0.1);\nI(p, n) <+ max(0, V(u)) * V(p, n);", nets=", u"),
    ),
    "a start under analysis(ic)": (
        "analysis-state",
        model(
            'if (analysis("ic")) V(u) <+ 0.1; else I(u) <+ ddt(V(u)) - V(p, n);\nI(p, n) <+ V(u) * V(p, n);', nets=", u"
        ),
    ),
    "a state that an operating point leaves open": (
        "unpinned-state",
        model("I(u) <+ ddt(V(u)) - 1e3 * V(p, n);\nI(p, n) <+ (0.1 + V(u)) * V(p, n);", nets=", u"),
    ),
    "a state that nothing drives": (
        "undriven-node",
        model("I(p, n) <+ (1 + V(u)) * 1e-3 * V(p, n);", nets=", u"),
    ),
    "a state changed at a crossing": (
        "event-assignment",
        model("@(cross(V(p, n) - 1, +1)) on = 1;\nI(p, n) <+ on * 1e-3 * V(p, n);", "integer on;"),
    ),
    "a variable that nothing assigns": ("never-assigned", model("I(p, n) <+ g * V(p, n);", "real g;")),
    "a local of a function": (
        "hidden-state",
        '`include "disciplines.vams"\nmodule demo(p, n); inout p, n; electrical p, n;\n'
        "analog function real f; input v; real v, kept; begin if (v > 1) kept = 1; f = kept * v; end endfunction\n"
        "analog I(p, n) <+ f(V(p, n));\nendmodule\n",
    ),
}

UNSUPPORTED: dict[str, str] = {
    "transition": model("I(p, n) <+ transition(1, 0, 1n);"),
    "slew": model("I(p, n) <+ slew(V(p, n), 1e6);"),
    "laplace_nd": model("I(p, n) <+ laplace_nd(V(p, n), {1}, {1, 1e-6});"),
    "absdelay": model("I(p, n) <+ absdelay(V(p, n), 1n);"),
    "$rdist_normal": model("I(p, n) <+ $rdist_normal(1, 0, 1) * V(p, n);"),
    "$table_model": model('I(p, n) <+ $table_model(V(p, n), "iv.tbl");'),
    "$fopen": model('f = $fopen("log"); I(p, n) <+ V(p, n);', "integer f;"),
    "array": model("a[0] = V(p, n); I(p, n) <+ a[0];", "real a[0:3];"),
    "vector node": model("I(p, n) <+ V(p, n);", "electrical [0:3] bus;"),
    "string parameter": model("I(p, n) <+ V(p, n);", 'parameter string kind = "hfo2";'),
    "instance": model("I(p, n) <+ V(p, n);", "resistor #(.r(1k)) r1 (p, n);"),
    "@(timer": model("@(timer(0, 1n)) $strobe(1); I(p, n) <+ V(p, n);"),
}

UNCLAMPED: dict[str, tuple[str, str]] = {
    "unclamped-exp": ("exp(40 * v)", "exp(min(80, 40 * v))"),
    "unclamped-log": ("ln(v)", "ln(max(1e-9, v))"),
    "unclamped-sqrt": ("sqrt(v)", "sqrt(v * v + 1e-6)"),
    "unclamped-pow": ("pow(v / 2 - 1, 3.5)", "((v > 2) ? pow(v / 2 - 1, 3.5) : 0)"),
    "unclamped-division": ("1 / v", "1 / (1e-3 + abs(v))"),
}
