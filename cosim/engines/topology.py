"""Finds nodes of a SPICE text without a path to ground.

ngspice 46 with KLU answers a circuit with a current into such a node with 0 V at *every* node and without a word, so
the netlist is looked at before its answer is believed. What is not known here counts as a path: no alarm is false.
"""

import re
from collections.abc import Iterator

CONDUCTING = frozenset("rvlegbfhdsw")
"""Letters whose first nodes are joined; capacitors (in dc) and current sources join nothing."""


def floating_nodes(statements: list[str], *, capacitors: bool, held: bool) -> list[str]:
    """Nodes without a path to ground, sorted; [] when the text has lines that are not understood.

    `statements` are the logical lines; `capacitors` counts them as paths, `held` counts nodes with `.ic` as grounded.
    """
    parts = _Parts()
    subckts, top = _definitions(statements)
    known = True
    for line in _flat(top, subckts, {}, ""):
        if line is None:
            known = False
        elif line[0] == ".ic":
            for node in line[1:] if held else ():
                parts.join("0", node)
        elif line[0] == "touch":
            parts.find(line[1])
        else:
            parts.join(line[1], line[2]) if line[0] != "c" or capacitors else [parts.find(n) for n in line[1:]]
    return parts.away_from("0") if known else []


class _Parts:
    """Sets of connected nodes (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {"0": "0"}

    def find(self, node: str) -> str:
        parent = self._parent
        root = parent.setdefault(node, node)
        while root != parent[root]:
            root = parent[root]
        while parent[node] != root:
            parent[node], node = root, parent[node]
        return root

    def join(self, a: str, b: str) -> None:
        self._parent[self.find(a)] = self.find(b)

    def away_from(self, node: str) -> list[str]:
        home = self.find(node)
        return sorted(n for n in self._parent if self.find(n) != home)


_Subckts = dict[str, tuple[list[str], list[str]]]


def _definitions(statements: list[str]) -> tuple[_Subckts, list[str]]:
    subckts: _Subckts = {}
    top: list[str] = []
    body = top
    for statement in statements:
        line = statement.lower()
        if line.startswith(".subckt"):
            words = re.sub(r"\s*(params:|\S+\s*=).*", "", line).split()
            body = []
            subckts[words[1]] = (words[2:], body)
        elif line.startswith(".ends"):
            body = top
        else:
            body.append(line)
    return subckts, top


def _flat(lines: list[str], subckts: _Subckts, ports: dict[str, str], path: str) -> Iterator[tuple[str, ...] | None]:
    """(kind, node, node) for each pair of joined nodes, ("touch", node), (".ic", nodes...); None for the unknown."""

    def outer(node: str) -> str:
        return "0" if node in ("0", "gnd") else ports.get(node) or path + node

    for line in lines:
        letter = line[0]
        if letter in CONDUCTING or letter == "c":
            _, p, n, _ = line.split(None, 3)
            yield (letter, outer(p), outer(n))
        elif line.startswith(".ic"):
            yield (".ic", *(outer(node) for node in re.findall(r"v\(\s*([^\s)]+)\s*\)", line)))
        elif letter == ".":
            continue
        elif letter == "x":
            words = re.sub(r"\s*(params:|\S+\s*=).*", "", line).split()
            name, nodes = words[-1], [outer(node) for node in words[1:-1]]
            if name not in subckts or len(nodes) != len(subckts[name][0]):
                yield None
                continue
            inner, body = subckts[name]
            yield from _flat(body, subckts, dict(zip(inner, nodes, strict=True)), f"{path}{words[0]}.")
        else:
            yield from _pairs(letter, [outer(node) for node in _terminals(letter, line.split())])


def _terminals(letter: str, words: list[str]) -> list[str]:
    if letter == "n":  # as many nodes as stand before the model
        plain = [word for word in words[1:] if "=" not in word]
        return plain[:-1]
    return words[1 : 1 + {"m": 4, "q": 3, "j": 3}.get(letter, 2)]


def _pairs(letter: str, nodes: list[str]) -> Iterator[tuple[str, ...] | None]:
    if letter == "i":
        yield from (("touch", node) for node in nodes)
    elif letter == "m":
        drain, gate, source, bulk = nodes
        yield from (("touch", gate), ("m", drain, source), ("m", drain, bulk))
    elif letter in "nqj":
        yield from ((letter, nodes[0], node) for node in nodes[1:])
    else:
        yield None
