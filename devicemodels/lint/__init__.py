"""Checks Verilog-A for what open simulators ignore without a word, above all state hidden in variables.

`lint` reads the analog subset of Verilog-A with a parser of its own and needs no compiler; RULES is what it can say.
"""

from pathlib import Path

from devicemodels.lint.findings import BUILT_IN, RULES, Finding, ParseError, Rule
from devicemodels.lint.parser import parse
from devicemodels.lint.rules import CHECKS

__all__ = ["BUILT_IN", "RULES", "Finding", "ParseError", "Rule", "lint", "lint_file"]


def lint(text: str, file: str = "model.va") -> list[Finding]:
    """Findings on every module of a source, by line; raises ParseError with file and line for what it cannot read.

    `file` names the source in messages, and its folder is where other included files are looked for.
    """
    found: set[Finding] = set()
    for module in parse(text, file):
        try:
            for check in CHECKS:
                for line, name, subject, instead in check(module):
                    rule = RULES[name]
                    found.add(
                        Finding(
                            file=module.file,
                            line=line,
                            rule=name,
                            subject=subject,
                            severity=rule.severity,
                            does=rule.does,
                            instead=instead or rule.instead,
                        )
                    )
        except RecursionError:
            raise ParseError(module.file, module.line, "nested too deeply to be checked; split expressions") from None
    return sorted(found)


def lint_file(path: Path) -> list[Finding]:
    """Findings on a file; raises OSError, or ParseError."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ParseError(str(path), line, "this is not UTF-8 text; save it as UTF-8") from None
    return lint(text, str(path))
