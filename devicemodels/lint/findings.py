"""What the linter can say: each rule with its severity, what the construct does without a word, and what to write."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule; `does` is what simulators make of the construct, `instead` the remedy."""

    severity: str
    does: str
    instead: str


NODE = "keep the state on an internal node: s = s0 + V(u); I(u) <+ ddt(V(u)) - ($abstime > 0 ? rate : -V(u));"
CLAMP = "bound the argument by min() and max(), or evaluate it only inside an if on the same quantity"

RULES: dict[str, Rule] = {
    "hidden-state": Rule(
        severity="error",
        does="variables do not keep their value between evaluations: it reads as its start value, and the device never"
        " switches",
        instead=NODE,
    ),
    "never-assigned": Rule(
        severity="error", does="it is read but nothing assigns it, so it is always 0", instead="assign it, or remove it"
    ),
    "event-assignment": Rule(
        severity="error",
        does="the body of this event runs at every set-up or never, so what it assigns is no initial value",
        instead="give the start as a parameter, s = s0 + V(u) with V(u) held at 0 until $abstime > 0; a threshold is"
        " an if in the analog block",
    ),
    "event": Rule(
        severity="warning",
        does="the body of this event runs at every set-up, not once",
        instead="move it into the analog block",
    ),
    "unsupported": Rule(severity="error", does="openvaf-r or the simulators do not support it", instead=""),
    "idt-initial": Rule(
        severity="error",
        does="the initial condition of idt is lost: the state starts at it and drops to 0 after the first step",
        instead=NODE,
    ),
    "idt": Rule(
        severity="warning",
        does="the operating point of idt is not determined: it starts at 0 or makes the matrix singular",
        instead=NODE,
    ),
    "analysis-state": Rule(
        severity="error",
        does='analysis("ic") and analysis("static") are true at other moments in each simulator (ngspice: only in the'
        " first iteration of the first step), so the state starts at 0",
        instead=NODE,
    ),
    "analysis": Rule(
        severity="warning",
        does='analysis("tran") and analysis("dc") differ between simulators in the operating point before a transient',
        instead="test $abstime > 0",
    ),
    "unpinned-state": Rule(
        severity="error",
        does="nothing fixes this state in an operating point: ngspice starts it at 0, VACASK reports a singular matrix",
        instead=NODE,
    ),
    "undriven-node": Rule(
        severity="error",
        does="no contribution drives this internal node: it stays at 0, or the matrix is singular",
        instead="contribute its equation with I(node) <+ ..., or remove it",
    ),
    "unused-node": Rule(
        severity="warning",
        does="an internal node that nothing uses makes the matrix singular in VACASK",
        instead="remove its declaration",
    ),
    "branch-ddt": Rule(
        severity="warning",
        does="a ddt or idt inside a condition loses its history whenever the condition changes",
        instead="compute the rest in the condition and write one ddt outside it",
    ),
    "unclamped-exp": Rule(
        severity="warning", does="a trial voltage of Newton's method makes it overflow", instead=CLAMP + "; or limexp()"
    ),
    "unclamped-log": Rule(severity="warning", does="it is NaN or infinite once its argument is <= 0", instead=CLAMP),
    "unclamped-sqrt": Rule(severity="warning", does="it is NaN once its argument is negative", instead=CLAMP),
    "unclamped-pow": Rule(severity="warning", does="a power of a negative base is NaN", instead=CLAMP),
    "unclamped-division": Rule(
        severity="warning", does="it is infinite or NaN once the divisor is 0", instead="keep the divisor away from 0"
    ),
    "module-name": Rule(
        severity="error",
        does="a simulator takes the name for its own built-in device and ignores this model",
        instead="rename the module, for instance to my_NAME",
    ),
}

BUILT_IN = frozenset(
    "r res c cap l ind k d npn pnp lpnp njf pjf nmf pmf nhfet phfet nmos pmos vdmos vdmosn vdmosp nsoi psoi numd numos "
    "nbjt nbjt2 sw csw ltra urc txl cpl v i b e g vsource isource vcvs vccs ccvs cccs resistor capacitor "
    "inductor".split()
)
"""Model kinds of the simulators: a Verilog-A module of such a name would be replaced by the built-in device."""


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """One remark on one place of a source."""

    file: str
    line: int
    rule: str
    subject: str
    """The construct in question, with its name."""
    severity: str
    does: str
    """What simulators make of it, usually without a word."""
    instead: str
    """What to write."""

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}: {self.severity} [{self.rule}] {self.subject}"
        return f"{head}: {self.does}. Instead: {self.instead}."


class ParseError(ValueError):
    """The source is not Verilog-A that the linter knows; the message names file, line and remedy."""

    def __init__(self, file: str, line: int, message: str):
        super().__init__(f"{file}:{line}: {message}")
        self.file, self.line, self.message = file, line, message
