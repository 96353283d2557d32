"""From LTspice to ngspice: what the two write differently, line by line.

Translated: µ and 4k7, § in names, parasitics of sources, capacitors and inductors (Rser, Rpar, Lser, Cpar), expressions
of B, E, G, R and C (`expressions.py`), ideal diodes (Ron, Roff, Vfwd), the commercial remarks in models. Left out with
a note: what does not change the circuit (.backanno, tripdv and tripdt, ratings of parts). Everything else that ngspice
does not have raises ExternalError with the line: A devices, laplace=, smooth switches, wave files.
"""

import re
from collections.abc import Collection

from netlists.external.expressions import braced, translate
from netlists.external.statements import Statement

PAIR = re.compile(r"\b([A-Za-z]\w*)\s*=\s*(\{[^}]*\}|\S+)")
RATINGS = frozenset("v irms iavg ipk tol pwr mfg pn type temp".split())
"""Remarks on a part that say nothing about the circuit."""
MODEL_RATINGS = frozenset("mfg vds qg vceo icrating iave vpk irms type".split())
SWITCH_EXTRAS = frozenset("ilimit lser vser oneway epsilon".split())
IDEAL_DIODE = frozenset("ron roff vfwd vrev rrev".split())
NO_EFFECT = ("tripdv", "tripdt", "window", "nfft", "mtol", "nojacob", "vprxover")
IMPOSSIBLE = ("laplace", "flux", "hyst", "tbl")


def modernise(statement: Statement) -> Statement:
    """The line with the letters ngspice can read."""
    text = statement.text.replace("µ", "u").replace("μ", "u").replace("Ω", "").replace("§", "")
    return statement.of(text)


def translated(statement: Statement, own: Collection[str], notes: list[str]) -> list[Statement]:
    """What one line of LTspice becomes; `own` are the functions of the user. Raises ExternalError naming the line."""
    statement = modernise(statement)
    _refuse(statement)
    match statement.text[0].lower():
        case ".":
            return [_card(statement, own)]
        case "b":
            return _with_parallel(_without(statement, NO_EFFECT, notes), own)
        case "e" | "g":
            return [_controlled(statement, own)]
        case "c" | "l" | "r":
            return _passive(statement, own, notes)
        case "v" | "i":
            return _source(statement, own)
        case "a":
            raise statement.error("A devices of LTspice have no match in ngspice; write a B source or Verilog-A")
    return [statement.of(braced(statement.text, statement, own))]


def _refuse(statement: Statement) -> None:
    if found := next((word for word in IMPOSSIBLE if re.search(rf"\b{word}\s*=", statement.text, re.IGNORECASE)), None):
        raise statement.error(f"{found}= cannot be translated to ngspice")


def _take(text: str, names: Collection[str]) -> tuple[str, dict[str, str]]:
    """The text without the assignments to `names`, and those assignments in lower case."""
    taken = {m[1].lower(): m[2] for m in PAIR.finditer(text) if m[1].lower() in names}
    return PAIR.sub(lambda m: "" if m[1].lower() in names else m[0], text).strip(), taken


def _without(statement: Statement, names: Collection[str], notes: list[str]) -> Statement:
    text, taken = _take(statement.text, names)
    notes += [f"{statement.place}: {name}={value} was left out" for name, value in taken.items()]
    return statement.of(text)


def _card(statement: Statement, own: Collection[str]) -> Statement:
    if statement.card == ".function":
        statement = statement.of(".func" + statement.text[len(".function") :])
    if statement.card == ".param":
        return statement.of(translate(statement.text, statement, own))
    if statement.card == ".func":
        head, brace, body = statement.text.partition("{")
        return statement.of(head + brace + translate(body, statement, own))
    if statement.card == ".model":
        return _model(statement)
    return statement.of(braced(statement.text, statement, own))


def _model(statement: Statement) -> Statement:
    words = statement.text.replace("(", " ( ", 1).split()
    kind = words[2].lower() if len(words) > 2 else ""
    ratings = MODEL_RATINGS | {"ron"} if kind == "vdmos" else MODEL_RATINGS - ({"vds"} if kind != "vdmos" else set())
    text, _ = _take(statement.text, ratings)
    names = {m[1].lower() for m in PAIR.finditer(text)}
    if kind in ("sw", "csw"):
        if extra := names & SWITCH_EXTRAS:
            raise statement.error(f"ngspice's switch has no {', '.join(sorted(extra))}; write it as a B source")
        if re.search(r"\b[vi]h\s*=\s*-", text, re.IGNORECASE):
            raise statement.error("a negative hysteresis is LTspice's smooth switch; write it as a B source")
    if kind == "d" and (extra := names & {"ilimit", "revilimit", "epsilon", "revepsilon"}):
        raise statement.error(f"an ideal diode with {', '.join(sorted(extra))} cannot be translated")
    return statement.of(text.rstrip(")") + ")" if "(" in text and not text.endswith(")") else text)


def is_ideal_diode(model: Statement) -> bool:
    """Whether a .model line is LTspice's piecewise linear diode."""
    names = {m[1].lower() for m in PAIR.finditer(model.text)}
    return len(model.words) > 2 and model.words[2].lower().startswith("d") and bool(names & IDEAL_DIODE)


