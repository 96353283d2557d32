"""The tree that the parser builds: expressions, statements, modules."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Expr:
    """An expression. kind: number, string, name, call, access, port, index, unary, binary, choice, list.

    `text` is the name, the operator or the literal; an access is V(a, b) or I(a, b) of nets or branches.
    """

    kind: str
    text: str
    line: int
    args: tuple["Expr", ...] = ()

    def walk(self) -> Iterator["Expr"]:
        """Itself and every expression inside."""
        stack: list[Expr] = [self]
        while stack:
            expr = stack.pop()
            yield expr
            stack += reversed(expr.args)

    def __str__(self) -> str:
        inner = [str(a) for a in self.args]
        match self.kind:
            case "unary":
                return f"{self.text}{inner[0]}"
            case "binary":
                return f"({inner[0]} {self.text} {inner[1]})"
            case "choice":
                return f"({inner[0]} ? {inner[1]} : {inner[2]})"
            case "call" | "access":
                return f"{self.text}({', '.join(inner)})"
            case "index":
                return f"{inner[0]}[{inner[1]}]"
            case "port":
                return f"<{self.text}>"
            case "list":
                return "{" + ", ".join(inner) + "}"
        return self.text


@dataclass(frozen=True)
class Variable:
    """A declared variable; `initial` is its initialiser."""

    name: str
    type: str
    line: int
    initial: Expr | None = None
    array: bool = False


@dataclass(frozen=True)
class Parameter:
    """A declared parameter; `low` and `high` bound it where both its `from` range and the bound are literal."""

    name: str
    type: str
    line: int
    default: Expr
    low: float = float("-inf")
    high: float = float("inf")
    low_open: bool = False
    high_open: bool = False
    array: bool = False


@dataclass(frozen=True)
class Stmt:
    """A statement.

    kind: block, assign, contribute, indirect, if, case, for, while, repeat, event, call, empty. `exprs` and `body` hold
    what the kind has: assign target and value; contribute access and value; if condition and one or two bodies; case
    subject and bodies with `labels` (None is default); for condition and init, step, body; event with `text` and body.
    """

    kind: str
    line: int
    text: str = ""
    exprs: tuple[Expr, ...] = ()
    body: tuple["Stmt", ...] = ()
    labels: tuple[tuple[Expr, ...] | None, ...] = ()
    variables: tuple[Variable, ...] = ()

    def walk(self) -> Iterator["Stmt"]:
        """Itself and every statement inside, in the order of the text."""
        stack: list[Stmt] = [self]
        while stack:
            stmt = stack.pop()
            yield stmt
            stack += reversed(stmt.body)

    def expressions(self) -> Iterator[Expr]:
        """Every expression inside, with those of the statements inside."""
        for stmt in self.walk():
            for expr in (*stmt.exprs, *(e for label in stmt.labels for e in label or ())):
                yield from expr.walk()
            for variable in stmt.variables:
                if variable.initial is not None:
                    yield from variable.initial.walk()


@dataclass
class Function:
    """An analog function: arguments with their directions, local variables, body."""

    name: str
    line: int
    arguments: list[tuple[str, str]] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    body: Stmt | None = None


@dataclass
class Module:
    """One module; `other` holds constructs that are parsed only to be refused: (line, what)."""

    name: str
    line: int
    file: str
    ports: list[str] = field(default_factory=list)
    nets: dict[str, int] = field(default_factory=dict)
    branches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    analog: list[Stmt] = field(default_factory=list)
    other: list[tuple[int, str]] = field(default_factory=list)

    def walk(self) -> Iterator[Stmt]:
        """Every statement of the analog blocks."""
        for block in self.analog:
            yield from block.walk()

    def nodes(self, access: Expr) -> tuple[str, ...]:
        """The nets that an access V(a), V(a, b) or V(branch) is about."""
        names = [a.text for a in access.args if a.kind in ("name", "port")]
        return tuple(net for name in names for net in self.branches.get(name, (name,)))
