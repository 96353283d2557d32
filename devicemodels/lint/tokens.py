"""Verilog-A text to tokens with their places."""

import re
from dataclasses import dataclass

from devicemodels.lint.findings import ParseError


@dataclass(frozen=True)
class Token:
    """One token: kind is id, system, macro, number, string, op, newline or end."""

    kind: str
    text: str
    line: int
    file: str
    glued: bool = False
    """Whether it touches the token before: tells a macro's arguments from its body."""


PATTERN = re.compile(
    r"""(?P<space>[ \t\r\f\v]+|\\\r?\n)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<number>\d*'[sS]?[bodhBODH][0-9a-fA-FxXzZ_?]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+|[TGMKkmunpfa]\b)?)
    |(?P<string>"(?:\\.|[^"\\\n])*")
    |(?P<macro>`[A-Za-z_][A-Za-z0-9_$]*)
    |(?P<system>\$[A-Za-z_][A-Za-z0-9_$]*)
    |(?P<id>[A-Za-z_][A-Za-z0-9_$]*|\\[^ \t\r\n]+)
    |(?P<op>\(\*|\*\)|<\+|===|!==|<<<|>>>|==|!=|<=|>=|&&|\|\||\*\*|<<|>>|~\^|\^~|'\{|->|[-+*/%!~&|^<>?:;,.(){}\[\]=@\#])
    """,
    re.VERBOSE | re.DOTALL,
)
SI = {"T": 1e12, "G": 1e9, "M": 1e6, "K": 1e3, "k": 1e3}
SI |= {"m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}


def tokenize(text: str, file: str) -> list[Token]:
    """All tokens, newlines among them (directives end there), and an end token; raises ParseError."""
    found: list[Token] = []
    position, line, glued = 0, 1, False
    while position < len(text):
        match = PATTERN.match(text, position)
        if match is None:
            raise ParseError(file, line, _why(text, position))
        kind, piece = match.lastgroup or "", match.group()
        if kind not in ("space", "comment"):
            found.append(Token(kind, piece, line, file, glued))
        glued = kind not in ("space", "comment", "newline")
        line += piece.count("\n")
        position = match.end()
    found.append(Token("end", "", line, file))
    return found


def _why(text: str, position: int) -> str:
    if text.startswith("/*", position):
        return "the comment that starts here has no end; close it with */"
    if text[position] == '"':
        return 'the string that starts here has no end on its line; close it with "'
    return f"unexpected character {text[position]!r}; remove it"


def number(text: str) -> float:
    """The value of a number token, with SI suffix or base."""
    plain = text.replace("_", "")
    if "'" in plain:
        based = re.split(r"'[sS]?", plain, maxsplit=1)[1]
        radix = {"b": 2, "o": 8, "d": 10, "h": 16}[based[0].lower()]
        return float(int(re.sub(r"[xXzZ?]", "0", based[1:]), radix))
    if plain[-1] in SI:
        return float(plain[:-1]) * SI[plain[-1]]
    return float(plain)
