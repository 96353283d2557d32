"""Which variables may be read before they are written in one evaluation of the analog block.

A path is the set of conditions known to hold and the set of variables written on the way. Conditions are compared by
their text: `if (a) x = 1; ... if (a) y = x;` is in order, as is a case over every value of an integer parameter. More
than MOST paths are merged into one that knows only what all have written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from devicemodels.lint.syntax import Expr, Function, Module, Stmt
from devicemodels.lint.tokens import number

MOST = 128


@dataclass(frozen=True)
class Path:
    """What is known on one way through the block: facts (text, truth, names in it) and the variables written."""

    facts: frozenset[tuple[str, bool, frozenset[str]]] = frozenset()
    written: frozenset[str] = frozenset()

    def write(self, name: str) -> "Path":
        """After an assignment: what was known about the old value is forgotten."""
        return Path(frozenset(f for f in self.facts if name not in f[2]), self.written | {name})


Paths = frozenset[Path]


def names(expr: Expr) -> frozenset[str]:
    """Every name read in an expression."""
    return frozenset(e.text for e in expr.walk() if e.kind == "name")


class Flow:
    """Walks statements and collects in `early` the first line where each watched variable may be read unwritten."""

    def __init__(self, watched: Iterable[str], functions: dict[str, Function], module: Module):
        self.watched, self.functions, self.module = set(watched), functions, module
        self.early: dict[str, int] = {}

    def read(self, expr: Expr, paths: Paths) -> Paths:
        """Read an expression: its names, then what functions write through output arguments."""
        outputs: list[str] = []
        for e in expr.walk():
            if e.kind == "call" and e.text in self.functions:
                directions = [d for _, d in self.functions[e.text].arguments]
                outputs += [
                    a.text for a, d in zip(e.args, directions, strict=False) if d == "output" and a.kind == "name"
                ]
        for e in expr.walk():
            if e.kind == "name" and e.text in self.watched and e.text not in outputs:
                if any(e.text not in p.written for p in paths):
                    self.early.setdefault(e.text, e.line)
        for name in outputs:
            paths = frozenset(p.write(name) for p in paths)
        return paths

    def run(self, stmt: Stmt, paths: Paths) -> Paths:
        """The paths after a statement."""
        if not paths:
            return paths
        return _few(_step(self, stmt, paths))

    def block(self, stmt: Stmt, paths: Paths) -> Paths:
        for variable in stmt.variables:
            if variable.initial is not None:
                paths = self.read(variable.initial, paths)
        for inner in stmt.body:
            paths = self.run(inner, paths)
        return paths

    def assign(self, stmt: Stmt, paths: Paths) -> Paths:
        target, value = stmt.exprs
        paths = self.read(value, paths)
        if target.kind == "index":
            paths = self.read(target.args[1], paths)
        return frozenset(p.write(target.text) for p in paths)

    def evaluate(self, stmt: Stmt, paths: Paths) -> Paths:
        for expr in stmt.exprs:
            paths = self.read(expr, paths)
        return paths

    def branch(self, stmt: Stmt, paths: Paths) -> Paths:
        paths = self.read(stmt.exprs[0], paths)
        yes = self.run(stmt.body[0], self.assume(stmt.exprs[0], True, paths))
        no = self.assume(stmt.exprs[0], False, paths)
        return yes | (self.run(stmt.body[1], no) if len(stmt.body) > 1 else no)

    def case(self, stmt: Stmt, paths: Paths) -> Paths:
        subject = stmt.exprs[0]
        rest, out = self.read(subject, paths), frozenset()
        for labels, body in zip(stmt.labels, stmt.body, strict=True):
            for label in labels or ():
                same = Expr("binary", "==", stmt.line, (subject, label))
                out |= self.run(body, self.assume(same, True, self.read(label, rest)))
                rest = self.assume(same, False, rest)
        for labels, body in zip(stmt.labels, stmt.body, strict=True):
            if labels is None:
                return out | self.run(body, rest)
        return out | rest

    def loop(self, stmt: Stmt, paths: Paths) -> Paths:
        """`for`, `while`, `repeat`: what is read in the first round must have been written before."""
        if stmt.kind == "for":
            paths = self.run(stmt.body[0], paths)
        paths = self.read(stmt.exprs[0], paths)
        after = self.run(stmt.body[-1], paths)
        if stmt.kind == "for":
            after = self.run(stmt.body[1], after)
        after = self.read(stmt.exprs[0], after)
        return frozenset(Path(frozenset(), p.written) for p in after | (frozenset() if _enters(stmt) else paths))

    def event(self, stmt: Stmt, paths: Paths) -> Paths:
        return paths | self.run(stmt.body[0], self.evaluate(stmt, paths))

    def assume(self, condition: Expr, truth: bool, paths: Paths) -> Paths:
        """The paths on which the condition has this truth, as far as known facts tell."""
        facts = list(_facts(condition, truth))
        kept: set[Path] = set()
        for path in paths:
            known = {text: value for text, value, _ in path.facts}
            if any(known.get(text, value) != value for text, value, _ in facts) or self._exhausted(path, facts):
                continue
            kept.add(Path(path.facts | frozenset(facts), path.written))
        return frozenset(kept)

    def _exhausted(self, path: Path, facts: list[tuple[str, bool, frozenset[str]]]) -> bool:
        """Whether an integer parameter of closed range would differ from each of its values."""
        for _, _, owners in facts:
            for name in owners:
                p = self.module.parameters.get(name)
                if p is None or p.type != "integer" or not p.high - p.low < 32:
                    continue
                no = {text for text, value, _ in (*path.facts, *facts) if not value}
                values = range(int(p.low) + p.low_open, int(p.high) + 1 - p.high_open)
                if all(f"({name} == {value})" in no for value in values):
                    return True
        return False


def _step(flow: Flow, stmt: Stmt, paths: Paths) -> Paths:
    """The method of `flow` for this kind of statement."""
    match stmt.kind:
        case "block":
            return flow.block(stmt, paths)
        case "assign":
            return flow.assign(stmt, paths)
        case "if":
            return flow.branch(stmt, paths)
        case "case":
            return flow.case(stmt, paths)
        case "for" | "while" | "repeat":
            return flow.loop(stmt, paths)
        case "event":
            return flow.event(stmt, paths)
    return flow.evaluate(stmt, paths)


def _few(paths: Paths) -> Paths:
    if len(paths) <= MOST:
        return paths
    common = frozenset.intersection(*(p.written for p in paths))
    return frozenset([Path(frozenset(), common)])


def _facts(condition: Expr, truth: bool) -> Iterator[tuple[str, bool, frozenset[str]]]:
    """The condition as facts in one form: `b > a` for `a < b`, not `b > a` for `a >= b`, parts of && and ||."""
    if condition.kind == "unary" and condition.text == "!":
        yield from _facts(condition.args[0], not truth)
    elif condition.kind == "binary" and condition.text in ("&&", "||"):
        yield str(condition), truth, names(condition)
        for part in condition.args if truth == (condition.text == "&&") else ():
            yield from _facts(part, truth)
    elif condition.kind == "binary" and condition.text in ("<", ">=", "<=", ">", "==", "!="):
        a, b = str(condition.args[0]), str(condition.args[1])
        text = {"<": f"({b} > {a})", ">": f"({a} > {b})", "<=": f"({a} > {b})", ">=": f"({b} > {a})"}
        flips = condition.text in ("<=", ">=", "!=")
        yield text.get(condition.text, f"({a} == {b})"), truth != flips, names(condition)
    else:
        yield str(condition), truth, names(condition)


def _enters(stmt: Stmt) -> bool:
    """Whether a loop runs at least once, for literal bounds."""
    if stmt.kind == "repeat":
        return stmt.exprs[0].kind == "number" and number(stmt.exprs[0].text) >= 1
    condition = stmt.exprs[0]
    if stmt.kind != "for" or stmt.body[0].kind != "assign" or condition.kind != "binary":
        return False
    (target, first), (left, last) = stmt.body[0].exprs, condition.args
    if first.kind != "number" or last.kind != "number" or left.text != target.text:
        return False
    a, b = number(first.text), number(last.text)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "!=": a != b}.get(condition.text, False)
