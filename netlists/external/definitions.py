"""The subcircuits of a user's statements, and the one that is asked for as text of ours.

Each subcircuit becomes self-contained: the parameters, functions and models from outside that it needs are copied into
it, so that two users' circuits, or a user's and ours, never share a name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from netlists.external import ltspice
from netlists.external.statements import ExternalError, Flavour, Statement
from netlists.spice import SubcktText

PREFIX = "ext_"
"""Before the names of the user's subcircuits."""

GLOBALS = (".param", ".func", ".function", ".model")
INNER = (*GLOBALS, ".ic", ".nodeset")
BENCH = frozenset(
    ".tran .ac .dc .op .tf .noise .disto .sens .pz .step .meas .measure .save .probe .print .plot .four .backanno"
    " .options .option .opt .temp .net .wave .width .title .end .ic .nodeset .savebias".split()
)
"""Cards of a test bench; outside a subcircuit they are left out."""
LETTERS = frozenset("bcdefghijklmqrstvwx")
"""Elements that ngspice has built in and that read no files."""
MODEL_AT = {"d": (3,), "q": (4, 5, 6), "j": (4,), "m": (4, 5), "s": (5,), "w": (4,)}
"""Where the model may stand among the words of an element."""


@dataclass
class Definition:
    """A subcircuit as the user wrote it; the whole file's top level is one without ports."""

    name: str
    ports: tuple[str, ...]
    defaults: str
    where: Statement | None
    body: list[Statement] = field(default_factory=list)


def definitions(statements: Iterable[Statement]) -> tuple[Definition, dict[str, Definition]]:
    """The top level, and every subcircuit by its name in lower case; raises ExternalError for unbalanced lines."""
    top = Definition("", (), "", None)
    found: dict[str, Definition] = {}
    stack = [top]
    for statement in statements:
        if statement.card == ".subckt":
            stack.append(_opened(statement))
            key = stack[-1].name.lower()
            if key in found:
                raise statement.error(f"a second subcircuit {stack[-1].name!r}; the first is {_place(found[key])}")
            found[key] = stack[-1]
        elif statement.card == ".ends":
            if len(stack) == 1:
                raise statement.error(".ends without .subckt")
            stack.pop()
        else:
            stack[-1].body += _single(statement) if statement.card == ".param" else [statement]
    if len(stack) > 1 and stack[-1].where:
        raise stack[-1].where.error("this subcircuit has no .ends")
    return top, found


def _place(definition: Definition) -> str:
    return definition.where.place if definition.where else "the file"


def _opened(statement: Statement) -> Definition:
    words, defaults = head(statement)
    if len(words) < 3:
        raise statement.error("a subcircuit needs a name and ports")
    return Definition(words[1], tuple(words[2:]), defaults, statement)


def head(statement: Statement) -> tuple[list[str], str]:
    """The plain words of a .subckt or X line, and its assignments."""
    text = re.sub(r"\s*=\s*", "=", statement.text)
    text = re.sub(r"\bparams:", "", text, flags=re.IGNORECASE)
    plain, _, _ = text.partition("=")
    words = plain.split()
    if "=" not in text:
        return words, ""
    words.pop()
    return words, text.split(None, len(words))[-1]


