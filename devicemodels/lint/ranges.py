"""Arguments of exp, ln, sqrt, pow and divisors that follow the voltages without a limit.

An argument passes if its interval is in the domain, if it depends on parameters alone, or if it stands in a branch of
an `if` or `?:` whose condition is about the same quantity.
"""

import math
from collections.abc import Iterator

from devicemodels.lint import intervals
from devicemodels.lint.intervals import ANY, LARGE, Interval
from devicemodels.lint.syntax import Expr, Module, Stmt
from devicemodels.lint.tokens import number

Bounds = dict[str, Interval]
Remark = tuple[int, str, str]


class Ranges:
    """Walks a module with the interval of every variable; `remarks` are (line, rule, argument)."""

    def __init__(self, module: Module):
        self.module = module
        self.remarks: list[Remark] = []
        self.sources: dict[str, frozenset[str]] = {}
        """What each variable depends on: voltages by their text, and variables."""
        self.guards: list[frozenset[str]] = []

    def run(self) -> list[Remark]:
        """The remarks on all analog blocks."""
        bounds: Bounds = {v: ANY for v in self.module.variables}
        for block in self.module.analog:
            bounds = self.statement(block, bounds)
        return self.remarks

    def depends(self, expr: Expr) -> frozenset[str]:
        """Variables and voltages behind an expression; empty if it is made of parameters and numbers."""
        found: set[str] = set()
        for e in expr.walk():
            if e.kind == "access" or (e.kind == "call" and e.text == "$abstime"):
                found.add(str(e))
            elif e.kind == "name" and e.text in self.sources:
                found |= {e.text} | self.sources[e.text] if self.sources[e.text] else set()
        return frozenset(found)

    def statement(self, stmt: Stmt, bounds: Bounds) -> Bounds:
        """The bounds after a statement."""
        match stmt.kind:
            case "block":
                for inner in stmt.body:
                    bounds = self.statement(inner, bounds)
            case "assign" if stmt.exprs[0].kind == "name":
                name = stmt.exprs[0].text
                value = self.value(stmt.exprs[1], bounds)
                # Depending on a condition is depending on what the condition is about.
                self.sources[name] = self.sources.get(name, frozenset()) | self.depends(stmt.exprs[1])
                return bounds | {name: value}
            case "if":
                self.value(stmt.exprs[0], bounds)
                arms = (stmt.body[0], stmt.body[1] if len(stmt.body) > 1 else None)
                return self.arms(stmt.exprs[0], arms, bounds)
            case "case":
                self.value(stmt.exprs[0], bounds)
                return self.arms(stmt.exprs[0], (*stmt.body, None), bounds)
            case "for" | "while" | "repeat":
                written = {s.exprs[0].text for s in stmt.walk() if s.kind == "assign"}
                loose = bounds | dict.fromkeys(written, ANY)
                self.arms(stmt.exprs[0], stmt.body, loose)
                return loose
            case _:
                for expr in stmt.exprs:
                    self.value(expr, bounds)
                for inner in stmt.body:
                    bounds = _join(bounds, self.statement(inner, bounds))
        return bounds

    def arms(self, condition: Expr, arms: tuple[Stmt | None, ...], bounds: Bounds) -> Bounds:
        """Each of the alternatives under the guard of the condition, joined."""
        self.guards.append(self.depends(condition))
        ends = [bounds if arm is None else self.statement(arm, bounds) for arm in arms]
        self.guards.pop()
        out = ends[0]
        for end in ends[1:]:
            out = _join(out, end)
        return out

    def value(self, expr: Expr, bounds: Bounds) -> Interval:
        """The interval of an expression; remarks on the arguments in it."""
        found = self.inner(expr, bounds)
        if found.wild and not found.exact and not self.depends(expr):
            return Interval(max(found.low, -LARGE), min(found.high, LARGE), False)
        return found

    def inner(self, expr: Expr, bounds: Bounds) -> Interval:
        """As `value`, before what parameters alone decide is made finite."""
        if expr.kind == "choice":
            self.value(expr.args[0], bounds)
            self.guards.append(self.depends(expr.args[0]))
            ends = [self.arm(expr.args[0], e, i == 0, bounds) for i, e in enumerate(expr.args[1:])]
            self.guards.pop()
            return ends[0].join(ends[1])
        args = [self.value(a, bounds) for a in expr.args if a.kind != "port"]
        match expr.kind:
            case "number":
                value = number(expr.text)
                return Interval(value, value)
            case "name":
                return bounds.get(expr.text) or self.parameter(expr.text)
            case "unary":
                return (
                    intervals.negate(args[0]) if expr.text == "-" else args[0] if expr.text == "+" else Interval(0, 1)
                )
            case "binary":
                return self.binary(expr, args)
            case "call":
                self.check(expr, args)
                return intervals.call(expr.text, args)
        return ANY

    def arm(self, condition: Expr, expr: Expr, truth: bool, bounds: Bounds) -> Interval:
        """One arm of `?:`, with the bound that a comparison `name > value` puts on its name: the usual clamp."""
        if condition.kind == "binary" and condition.text in ("<", "<=", ">", ">=") and condition.args[0] == expr:
            own, limit = self.value(expr, bounds), self.value(condition.args[1], bounds)
            below = (condition.text[0] == "<") == truth
            exact = own.exact and limit.exact
            return (
                Interval(own.low, min(own.high, limit.high), exact)
                if below
                else Interval(max(own.low, limit.low), own.high, exact)
            )
        if condition.kind == "binary" and condition.text in ("<", "<=", ">", ">=") and condition.args[0].kind == "name":
            name = condition.args[0].text
            inner = self.arm(condition, condition.args[0], truth, bounds)
            return self.value(expr, bounds | {name: inner} if name in bounds else bounds)
        return self.value(expr, bounds)

    def parameter(self, name: str) -> Interval:
        """The range of a parameter, its infinite ends taken as LARGE."""
        p = self.module.parameters.get(name)
        if p is None:
            return ANY
        return Interval(max(p.low, -LARGE) + (1 / LARGE if p.low_open and p.low == 0 else 0), min(p.high, LARGE), False)

    def binary(self, expr: Expr, args: list[Interval]) -> Interval:
        """The interval of an operator."""
        a, b = args
        match expr.text:
            case "+":
                return intervals.add(a, b)
            case "-":
                return intervals.add(a, intervals.negate(b))
            case "*" if str(expr.args[0]) == str(expr.args[1]):
                return Interval(0.0, intervals.multiply(intervals.absolute(a), intervals.absolute(a)).high, a.exact)
            case "*":
                return intervals.multiply(a, b)
            case "/":
                if b.low <= 0 <= b.high:
                    self.remark("unclamped-division", expr.args[1], b, f"division by {expr.args[1]}")
                return intervals.divide(a, b)
            case "**":
                self.power(expr, a, expr.args[1])
                return intervals.call("pow", args)
            case "%" | "&" | "|" | "^" | "<<" | ">>":
                return ANY
        return Interval(0, 1)

    def check(self, expr: Expr, args: list[Interval]) -> None:
        """A call of a function with a domain."""
        if not args:
            return
        what = f"{expr.text}({expr.args[0]})"
        if expr.text in ("exp", "sinh", "cosh"):
            size = args[0] if expr.text == "exp" else intervals.absolute(args[0])
            if math.isinf(size.high) or (size.exact and size.high > 709):
                self.remark("unclamped-exp", expr.args[0], args[0], what, wild=True)
        elif expr.text in ("ln", "log") and args[0].low <= 0:
            self.remark("unclamped-log", expr.args[0], args[0], what)
        elif expr.text == "sqrt" and args[0].low < 0:
            self.remark("unclamped-sqrt", expr.args[0], args[0], what)
        elif expr.text == "pow" and len(args) == 2:
            self.power(expr, args[0], expr.args[1])

    def power(self, expr: Expr, base: Interval, exponent: Expr) -> None:
        """A power: any base may have a literal whole exponent, others must not be negative."""
        whole = exponent.kind == "number" and number(exponent.text).is_integer()
        if base.low < 0 and not whole:
            self.remark("unclamped-pow", expr.args[0], base, f"power of {expr.args[0]}")

    def remark(self, rule: str, argument: Expr, value: Interval, what: str, wild: bool = False) -> None:
        """Note it, unless the argument is bounded by parameters, constant, or guarded."""
        depends = self.depends(argument)
        guarded = any(depends & guard for guard in self.guards)
        if depends and not guarded and (wild or value.wild or value.exact):
            self.remarks.append((argument.line, rule, what))


def _join(a: Bounds, b: Bounds) -> Bounds:
    return {k: a.get(k, ANY).join(b.get(k, ANY)) for k in _keys(a, b)}


def _keys(a: Bounds, b: Bounds) -> Iterator[str]:
    yield from a
    yield from (k for k in b if k not in a)