def ideal_diode(element: Statement, model: Statement) -> Statement:
    """LTspice's piecewise linear diode as a B source: roff, above vfwd ron, below -vrev rrev."""
    name, p, n, *_ = element.words
    values = {m[1].lower(): m[2].rstrip(")") for m in PAIR.finditer(model.text)}
    r_on, r_off, v_on = (f"({values.get(key, text)})" for key, text in (("ron", "1"), ("roff", "1e12"), ("vfwd", "0")))
    law = f"v({p},{n})/{r_off}+max(0,v({p},{n})-{v_on})*(1/{r_on}-1/{r_off})"
    if "vrev" in values:
        r_rev = f"({values.get('rrev', values.get('ron', '1'))})"
        law += f"-max(0,-v({p},{n})-({values['vrev']}))*(1/{r_rev}-1/{r_off})"
    return element.of(f"B{name} {p} {n} i = {law}")


def _with_parallel(statement: Statement, own: Collection[str]) -> list[Statement]:
    """A B source and its Rpar, Cpar."""
    text, taken = _take(statement.text, ("rpar", "cpar"))
    found = re.match(r"(\S+\s+\S+\s+\S+\s+)([vi])\s*=\s*(.*)$", text, re.IGNORECASE)
    if not found:
        if re.match(r"\S+\s+\S+\s+\S+\s+r\s*=", text, re.IGNORECASE):
            name, p, n, law = text.split(None, 3)
            law = translate(law.partition("=")[2], statement, own)
            return [statement.of(f"R{name} {p} {n} r='{_parenthesised(law)}'")]
        raise statement.error("a B source needs V=, I= or R=")
    law = _parenthesised(translate(found[3], statement, own))
    name, p, n = found[1].split()
    beside = {"rpar": "R", "cpar": "C"}
    more = [statement.of(f"{beside[key]}{name}_{key} {p} {n} {value}") for key, value in taken.items()]
    return [statement.of(f"{found[1]}{found[2].lower()} = {law}"), *more]


def _parenthesised(law: str) -> str:
    """Braces are pasted as text by ngspice: 1/{a+b} would be 1/a+b."""
    return re.sub(r"\{([^{}]*)\}", r"({\1})", law)


def _controlled(statement: Statement, own: Collection[str]) -> Statement:
    found = re.match(r"(\S+)\s+(\S+)\s+(\S+)\s+value\s*=?\s*(.*)$", statement.text, re.IGNORECASE)
    if found:
        kind = {"e": "v", "g": "i"}[statement.text[0].lower()]
        law = translate(found[4].strip().strip("{}"), statement, own)
        return statement.of(f"B{found[1]} {found[2]} {found[3]} {kind} = {law}")
    if re.search(r"\btable\b", statement.text, re.IGNORECASE):
        raise statement.error("a table in E or G cannot be translated; write a B source with table(x, ...)")
    return statement.of(braced(statement.text, statement, own))


def _number(word: str) -> str:
    """4k7 as 4.7k."""
    found = re.fullmatch(r"(\d+)(meg|[kgtmunpf])(\d+)", word, re.IGNORECASE)
    return f"{found[1]}.{found[3]}{found[2]}" if found else word


def _passive(statement: Statement, own: Collection[str], notes: list[str]) -> list[Statement]:
    letter = statement.text[0].lower()
    statement = _without(statement, RATINGS, notes)
    expression = re.match(r"(\S+\s+\S+\s+\S+\s+)([RQC])\s*=\s*(.*)$", statement.text, re.IGNORECASE)
    if letter in "rc" and expression and re.search(r"[vi]\s*\(", expression[3], re.IGNORECASE):
        law = translate(expression[3].strip("'"), statement, own)
        return [statement.of(f"{expression[1]}{expression[2].lower()}='{_parenthesised(law)}'")]
    text, extras = _take(statement.text, ("rser", "lser", "rpar", "cpar", "rlshunt"))
    words = text.split()
    if len(words) < 4:
        raise statement.error("two nodes and a value are needed")
    name, p, n, value, *rest = words
    if re.match(r"[rcl]=", value, re.IGNORECASE):
        value = value[2:]
    inner, more = p, []
    for key, kind in (("rser", "R"), ("lser", "L")):
        if key in extras:
            node = f"{name}_{key}"
            more.append(statement.of(f"{kind}{name}_{key} {inner} {node} {extras[key]}"))
            inner = node
    for key, kind in (("rpar", "R"), ("cpar", "C"), ("rlshunt", "R")):
        if key in extras:
            more.append(statement.of(f"{kind}{name}_{key} {p} {n} {extras[key]}"))
    line = " ".join([name, inner, n, _number(value), *rest])
    return [statement.of(braced(line, statement, own)), *more]


def _source(statement: Statement, own: Collection[str]) -> list[Statement]:
    if re.search(r"\b(repeat|trigger|load)\b", statement.text, re.IGNORECASE):
        raise statement.error("this kind of source cannot be translated; write its waveform out")
    text, extras = _take(statement.text, ("rser", "cpar"))
    text = re.sub(r"\)\s*$", ")", text)
    if statement.text[0] in "iI" or not extras:
        return [statement.of(braced(text, statement, own))]
    name, p, n, *value = text.split()
    found = []
    if "rser" in extras:
        found.append(statement.of(f"R{name}_rser {p} {name}_rser {extras['rser']}"))
    if "cpar" in extras:
        found.append(statement.of(f"C{name}_cpar {p} {n} {extras['cpar']}"))
    inner = f"{name}_rser" if "rser" in extras else p
    return [statement.of(braced(" ".join([name, inner, n, *value]), statement, own)), *found]
