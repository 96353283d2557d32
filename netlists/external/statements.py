"""Reads a user's SPICE files: logical lines with their places, included files resolved, hostile lines refused.

A file of somebody else is data here. What would make a simulator run a command or read or write a file is refused with
its line: control blocks and `*#` lines, `.exec` and its kin, files outside the folder of the file, `file=` parameters.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Literal

Flavour = Literal["ngspice", "ltspice"]
FLAVOURS = ("ngspice", "ltspice")

LARGEST = 4 * 1024**2
"""Bytes of one file."""
DEEPEST = 8
"""Files included in each other."""

TITLED = (".cir", ".net", ".ckt", ".sp", ".spi", ".spice", ".asc")
"""Files whose first line is a title unless it begins with a dot."""
INCLUDES = (".include", ".inc", ".incl", ".lib")
STANDARD = re.compile(r"(^|[\\/])(standard\.(bjt|dio|jft|mos|cap|ind|res|bead)|ltspice[^\\/]*)$", re.IGNORECASE)
"""Libraries that LTspice names in each exported netlist and keeps in its own folder."""
COMMANDS = (".control", ".endc", ".exec", ".shell", ".system", ".csparam", ".hdl", ".pre_osdi", ".load")
READS_FILES = re.compile(r"\b(\w*file)\s*=", re.IGNORECASE)


class ExternalError(ValueError):
    """Something in a user's file: the message begins with file and line."""


@dataclass(frozen=True)
class Statement:
    """One logical line, without comment, and where it begins."""

    text: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def words(self) -> list[str]:
        return self.text.split()

    @property
    def card(self) -> str:
        """The first word in lower case."""
        return self.words[0].lower()

    def error(self, what: str) -> ExternalError:
        """The error that names this line and quotes it."""
        shown = self.text if len(self.text) <= 100 else self.text[:97] + "..."
        return ExternalError(f"{self.place}: {what}\n    {shown}")

    def of(self, text: str) -> "Statement":
        """Another text from the same place."""
        return replace(self, text=text)


def read(path: Path, flavour: Flavour) -> tuple[list[Statement], list[str]]:
    """The statements of a file and of those it includes, and notes on what was left out.

    Raises ExternalError naming the line of what is refused, OSError when the file itself cannot be read.
    """
    path = Path(path)
    notes: list[str] = []
    found = _resolve(_statements(_text(path), path.name, path.suffix.lower(), flavour), path, path, flavour, notes, 0)
    return found, notes


def parse(text: str, name: str, flavour: Flavour) -> list[Statement]:
    """The statements of a text without files; raises ExternalError also for includes."""
    found = _statements(text, name, "", flavour)
    for statement in found:
        if statement.card in INCLUDES:
            raise statement.error("a text cannot include files; paste the file's content")
    return found


def _text(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > LARGEST:
        raise ExternalError(f"{path.name}:1: the file has {len(data)} bytes, more than {LARGEST}; cut out what is used")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _statements(text: str, file: str, suffix: str, flavour: Flavour) -> list[Statement]:
    found: list[Statement] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.lstrip().startswith("*#"):
            raise Statement(raw.strip(), file, number).error("a simulator runs this line as a command; remove it")
        line = _without_comment(raw, flavour)
        if not line or (number == 1 and suffix in TITLED and line[0] != "."):
            continue
        if line[0] == "+":
            if not found:
                raise Statement(line, file, number).error("this line continues nothing")
            found[-1] = replace(found[-1], text=f"{found[-1].text} {line[1:].strip()}")
        else:
            found.append(Statement(line, file, number))
    for statement in found:
        _refuse_commands(statement)
    return [statement for statement in found if statement.card not in (".title", ".end")]


def _without_comment(raw: str, flavour: Flavour) -> str:
    line = raw.replace("\0", "").strip()
    if line.startswith(("*", ";", "#", "$", "//")):
        return ""
    line = line.partition(";")[0]
    if flavour == "ngspice":
        line = re.split(r"\s(?:\$|//)(?=\s|$)", line, maxsplit=1)[0]
    return line.strip()


def _refuse_commands(statement: Statement) -> None:
    if statement.card in COMMANDS or statement.card.lstrip(".") in ("shell", "system", "exec"):
        raise statement.error(f"{statement.words[0]} would run commands of the simulator; remove it")
    if READS_FILES.search(statement.text):
        raise statement.error("this would read or write a file; give the values themselves")
    if "`" in statement.text:
        raise statement.error("a backquote has no place in a netlist")


def _resolve(
    statements: Iterable[Statement], path: Path, root: Path, flavour: Flavour, notes: list[str], depth: int
) -> list[Statement]:
    found: list[Statement] = []
    for statement in statements:
        if statement.card not in INCLUDES:
            found.append(statement)
            continue
        name, entry = _target(statement)
        if flavour == "ltspice" and STANDARD.search(name):
            notes.append(f"{statement.place}: LTspice's own library {name} was left out; its parts must be in the file")
            continue
        inside = _inside(name, path.parent, root.parent, statement)
        if depth >= DEEPEST:
            raise statement.error(f"more than {DEEPEST} files include each other")
        label = inside.relative_to(root.parent.resolve()).as_posix()
        try:
            inner = _statements(_text(inside), label, "", flavour)
        except OSError as error:
            raise statement.error(f"{name} cannot be read: {error.strerror}") from None
        section = _section(inner, entry, statement) if entry else inner
        found += _resolve(section, inside, root, flavour, notes, depth + 1)
    return found


def _target(statement: Statement) -> tuple[str, str]:
    rest = statement.text[len(statement.card) :].strip()
    quoted = re.match(r"""(["'])(.*?)\1\s*(\S*)$""", rest)
    name, entry = (quoted[2], quoted[3]) if quoted else (*rest.split(), "", "")[:2]
    if not name:
        raise statement.error(f"{statement.card} names no file")
    return name, entry if statement.card == ".lib" else ""


def _inside(name: str, folder: Path, root: Path, statement: Statement) -> Path:
    """The file, if it lies in or below the folder `root`."""
    if Path(name).is_absolute() or PureWindowsPath(name).drive or name.startswith(("~", "\\", "$")):
        raise statement.error("an absolute path is refused; copy the file beside the netlist")
    target = (folder / PureWindowsPath(name).as_posix()).resolve()
    if not target.is_relative_to(root.resolve()):
        raise statement.error("this file lies outside the netlist's folder; copy it there")
    return target


def _section(statements: list[Statement], entry: str, where: Statement) -> list[Statement]:
    """The lines between `.lib entry` and `.endl`."""
    found: list[Statement] = []
    inside = seen = False
    for statement in statements:
        if statement.card == ".lib" and [word.lower() for word in statement.words[1:]] == [entry.lower()]:
            inside = seen = True
        elif statement.card == ".endl":
            inside = False
        elif inside:
            found.append(statement)
    if not seen:
        raise where.error(f"that file has no section {entry!r}")
    return found
