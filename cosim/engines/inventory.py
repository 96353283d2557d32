"""How many devices a SPICE text contains, to compare with how many the simulator says it has read.

ngspice turns a line it does not understand into a comment, or ignores it, and goes on.
"""

import re
from collections.abc import Iterable

REWRITTEN = re.compile(r"^[egcl]\S*\s.*(=|\{|'|poly)", re.IGNORECASE)
"""Sources and reactances with expressions: the simulator builds each of several devices."""


def device_count(statements: Iterable[str]) -> int | None:
    """Devices of the lines after expanding subcircuits; None where one stands for an unknown number of devices."""
    bodies = _bodies(statements)
    if bodies is None:
        return None
    counts: dict[str, int] = {}
    for name, (own, instances) in bodies.items():  # a subcircuit is printed before the circuits that use it
        if any(used not in counts for used in instances):
            return None
        counts[name] = own + sum(counts[used] for used in instances)
    return counts[""]


def _bodies(statements: Iterable[str]) -> dict[str, tuple[int, list[str]]] | None:
    """Own devices and names of used subcircuits per subcircuit; the main circuit is the last, under the name ""."""
    done: dict[str, tuple[int, list[str]]] = {}
    name, own, used = "", 0, []
    main: tuple[int, list[str]] = (0, [])
    for line in statements:
        first = line[0].lower()
        if first == ".":
            if line[:7].lower() == ".subckt":
                if name:
                    return None  # nested definitions
                main, name, own, used = (own, used), line.split()[1].lower(), 0, []
            elif line[:5].lower() == ".ends":
                done[name] = (own, used)
                name, (own, used) = "", main
            elif line[:3].lower() in (".if", ".in", ".li"):
                return None  # conditions and included files
        elif first == "x":
            used.append(_subcircuit(line))
        elif first in "egcl" and REWRITTEN.match(line):
            return None
        else:
            own += 1
    done[""] = (own, used)
    return done


def statements(text: str) -> list[str]:
    """The lines after the title, continuations joined, without comments and control blocks."""
    joined: list[str] = []
    in_control = False
    for line in (line.strip() for line in text.splitlines()[1:]):
        if line[:8].lower() in (".control", ".endc"):
            in_control = line[:5].lower() != ".endc"
        elif line.startswith("+") and joined:
            joined[-1] += " " + line[1:]
        elif line and line[0] != "*" and not in_control:
            joined.append(line)
    return joined


def _subcircuit(line: str) -> str:
    words = re.split(r"\s*=", line, maxsplit=1)[0].split()
    if "=" in line:
        words = words[:-1]  # the name of the first parameter
    return next(word for word in reversed(words) if word.lower() != "params:").lower()


def counted(log: str) -> int | None:
    """The number of devices in the answer to ngspice's command `inventory`, or None when it is not in the log."""
    _, marker, rest = log.partition("Circuit Inventory")
    if not marker:
        return None
    total = 0
    for line in rest.strip().splitlines():
        found = re.fullmatch(r"[^:]+: (\d+)", line.strip())
        if not found:
            break
        total += int(found[1])
    return total
