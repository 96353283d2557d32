"""Statements of the analog block."""

from devicemodels.lint.expressions import ACCESS, DEEPEST, RESERVED, Stream, expression, list_of
from devicemodels.lint.findings import ParseError
from devicemodels.lint.syntax import Expr, Parameter, Stmt, Variable
from devicemodels.lint.tokens import number

DIGITAL = ("always", "fork", "wait", "forever", "disable", "task", "posedge", "negedge", "force", "release", "assign")


def attributes(s: Stream) -> None:
    """Skip `(* ... *)`."""
    while start := s.accept("(*"):
        while not s.accept("*)"):
            if s.take().kind == "end":
                raise ParseError(start.file, start.line, "the attribute that starts here has no end; close it with *)")


def variables(s: Stream) -> list[Variable]:
    """The names after `real`, `integer` or `string`, up to the semicolon."""
    kind = s.take().text
    found: list[Variable] = []
    while True:
        name = s.name("the name of a variable")
        array = _dimensions(s)
        initial = expression(s) if s.accept("=") else None
        found.append(Variable(name.text, kind, name.line, initial, array))
        if not s.accept(","):
            break
    s.expect(";", f"after the declaration of {found[-1].name!r}")
    return found


def _dimensions(s: Stream) -> bool:
    array = False
    while s.accept("["):
        expression(s)
        if s.accept(":"):
            expression(s)
        s.expect("]", "after the range")
        array = True
    return array


def parameters(s: Stream) -> list[Parameter]:
    """The names after `parameter` or `localparam`, up to the semicolon."""
    s.take()
    kind = s.take().text if s.at("real", "integer", "string") else "real"
    leading = _dimensions(s)
    found: list[Parameter] = []
    while True:
        name = s.name("the name of a parameter")
        array = _dimensions(s) or leading
        s.expect("=", f"and a default for parameter {name.text!r}")
        default = expression(s)
        low, high = _ranges(s)
        found.append(Parameter(name.text, kind, name.line, default, low[0], high[0], low[1], high[1], array))
        if not s.accept(","):
            break
    s.expect(";", f"after parameter {found[-1].name!r}")
    return found


def _ranges(s: Stream) -> tuple[tuple[float, bool], tuple[float, bool]]:
    low, high = (float("-inf"), True), (float("inf"), True)
    while word := s.accept("from", "exclude"):
        if not s.at("(", "["):
            expression(s)
            continue
        start, first = s.take().text, expression(s)
        if s.accept(":"):
            last, end = expression(s), s.take().text
            if end not in (")", "]"):
                raise s.fail("expected ')' or ']' after the range")
            if word.text == "from":
                low, high = (_literal(first, low[0]), start == "("), (_literal(last, high[0]), end == ")")
        else:
            s.expect(")", "after the excluded value")
    return low, high


def _literal(expr: Expr, otherwise: float) -> float:
    if expr.kind == "unary" and expr.text == "-":
        return -_literal(expr.args[0], -otherwise)
    if expr.kind == "name" and expr.text == "inf":
        return float("inf")
    return number(expr.text) if expr.kind == "number" else otherwise


def statement(s: Stream) -> Stmt:
    """One statement; raises ParseError."""
    s.depth += 1
    if s.depth > DEEPEST:
        raise s.fail(f"statements are nested more than {DEEPEST} deep; split them")
    attributes(s)
    token = s.now
    if token.kind == "id" and token.text in KEYWORDS:
        found = KEYWORDS[token.text](s)
    elif token.text in DIGITAL and token.kind == "id":
        raise s.fail("this is digital Verilog, which no analog simulator runs; remove it")
    elif s.accept(";"):
        found = Stmt("empty", token.line)
    elif s.at("@"):
        found = _event(s)
    else:
        found = _simple(s)
        s.expect(";", "after the statement")
    s.depth -= 1
    return found


