"""The rules on one module: each yields (line, rule, subject[, instead])."""

from collections.abc import Callable, Iterator

from devicemodels.lint.findings import BUILT_IN
from devicemodels.lint.flow import Flow, Path
from devicemodels.lint.ranges import Ranges
from devicemodels.lint.syntax import Expr, Module, Stmt

Remark = tuple[int, str, str, str]

UNSUPPORTED = {
    "transition": "a smooth step, 0.5*(1 + tanh(t/width)), or an RC on an internal node",
    "slew": "a limited current into a capacitor on an internal node",
    "absdelay": "a chain of RC sections on internal nodes, or a line outside of the model",
    "last_crossing": "an if on the voltage itself",
    "$table_model": "a fitted closed form",
}
UNSUPPORTED |= dict.fromkeys(
    ("laplace_nd", "laplace_np", "laplace_zd", "laplace_zp", "zi_nd", "zi_np", "zi_zd", "zi_zp"),
    "internal nodes with ddt for the poles",
)
UNSUPPORTED |= dict.fromkeys(
    ("$fopen", "$fclose", "$fwrite", "$fdisplay", "$fstrobe", "$fscanf", "$fgets", "$fread", "$readmemh", "$sscanf"),
    "parameters, set from outside",
)
RANDOM = ("$random", "$arandom", "$rdist_", "$dist_")
EVENTS = {"cross", "above", "timer", "absdelta"}
STEPS = {"initial_step", "final_step"}


def hidden_state(m: Module) -> Iterator[Remark]:
    """Variables that may be read before they are written in one evaluation, with those that nothing assigns."""
    assigns = [s for s in m.walk() if s.kind == "assign"]
    in_events = {id(s) for e in m.walk() if e.kind == "event" for s in e.walk()}
    anywhere = {s.exprs[0].text for s in assigns}
    outside = {s.exprs[0].text for s in assigns if id(s) not in in_events}
    declared = {v.name: v for v in m.variables.values()}
    declared |= {v.name: v for s in m.walk() for v in s.variables}
    flow = Flow(declared, m.functions, m)
    paths = frozenset([Path()])
    for block in m.analog:
        paths = flow.run(block, paths)
    for name, line in flow.early.items():
        written = name in anywhere or name in _outputs(m)
        if not written and declared[name].initial is None:
            yield line, "never-assigned", f"variable {name!r}", ""
        elif name in outside or (written and name not in anywhere):
            yield line, "hidden-state", f"variable {name!r} may be read here before it is written", ""
        elif written:
            yield line, "hidden-state", f"variable {name!r} is written only in events and read here", ""


def _outputs(m: Module) -> set[str]:
    """Variables written through output arguments of functions."""
    found: set[str] = set()
    for block in m.analog:
        for e in block.expressions():
            if e.kind == "call" and e.text in m.functions:
                pairs = zip(e.args, m.functions[e.text].arguments, strict=False)
                found |= {a.text for a, (_, direction) in pairs if direction != "input"}
    return found


def function_variables(m: Module) -> Iterator[Remark]:
    """The same within analog functions."""
    for f in m.functions.values():
        if f.body is None:
            continue
        inputs = {name for name, direction in f.arguments if direction != "output"}
        watched = {v.name for v in f.variables} - inputs
        flow = Flow(watched, m.functions, m)
        flow.run(f.body, frozenset([Path()]))
        for name, line in flow.early.items():
            yield line, "hidden-state", f"variable {name!r} of function {f.name!r} may be read before it is written", ""