@dataclass
class Extraction:
    """Turns definitions into SubcktText; `notes` and `places` (text of a printed line → file:line) fill on the way."""

    top: Definition
    found: dict[str, Definition]
    flavour: Flavour
    notes: list[str]
    places: dict[str, str] = field(default_factory=dict)
    _done: dict[str, SubcktText] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def subckt(self, definition: Definition) -> SubcktText:
        """The definition with all it uses; raises ExternalError naming the line of what is not understood."""
        key = definition.name.lower()
        if key in self._done:
            return self._done[key]
        if key in self._open and definition.where:
            raise definition.where.error("this subcircuit contains itself")
        self._open.append(key)
        outer = self._needed(definition) if definition.where else []
        lines, parts = self._printed([*outer, *definition.body])
        self._open.pop()
        name = PREFIX + key
        top = f".subckt {name} {' '.join(definition.ports)} {definition.defaults}".rstrip()
        text = "\n".join([top, *lines, f".ends {name}"])
        self._done[key] = SubcktText(name, text, subckts=tuple(parts))
        return self._done[key]

    def _needed(self, definition: Definition) -> list[Statement]:
        """Parameters, functions and models from the top level that the body does not define itself."""
        own = {_defined(s) for s in definition.body if s.card in GLOBALS}
        own |= {(".param", name) for name in re.findall(r"(\w+)=", definition.defaults.lower())}
        used = " ".join(s.text for s in (*definition.body, *self.top.body) if s.card != ".model").lower()
        words = set(re.findall(r"[^\s=(){},]+", used))
        needed = []
        for statement in self.top.body:
            if statement.card in GLOBALS and (kind := _defined(statement)) not in own:
                if kind[0] != ".model" or kind[1] in words:
                    needed.append(statement)
        return needed

    def _printed(self, body: list[Statement]) -> tuple[list[str], list[SubcktText]]:
        functions = [_defined(s)[1] for s in body if s.card in (".func", ".function")]
        models = {_defined(s)[1]: s for s in body if s.card == ".model"}
        lines: list[str] = []
        parts: dict[str, SubcktText] = {}
        for statement in body:
            self._check(statement, models)
            if statement.text[0] in "xX":
                part = self._instance(statement)
                parts[part[1].name] = part[1]
                new = [statement.of(part[0])]
            elif self.flavour == "ltspice":
                new = self._from_ltspice(statement, models, functions)
            else:
                new = [statement]
            for line in new:
                lines.append(line.text)
                self.places[" ".join(line.text.lower().split())] = line.place
        return lines, list(parts.values())

    def _from_ltspice(
        self, statement: Statement, models: dict[str, Statement], functions: list[str]
    ) -> list[Statement]:
        if statement.card == ".backanno":
            return []
        if statement.card == ".model" and ltspice.is_ideal_diode(statement):
            return []
        if statement.text[0] in "dD" and ltspice.is_ideal_diode(models[statement.words[3].lower()]):
            return [ltspice.ideal_diode(ltspice.modernise(statement), models[statement.words[3].lower()])]
        return ltspice.translated(statement, functions, self.notes)

    def _check(self, statement: Statement, models: dict[str, Statement]) -> None:
        letter = statement.text.replace("§", "")[0].lower()
        if letter == ".":
            if statement.card not in INNER and not (self.flavour == "ltspice" and statement.card == ".backanno"):
                raise statement.error(f"{statement.words[0]} is not understood inside a circuit; remove it")
            return
        if self.flavour == "ltspice" and letter == "a":
            return  # refused with its own words
        if letter not in LETTERS:
            raise statement.error(f"elements {statement.text[0]!r} are not accepted; write a B source or Verilog-A")
        if '"' in statement.text:
            raise statement.error("quoted names are refused; ngspice may take them for files")
        words = [word.lower() for word in statement.words]
        if letter in MODEL_AT and not any(word in models for k in MODEL_AT[letter] for word in words[k : k + 1]):
            wanted = statement.words[min(MODEL_AT[letter][-1 if letter == "m" else 0], len(words) - 1)]
            raise statement.error(f"the model {wanted!r} is not in the file; copy its .model line")

    def _instance(self, statement: Statement) -> tuple[str, SubcktText]:
        words, values = head(ltspice.modernise(statement) if self.flavour == "ltspice" else statement)
        inner = self.found.get(words[-1].lower())
        if inner is None:
            raise statement.error(f"the subcircuit {words[-1]!r} is not in the file; copy it, or include its file")
        if len(words) - 2 != len(inner.ports):
            raise statement.error(
                f"{inner.name} has the ports {' '.join(inner.ports)}, here are {len(words) - 2} nodes"
            )
        part = self.subckt(inner)
        return " ".join([*words[:-1], part.name, values]).strip(), part


def _single(statement: Statement) -> list[Statement]:
    """A .param line with several assignments as one line for each."""
    text = statement.text[len(".param") :]
    starts = [
        m.start() for m in re.finditer(r"(?<![\w.])[A-Za-z_]\w*\s*=(?!=)", text) if _depth(text[: m.start()]) == 0
    ]
    if not starts:
        raise statement.error(".param needs name=value")
    return [statement.of(f".param {text[a:b].strip()}") for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def _depth(text: str) -> int:
    return sum((letter in "({") - (letter in ")}") for letter in text) + text.count("'") % 2


def _defined(statement: Statement) -> tuple[str, str]:
    """Kind and name, in lower case, of what a .param, .func or .model line defines."""
    words = re.split(r"[\s=(]+", statement.text.lower())
    kind = ".func" if words[0] == ".function" else words[0]
    return kind, words[1] if len(words) > 1 else ""


def choose(top: Definition, found: dict[str, Definition], name: str | None, file: str) -> Definition:
    """The subcircuit `name`; the only one when there is no name; raises ExternalError naming those there are."""
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    known = ", ".join(d.name for d in found.values()) or "none"
    if name is None or name.lower() not in found:
        asked = "no name was given" if name is None else f"there is no {name!r}"
        raise ExternalError(f"{file}:1: {asked}; the subcircuits of this file are: {known}")
    return found[name.lower()]