def _simple(s: Stream) -> Stmt:
    """An assignment, a contribution or a call, without its semicolon."""
    token = s.now
    if token.kind not in ("id", "system") or token.text in RESERVED:
        raise s.fail("expected a statement")
    target = expression(s, 11)
    if s.accept("<+"):
        if target.kind != "access":
            known = ", ".join(sorted(ACCESS))
            raise ParseError(token.file, token.line, f"<+ needs an access like I(a, b) before it (one of {known})")
        return Stmt("contribute", token.line, exprs=(target, expression(s)))
    if s.accept("="):
        if target.kind not in ("name", "index"):
            raise ParseError(token.file, token.line, f"cannot assign to {target}; assign to a variable")
        return Stmt("assign", token.line, exprs=(target, expression(s)))
    if s.accept(":"):
        left = expression(s)
        return Stmt("indirect", token.line, exprs=(target, left))
    if target.kind in ("call", "access") or token.kind == "system":
        return Stmt("call", token.line, exprs=(target,))
    raise s.fail(f"expected '=' or '<+' after {str(target)[:40]!r}")


def _block(s: Stream) -> Stmt:
    start = s.take()
    label = s.name("the name of the block").text if s.accept(":") else ""
    declared: list[Variable] = []
    body: list[Stmt] = []
    while not s.at("end"):
        if s.now.kind == "end":
            raise ParseError(start.file, start.line, "the begin here has no end; add it")
        attributes(s)
        if s.at("real", "integer", "string"):
            declared += variables(s)
        elif s.at("parameter", "localparam"):
            parameters(s)
        else:
            body.append(statement(s))
    s.take()
    return Stmt("block", start.line, label, body=tuple(body), variables=tuple(declared))


def _if(s: Stream) -> Stmt:
    start = s.take()
    s.expect("(", "after if")
    condition = expression(s)
    s.expect(")", "after the condition")
    body = [statement(s)]
    attributes(s)
    if s.accept("else"):
        body.append(statement(s))
    return Stmt("if", start.line, exprs=(condition,), body=tuple(body))


def _case(s: Stream) -> Stmt:
    start = s.take()
    s.expect("(", "after case")
    subject = expression(s)
    s.expect(")", "after the subject of case")
    labels: list[tuple[Expr, ...] | None] = []
    body: list[Stmt] = []
    while not s.accept("endcase"):
        if s.now.kind == "end":
            raise ParseError(start.file, start.line, "the case here has no endcase; add it")
        if s.accept("default"):
            labels.append(None)
            s.accept(":")
        else:
            items = [expression(s)]
            while s.accept(","):
                items.append(expression(s))
            s.expect(":", "after the labels of case")
            labels.append(tuple(items))
        body.append(statement(s))
    return Stmt("case", start.line, exprs=(subject,), body=tuple(body), labels=tuple(labels))


def _for(s: Stream) -> Stmt:
    start = s.take()
    s.expect("(", "after for")
    first = _simple(s)
    s.expect(";", "after the start of for")
    condition = expression(s)
    s.expect(";", "after the condition of for")
    step = _simple(s)
    s.expect(")", "after the step of for")
    return Stmt("for", start.line, exprs=(condition,), body=(first, step, statement(s)))


def _loop(s: Stream) -> Stmt:
    start = s.take()
    s.expect("(", f"after {start.text}")
    condition = expression(s)
    s.expect(")", "after the condition")
    return Stmt(start.text, start.line, exprs=(condition,), body=(statement(s),))


def _event(s: Stream) -> Stmt:
    start = s.take()
    names: list[str] = []
    exprs: list[Expr] = []
    if s.accept("("):
        while not s.accept(")"):
            if s.accept("or", ","):
                continue
            name = s.now
            if name.kind != "id":
                raise s.fail("expected the name of an event")
            s.take()
            names.append(name.text)
            if s.accept("("):
                exprs += list_of(s, ")")
    else:
        names.append(s.name("the name of an event").text)
    return Stmt("event", start.line, " or ".join(names), tuple(exprs), (statement(s),))


KEYWORDS = {
    "begin": _block,
    "if": _if,
    "case": _case,
    "casex": _case,
    "casez": _case,
    "for": _for,
    "while": _loop,
    "repeat": _loop,
}