def events(m: Module) -> Iterator[Remark]:
    """@(initial_step), @(cross) and their like."""
    read = {e.text for s in m.analog for e in _reads(s)}
    for s in (s for s in m.walk() if s.kind == "event"):
        kinds = set(s.text.split(" or "))
        if kinds & EVENTS:
            yield (
                s.line,
                "unsupported",
                f"@({s.text})",
                "test the voltage with an if, and let the state follow on a node",
            )
        assigned = [i.exprs[0].text for i in s.walk() if i.kind == "assign"]
        contributes = any(i.kind == "contribute" for i in s.walk())
        if kept := [name for name in assigned if name in read]:
            yield s.line, "event-assignment", f"@({s.text}) assigns {', '.join(dict.fromkeys(kept))}", ""
        elif contributes:
            yield s.line, "event-assignment", f"@({s.text}) contributes", ""
        elif kinds & STEPS:
            yield s.line, "event", f"@({s.text})", ""


def _reads(block: Stmt) -> Iterator[Expr]:
    """Names read: everything but the targets of assignments."""
    for s in block.walk():
        exprs = s.exprs[1:] if s.kind == "assign" else s.exprs
        for expr in (*exprs, *(e for label in s.labels for e in label or ())):
            yield from (e for e in expr.walk() if e.kind == "name")


def unsupported(m: Module) -> Iterator[Remark]:
    """Constructs that openvaf-r or the simulators refuse."""
    for line, what in m.other:
        yield line, "unsupported", what, _replacement(what)
    for v in (*m.variables.values(), *(v for s in m.walk() for v in s.variables)):
        if v.array:
            yield v.line, "unsupported", f"array {v.name!r}", "one scalar variable for each element"
        if v.type == "string":
            yield v.line, "unsupported", f"string variable {v.name!r}", "an integer"
    for s in m.walk():
        if s.kind == "indirect":
            yield s.line, "unsupported", "indirect contribution", "I(node) <+ equation, on an internal node"
    for e in _expressions(m):
        if e.kind == "call" and e.text in UNSUPPORTED:
            yield e.line, "unsupported", f"{e.text}()", UNSUPPORTED[e.text]
        elif e.kind == "call" and e.text.startswith(RANDOM):
            yield e.line, "unsupported", f"{e.text}()", "parameters drawn outside, or white_noise and flicker_noise"


def _replacement(what: str) -> str:
    if what.startswith("string"):
        return "an integer parameter as a switch"
    if what.startswith("array"):
        return "one scalar parameter for each element"
    if what.startswith("instance"):
        return "the equations of the part in this module, or a netlist of both"
    return "scalar nodes with names of their own"


def _expressions(m: Module) -> Iterator[Expr]:
    for block in m.analog:
        yield from block.expressions()
    for f in m.functions.values():
        if f.body is not None:
            yield from f.body.expressions()


def integrals(m: Module) -> Iterator[Remark]:
    """idt, and ddt or idt that a condition switches."""
    for e in _expressions(m):
        if e.kind == "call" and e.text in ("idt", "idtmod"):
            yield (
                e.line,
                "idt-initial" if len(e.args) > 1 else "idt",
                f"{e.text}({e.args[0] if e.args else ''}, ...)",
                "",
            )
    seen: set[int] = set()
    for s in (s for s in m.walk() if s.kind in ("if", "case", "for", "while", "repeat")):
        if not any(_varies(e, m) for e in s.exprs):
            continue
        for inner in s.body:
            for e in inner.expressions():
                if e.kind == "call" and e.text in ("ddt", "idt", "idtmod") and id(e) not in seen:
                    seen.add(id(e))
                    yield e.line, "branch-ddt", f"{e.text} under the condition of line {s.line}", ""


def _varies(condition: Expr, m: Module) -> bool:
    """Whether a condition is about more than parameters and numbers."""
    return any(
        e.kind in ("access", "call") or (e.kind == "name" and e.text not in m.parameters) for e in condition.walk()
    )


def analyses(m: Module) -> Iterator[Remark]:
    """States that depend on analysis()."""
    for e in _expressions(m):
        if e.kind == "call" and e.text == "analysis":
            kinds = {a.text.strip('"') for a in e.args}
            if kinds & {"ic", "static", "nodeset"}:
                yield e.line, "analysis-state", str(e), ""
            elif kinds & {"tran", "dc"}:
                yield e.line, "analysis", str(e), ""


