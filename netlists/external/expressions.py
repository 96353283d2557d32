"""LTspice's expressions in the words of ngspice.

uplim and dnlim bend quadratically over ±z about the limit, as in ngspice's own LTspice mode; `table` holds its ends.
"""

import re
from collections.abc import Callable, Collection

from netlists.external.statements import Statement

KEPT = frozenset(
    "abs acos acosh asin asinh atan atanh ceil cos cosh ddt exp floor i ln log log10 max min pow pwl sgn sin sinh sqrt"
    " tan tanh time u uramp v".split()
)
"""Functions that mean the same in both."""

RENAMED = {"arccos": "acos", "arcsin": "asin", "arctan": "atan", "stp": "u"}

REPLACED: dict[str, tuple[int, Callable[..., str]]] = {
    "if": (3, lambda c, a, b: f"(({c}) ? ({a}) : ({b}))"),
    "limit": (3, lambda x, a, b: f"max(min({a},{b}),min(max({a},{b}),{x}))"),
    "buf": (1, lambda x: f"(({x}) > 0.5 ? 1 : 0)"),
    "inv": (1, lambda x: f"(({x}) > 0.5 ? 0 : 1)"),
    "square": (1, lambda x: f"(({x})*({x}))"),
    "hypot": (2, lambda x, y: f"sqrt(({x})*({x})+({y})*({y}))"),
    "pwr": (2, lambda x, y: f"(abs({x})**({y}))"),
    "pwrs": (2, lambda x, y: f"(sgn({x})*abs({x})**({y}))"),
    "int": (1, lambda x: f"(sgn({x})*floor(abs({x})))"),
    "round": (1, lambda x: f"floor(({x})+0.5)"),
    "uplim": (3, lambda x, y, z: _soft(f"({x})", f"({y})", f"({z})")),
    "dnlim": (3, lambda x, y, z: f"(-({_soft(f'(-({x}))', f'(-({y}))', f'({z})')}))"),
}
"""Functions with their number of arguments and what they become."""

TABLES = ("table", "tbl")
CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")


def _soft(x: str, top: str, z: str) -> str:
    """x below top - z, top above top + z, a parabola between."""
    inside = f"min(max(0,{x}-{top}+{z}),2*{z})"
    return f"(min({x},{top}-{z})+{z}*(1-(1-{inside}/(2*{z}))*(1-{inside}/(2*{z}))))"


def translate(text: str, where: Statement, own: Collection[str] = ()) -> str:
    """The expression for ngspice; `own` are the names of the user's functions. Raises ExternalError with the line."""
    if "^" in text:
        raise where.error("^ is the exclusive or of LTspice, which ngspice has not; for a power write **")
    if "~" in text:
        raise where.error("~ cannot be translated; write 1-x or inv(x)")
    text = re.sub(r"(?<!&)&(?!&)", "&&", text)
    text = re.sub(r"(?<!\|)\|(?!\|)", "||", text)
    return _calls(text, where, frozenset(name.lower() for name in own))


def braced(text: str, where: Statement, own: Collection[str] = ()) -> str:
    """A line whose expressions stand in braces: only those are translated."""
    return re.sub(r"\{([^{}]*)\}", lambda m: "{" + translate(m[1], where, own) + "}", text)


def _calls(text: str, where: Statement, own: frozenset[str]) -> str:
    found = CALL.search(text)
    if not found:
        return text
    end = _closing(text, found.end() - 1, where)
    name = found[1].lower()
    arguments = [_calls(a.strip(), where, own) for a in split(text[found.end() : end])]
    return text[: found.start()] + _call(name, arguments, where, own) + _calls(text[end + 1 :], where, own)


def _call(name: str, arguments: list[str], where: Statement, own: frozenset[str]) -> str:
    if name in own:
        return f"{name}({','.join(arguments)})"
    if name == "i" and not arguments[0].lower().startswith("v"):
        raise where.error(
            f"i({arguments[0]}): ngspice knows only currents of voltage sources; put one of 0 V in series"
        )
    if name in TABLES:
        return _table(arguments, where)
    if name in REPLACED:
        count, write = REPLACED[name]
        if len(arguments) != count:
            raise where.error(f"{name} takes {count} arguments, got {len(arguments)}")
        return write(*arguments)
    name = RENAMED.get(name, name)
    if name not in KEPT:
        raise where.error(f"the LTspice function {name}() cannot be translated")
    return f"{name}({','.join(arguments)})"


def _table(arguments: list[str], where: Statement) -> str:
    x, *points = arguments
    if len(points) < 4 or len(points) % 2:
        raise where.error("a table takes x and at least two pairs of numbers")
    return f"pwl(min(max({x},{points[0]}),{points[-2]}),{','.join(points)})"


def split(text: str) -> list[str]:
    """The arguments between commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for k, letter in enumerate(text):
        depth += (letter in "({") - (letter in ")}")
        if letter == "," and depth == 0:
            parts.append(text[start:k])
            start = k + 1
    return [*parts, text[start:]]


def _closing(text: str, opening: int, where: Statement) -> int:
    depth = 0
    for k in range(opening, len(text)):
        depth += (text[k] == "(") - (text[k] == ")")
        if depth == 0:
            return k
    raise where.error("a parenthesis is not closed")
