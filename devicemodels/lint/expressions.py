"""Expressions of Verilog-A by precedence climbing over a stream of tokens."""

from devicemodels.lint.findings import ParseError
from devicemodels.lint.syntax import Expr
from devicemodels.lint.tokens import Token

LEVELS = ("||", "&&", "|", "^ ~^ ^~", "&", "== != === !==", "< > <= >=", "<< >> <<< >>>", "+ -", "* / %", "**")
PRECEDENCE = {op: level for level, ops in enumerate(LEVELS, 1) for op in ops.split()}
ACCESS = {
    "V",
    "I",
    "Temp",
    "Pwr",
    "Q",
    "Phi",
    "MMF",
    "Pos",
    "Vel",
    "Acc",
    "F",
    "Theta",
    "Omega",
    "Tau",
    "potential",
    "flow",
}
RESERVED = set(
    "module macromodule endmodule begin end if else case casex casez endcase default for while repeat forever analog "
    "function endfunction parameter localparam aliasparam real integer string genvar inout input output branch ground "
    "from exclude inf electrical generate endgenerate posedge negedge or and not edge slew transition discipline "
    "nature enddiscipline endnature wire reg logic initial always assign task endtask".split()
) - {"inf", "slew", "transition", "or", "and", "not"}
DEEPEST = 150
LONGEST = 400


class Stream:
    """Tokens with a position; `expect` and `fail` raise ParseError with the place."""

    def __init__(self, tokens: list[Token]):
        self.tokens, self.position, self.depth = tokens, 0, 0

    @property
    def now(self) -> Token:
        """The token to be read next."""
        return self.tokens[self.position]

    def ahead(self, count: int) -> Token:
        """The token `count` after the next one, or the last."""
        return self.tokens[min(self.position + count, len(self.tokens) - 1)]

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these."""
        return self.now.kind != "string" and self.now.text in texts and self.now.kind != "end"

    def take(self) -> Token:
        """The next token; the end stays."""
        token = self.now
        if token.kind != "end":
            self.position += 1
        return token

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these."""
        return self.take() if self.at(*texts) else None

    def expect(self, text: str, where: str = "") -> Token:
        """Take this token; ParseError otherwise."""
        if not self.at(text):
            raise self.fail(f"expected {text!r}{' ' + where if where else ''}")
        return self.take()

    def name(self, what: str) -> Token:
        """Take an identifier; ParseError for anything else, reserved words among them."""
        if self.now.kind != "id":
            raise self.fail(f"expected {what}")
        if self.now.text in RESERVED or self.now.text in ("slew", "transition"):
            raise self.fail(f"expected {what}, and {self.now.text!r} is a reserved word (rename it)")
        return self.take()

    def fail(self, message: str) -> ParseError:
        """The error at the next token."""
        found = "the end of the file" if self.now.kind == "end" else repr(self.now.text[:40])
        return ParseError(self.now.file, self.now.line, f"{message}, found {found}")


def expression(s: Stream, level: int = 0) -> Expr:
    """A whole expression with the conditional operator (level 0), or one of operators above `level`."""
    s.depth += 1
    if s.depth > DEEPEST:
        raise s.fail(f"the expression is nested more than {DEEPEST} deep; split it")
    left = _unary(s)
    count = 0
    while s.now.kind == "op" and PRECEDENCE.get(s.now.text, 0) > level:
        count += 1
        if count > LONGEST:
            raise s.fail(f"the expression has more than {LONGEST} terms; split it")
        op = s.take()
        left = Expr("binary", op.text, op.line, (left, expression(s, PRECEDENCE[op.text])))
    if level == 0 and (mark := s.accept("?")):
        yes = expression(s)
        s.expect(":", "of the conditional operator")
        left = Expr("choice", "?", mark.line, (left, yes, expression(s)))
    s.depth -= 1
    return left


def _unary(s: Stream) -> Expr:
    signs: list[Token] = []
    while s.now.kind == "op" and s.now.text in ("+", "-", "!", "~", "&", "|", "^"):
        signs.append(s.take())
        if len(signs) > DEEPEST:
            raise s.fail("too many signs in a row")
    inner = _primary(s)
    for sign in reversed(signs):
        inner = Expr("unary", sign.text, sign.line, (inner,))
    return inner


def _primary(s: Stream) -> Expr:
    token = s.now
    if token.kind in ("number", "string"):
        return Expr(token.kind, s.take().text, token.line)
    if s.accept("("):
        inner = expression(s)
        s.expect(")", "after the expression")
        return inner
    if s.accept("{", "'{"):
        items = list_of(s, "}")
        return Expr("list", "{", token.line, items)
    if token.kind == "system":
        s.take()
        args = list_of(s, ")") if s.accept("(") else ()
        return Expr("call", token.text, token.line, args)
    if token.kind == "id" and token.text not in RESERVED:
        return _named(s)
    hint = f" ({token.text!r} is a reserved word)" if token.text in RESERVED else ""
    raise s.fail(f"expected a number, a name or '('{hint}")


def _named(s: Stream) -> Expr:
    token = s.take()
    name = token.text
    while s.at(".") and s.ahead(1).kind == "id":
        s.take()
        name += "." + s.take().text
    if s.accept("("):
        kind = "access" if name in ACCESS else "call"
        return Expr(kind, name, token.line, list_of(s, ")"))
    if name in ("slew", "transition"):
        raise s.fail(f"{name!r} is a reserved word and needs arguments (rename the variable)")
    expr = Expr("name", name, token.line)
    while s.accept("["):
        expr = Expr("index", name, token.line, (expr, expression(s)))
        if s.accept(":"):
            expression(s)
        s.expect("]", "after the index")
    return expr


def list_of(s: Stream, close: str) -> tuple[Expr, ...]:
    """Expressions separated by commas up to `close`, which is taken; empty places are left out."""
    items: list[Expr] = []
    while not s.accept(close):
        if s.at(","):
            s.take()
        elif s.at("<") and s.ahead(2).text == ">":
            s.take()
            port = s.name("a port")
            s.expect(">")
            items.append(Expr("port", port.text, port.line))
        else:
            items.append(expression(s))
            if not s.at(close, ","):
                raise s.fail(f"expected ',' or {close!r}")
    return tuple(items)