def nodes(m: Module) -> Iterator[Remark]:
    """Internal nodes: unused, undriven, or states that an operating point leaves open."""
    accesses = {e for e in _expressions(m) if e.kind == "access"}
    used = {net for e in accesses for net in m.nodes(e)}
    targets = [s.exprs[0] for s in m.walk() if s.kind in ("contribute", "indirect")]
    driven = {net for access in targets for net in m.nodes(access)}
    in_branches = {net for nets in m.branches.values() for net in nets}
    for net, line in m.nets.items():
        if net in m.ports:
            continue
        if net not in used | in_branches:
            yield line, "unused-node", f"internal node {net!r}", ""
        elif net not in driven:
            yield line, "undriven-node", f"internal node {net!r}", ""
        elif (start := _unpinned(net, m)) is not None:
            yield start, "unpinned-state", f"the state on node {net!r}", ""


def _unpinned(net: str, m: Module) -> int | None:
    """Line of the ddt of a state on `net` whose equation neither tests $abstime nor conducts to anything."""
    own = [s for s in m.walk() if s.kind == "contribute" and net in m.nodes(s.exprs[0])]
    if any(s.exprs[0].text in ("V", "potential", "Temp") for s in own):
        return None
    behind = list(_behind([s.exprs[1] for s in own], m))
    states = [e for e in behind if e.kind == "call" and e.text == "ddt" and net in _nets(e, m)]
    timed = any(e.kind == "call" and e.text == "$abstime" for e in behind)
    if not states or timed or any(_conducts(s.exprs[1], net, m) for s in own):
        return None
    return states[0].line


def _behind(exprs: list[Expr], m: Module) -> Iterator[Expr]:
    """Expressions with those of the variables in them and of the conditions of their assignments, transitively."""
    assigned: dict[str, list[Expr]] = {}
    for s in m.walk():
        for inner in s.walk() if s.kind in ("if", "case") else (s,):
            if inner.kind == "assign":
                assigned.setdefault(inner.exprs[0].text, []).extend([*inner.exprs[1:], *s.exprs[:1]])
    todo, done = list(exprs), set[str]()
    while todo:
        for e in todo.pop().walk():
            yield e
            if e.kind == "name" and e.text not in done:
                done.add(e.text)
                todo += assigned.get(e.text, [])


def _nets(expr: Expr, m: Module) -> set[str]:
    return {net for e in _behind([expr], m) if e.kind == "access" for net in m.nodes(e)}


def _conducts(expr: Expr, net: str, m: Module) -> bool:
    """Whether a term of the sum is the node's own voltage times something."""
    if expr.kind == "binary" and expr.text in ("+", "-"):
        return any(_conducts(a, net, m) for a in expr.args)
    if expr.kind == "binary" and expr.text == "*":
        return any(_conducts(a, net, m) for a in expr.args)
    if expr.kind == "binary" and expr.text == "/":
        return _conducts(expr.args[0], net, m)
    if expr.kind == "unary":
        return _conducts(expr.args[0], net, m)
    return expr.kind == "access" and net in m.nodes(expr) and expr.text in ("V", "potential")


def ranges(m: Module) -> Iterator[Remark]:
    """Functions whose argument leaves their domain."""
    yield from ((line, rule, what, "") for line, rule, what in Ranges(m).run())


def module_name(m: Module) -> Iterator[Remark]:
    """Names that simulators take for themselves."""
    if m.name.lower() in BUILT_IN:
        yield m.line, "module-name", f"module {m.name!r}", ""


CHECKS: tuple[Callable[[Module], Iterator[Remark]], ...] = (
    hidden_state,
    function_variables,
    events,
    unsupported,
    integrals,
    analyses,
    nodes,
    ranges,
    module_name,
)
