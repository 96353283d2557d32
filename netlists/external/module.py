"""A user's Verilog-A module: its ports, and the checks it passes before a compiler sees it."""

import re

from devicemodels.lint import ParseError, lint
from netlists.external.definitions import PREFIX
from netlists.external.statements import ExternalError
from netlists.spice import VerilogA

ALLOWED_INCLUDES = ("constants.vams", "disciplines.vams", "constants.h", "discipline.h")
TOUCHES_FILES = re.compile(r"\$(f\w+|readmem\w+|system|dump\w+|swrite|sformat)\b")
INCLUDE = re.compile(r"`include\s+[\"<]?([^\"<>\s]*)")
MODULE = re.compile(r"\bmodule\s+([A-Za-z_]\w*)\s*\(([^)]*)\)\s*;")


def module(text: str, file: str, name: str | None) -> tuple[VerilogA, tuple[str, ...], list[str]]:
    """The module under a name of ours, its ports, and the linter's warnings.

    Raises ExternalError with the line for includes, file access, hidden state and what else openvaf-r would ignore.
    """
    for number, line in enumerate(text.splitlines(), 1):
        code = line.partition("//")[0]
        if (found := INCLUDE.search(code)) and found[1] not in ALLOWED_INCLUDES:
            raise ExternalError(f"{file}:{number}: the file {found[1]!r} is refused; put everything into one file")
        if found := TOUCHES_FILES.search(code):
            raise ExternalError(f"{file}:{number}: {found[0]} is refused; a model has no business with files")
    header = _header(text, file, name)
    ours = PREFIX + header[1].lower()
    source = text[: header.start(1)] + ours + text[header.end(1) :]
    warnings = _linted(source, file)
    ports = tuple(re.sub(r"\b(inout|input|output|electrical)\b", "", port).strip() for port in header[2].split(","))
    return VerilogA(ours, source), ports, warnings


def _header(text: str, file: str, name: str | None) -> re.Match[str]:
    code = re.sub(r"//[^\n]*", lambda m: " " * len(m[0]), text)
    code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), code, flags=re.DOTALL)
    headers = list(MODULE.finditer(code))
    known = ", ".join(h[1] for h in headers) or "none"
    chosen = [h for h in headers if name is None or h[1] == name]
    if len(chosen) != 1:
        asked = "no name was given" if name is None else f"there is no {name!r}"
        raise ExternalError(f"{file}:1: {asked}; the modules of this file are: {known}")
    return chosen[0]


def _linted(source: str, file: str) -> list[str]:
    try:
        findings = lint(source, file)
    except ParseError as error:
        raise ExternalError(str(error)) from None
    if errors := [str(f) for f in findings if f.severity == "error"]:
        raise ExternalError("\n".join(errors))
    return [str(f) for f in findings]
