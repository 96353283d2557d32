"""Compiler directives: `define with arguments, `undef, `ifdef, `include; the rest of the lines is tokens."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devicemodels.lint.findings import ParseError
from devicemodels.lint.tokens import Token, tokenize

CONSTANTS = (
    "M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_TWO_PI M_PI_2 M_PI_4 M_1_PI M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2 "
    "P_Q P_C P_K P_H P_EPS0 P_U0 P_CELSIUS0"
).split()
VALUES = dict.fromkeys(CONSTANTS, "1.0") | {
    "M_PI": "3.141592653589793",
    "P_K": "1.380649e-23",
    "P_Q": "1.602176634e-19",
}
STANDARD = ("constants.vams", "disciplines.vams", "constants.h", "disciplines.h", "discipline.h", "discipline.vams")
IGNORED = ("timescale", "resetall", "default_discipline", "default_nettype", "default_transition", "celldefine")
IGNORED += ("endcelldefine", "begin_keywords", "end_keywords", "line", "pragma", "default_function_type_analog")
DEEPEST = 60
LONGEST = 1_000_000


@dataclass(frozen=True)
class Macro:
    """A `define: names of its arguments (None without parentheses) and its tokens."""

    arguments: tuple[str, ...] | None
    body: tuple[Token, ...]


@dataclass
class Preprocessor:
    """Expands directives; holds the macros defined so far."""

    macros: dict[str, Macro] = field(default_factory=dict)
    produced: int = 0

    def run(self, text: str, file: str, depth: int = 0) -> list[Token]:
        """Tokens of the text after all directives; raises ParseError."""
        tokens = tokenize(text, file)
        return [*self._lines(tokens, depth), tokens[-1]]

    def _lines(self, tokens: list[Token], depth: int) -> Iterator[Token]:
        conditions: list[tuple[Token, bool, bool]] = []
        i = 0
        while tokens[i].kind != "end":
            token = tokens[i]
            name = token.text[1:]
            active = all(on for _, on, _ in conditions)
            if token.kind == "macro" and name in ("ifdef", "ifndef", "elsif", "else", "endif"):
                i = self._condition(tokens, i, conditions)
            elif token.kind == "newline" or not active:
                i += 1
            elif token.kind == "macro":
                i, out = self._directive(tokens, i, depth)
                yield from out
            else:
                i += 1
                yield token
        if conditions:
            start = conditions[-1][0]
            raise ParseError(start.file, start.line, f"{start.text} has no `endif; add it")

    def _condition(self, tokens: list[Token], i: int, conditions: list[tuple[Token, bool, bool]]) -> int:
        """One of the conditional directives; a condition is (where, active now, some branch was active)."""
        token, name = tokens[i], tokens[i].text[1:]
        if name in ("elsif", "else", "endif") and not conditions:
            raise ParseError(token.file, token.line, f"{token.text} without `ifdef; remove it")
        if name == "endif":
            conditions.pop()
            return i + 1
        if name == "else":
            start, _, taken = conditions.pop()
            conditions.append((start, not taken, True))
            return i + 1
        if tokens[i + 1].kind != "id":
            raise ParseError(token.file, token.line, f"{token.text} needs the name of a macro")
        defined = (tokens[i + 1].text in self.macros) != (name == "ifndef")
        start, _, taken = conditions.pop() if name == "elsif" else (token, False, False)
        conditions.append((start, defined and not taken, defined or taken))
        return i + 2

    def _directive(self, tokens: list[Token], i: int, depth: int) -> tuple[int, list[Token]]:
        token, name = tokens[i], tokens[i].text[1:]
        end = next(k for k in range(i, len(tokens)) if tokens[k].kind in ("newline", "end"))
        if name == "define":
            self._define(token, tokens[i + 1 : end])
            return end, []
        if name == "undef":
            self.macros.pop(tokens[i + 1].text, None)
            return end, []
        if name == "include":
            return i + 2, self._include(token, tokens[i + 1], depth)
        if name in IGNORED:
            return end, []
        return self._expand(tokens, i, depth)

    def _define(self, where: Token, line: list[Token]) -> None:
        if not line or line[0].kind != "id":
            raise ParseError(where.file, where.line, "`define needs a name, as in `define GAIN 10")
        arguments, body = None, line[1:]
        if body and body[0].text == "(" and body[0].glued:
            close = next((k for k, t in enumerate(body) if t.text == ")"), 0)
            inner = body[1:close]
            if not close or any((t.kind == "id") != (k % 2 == 0) for k, t in enumerate(inner)):
                raise ParseError(where.file, where.line, f"the arguments of `define {line[0].text} must be names")
            arguments, body = tuple(t.text for t in inner[::2]), body[close + 1 :]
        self.macros[line[0].text] = Macro(arguments, tuple(body))

    def _include(self, where: Token, name: Token, depth: int) -> list[Token]:
        if name.kind != "string":
            raise ParseError(where.file, where.line, '`include needs a file name, as in `include "disciplines.vams"')
        target = name.text[1:-1]
        if Path(target).name.lower() in STANDARD:
            if "constants" in target:
                self.macros |= {
                    k: Macro(None, (Token("number", v, where.line, where.file),)) for k, v in VALUES.items()
                }
            return []
        path = Path(where.file).parent / target
        if depth > DEEPEST:
            raise ParseError(where.file, where.line, f"`include {target} includes itself; remove the circle")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise ParseError(where.file, where.line, f"`include {target}: cannot read {path}; put it there") from None
        return self.run(text, str(path), depth + 1)[:-1]

    def _expand(self, tokens: list[Token], i: int, depth: int) -> tuple[int, list[Token]]:
        token = tokens[i]
        macro = self.macros.get(token.text[1:])
        if macro is None:
            hint = "define it, or include the file that does (constants.vams for M_PI, P_K, ...)"
            raise ParseError(token.file, token.line, f"macro {token.text} is not defined; {hint}")
        if depth > DEEPEST:
            raise ParseError(token.file, token.line, f"macro {token.text} expands to itself; remove the circle")
        values: dict[str, list[Token]] = {}
        i += 1
        if macro.arguments is not None:
            i, values = _arguments(tokens, i, token, macro.arguments)
        body: list[Token] = []
        for part in macro.body:
            body += values.get(part.text, [Token(part.kind, part.text, token.line, token.file)])
        self.produced += len(body)
        if self.produced > LONGEST:
            raise ParseError(token.file, token.line, f"macros expand to more than {LONGEST} tokens; simplify them")
        return i, list(self._lines([*body, tokens[-1]], depth + 1))


def _arguments(tokens: list[Token], i: int, macro: Token, names: tuple[str, ...]) -> tuple[int, dict[str, list[Token]]]:
    """The index after the argument list at i, and the tokens of each argument."""
    wrong = ParseError(macro.file, macro.line, f"macro {macro.text} needs {len(names)} arguments in parentheses")
    while tokens[i].kind == "newline":
        i += 1
    if tokens[i].text != "(":
        raise wrong
    given: list[list[Token]] = [[]]
    level = 1
    while True:
        i += 1
        token = tokens[i]
        if token.kind == "end":
            raise wrong
        if token.kind == "op":
            level += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(token.text, 0)
        if level == 0:
            break
        if token.text == "," and level == 1:
            given.append([])
        elif token.kind != "newline":
            given[-1].append(token)
    if len(given) != len(names) and not (not names and given == [[]]):
        raise wrong
    return i + 1, dict(zip(names, given, strict=False))
