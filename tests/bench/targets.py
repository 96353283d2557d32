"""Targets of the exact crossbar, whether a run meets them, and the tables of the report."""

from typing import Any, NamedTuple

Rows = dict[int, dict[str, float]]
MEGABYTES = ("MB read", "MB geff", "MB gradient")


class Target(NamedTuple):
    """`row` of the table at `side`, or its ratio to `over`, at most (or at least) `limit`."""

    text: str
    side: int
    row: str
    limit: float
    over: str = ""
    least: bool = False

    def value(self, rows: Rows) -> float | None:
        found = rows.get(self.side, {})
        if self.row not in found or (self.over and self.over not in found):
            return None
        return found[self.row] / (found[self.over] if self.over else 1.0)

    def verdict(self, rows: Rows) -> str:
        value = self.value(rows)
        if value is None:
            return "not measured"
        return "met" if (value >= self.limit if self.least else value <= self.limit) else "missed"


TARGETS = (
    Target("one read at 128² in CPU s", 128, "read", 2e-3),
    Target("one read at 512² in CPU s", 512, "read", 130e-3),
    Target("badcrossbar / read at 128²", 128, "badcrossbar read", 100, "read", True),
    Target("ngspice-KLU process / read at 128²", 128, "ngspice read", 400, "read", True),
    Target("G_eff at 128² in CPU s", 128, "geff", 40e-3),
    Target("G_eff at 256² in CPU s", 256, "geff", 200e-3),
    Target("G_eff at 512² in CPU s", 512, "geff", 1.1),
    Target("G_eff at 512² in MB", 512, "MB geff", 200),
    *(Target(f"gradient / G_eff at {n}²", n, "gradient of geff", 2.0, "geff") for n in (128, 256, 512)),
    Target("1000 reads at 128² in CPU s", 128, "1000 reads", 70e-3),
    Target("badcrossbar / 1000 reads at 128²", 128, "badcrossbar 1000 reads", 100, "1000 reads", True),
)
"""CPU seconds of one thread; other targets of the project belong to other benchmarks."""


def report(results: dict[str, Any]) -> str:
    """The whole run as Markdown."""
    rows: Rows = results["rows"]
    about = "\n".join(f"| {name} | {value} |" for name, value in results["machine"].items())
    errors = "\n".join(f"| {name} | {value:.1e} |" for name, value in results["exactness"].items())
    powers = "\n".join(f"| {name} | {value:.2f} |" for name, value in results["exponents"].items())
    return "\n\n".join(
        (
            "# Speed of the exact crossbar",
            "Written by `make bench`: uniform 1-100 µS cells, 2 Ω lines, one thread, medians of CPU time (user and "
            "system, children included), everything in one run. `read` is one vector by conjugate gradients, `geff` "
            "the effective conductance, its gradient the reverse mode alone; peers assemble or parse in every call.",
            f"| machine | |\n|---|---|\n{about}",
            "## Targets\n\n" + verdicts(rows),
            "## CPU time in ms, memory in MB\n\n" + table(rows),
            f"## Growth: t ~ n^a, fitted from 128² on\n\n| what | a |\n|---|---|\n{powers}",
            f"## Worst error of {results['cases']} random arrays\n\nShapes 1-70, cells 1e-9 to 1e-2 S with 5 % open "
            "and 5 % 0.1 S, lines 0-100 Ω, all drive and sense options; relative to the largest output.\n\n"
            f"| against | error |\n|---|---|\n{errors}",
        )
    )


def verdicts(rows: Rows) -> str:
    """Target by target."""
    lines = ["| target | limit | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        value = target.value(rows)
        shown = "-" if value is None else f"{value:.3g}"
        lines.append(
            f"| {target.text} | {'≥' if target.least else '≤'} {target.limit:g} | {shown} | {target.verdict(rows)} |"
        )
    return "\n".join(lines)


def table(rows: Rows) -> str:
    """Every figure by size; ratios to our read below."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = ["| | " + " | ".join(f"{side}²" for side in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_shown(name, row.get(name)) for row in rows.values()) + " |")
    for peer, ours in (
        ("ngspice read", "read"), ("splu read", "read"), ("badcrossbar read", "read"),
        ("badcrossbar 1000 reads", "1000 reads"), ("gradient of geff", "geff"), ("gradient of read", "read"),
    ):  # fmt: skip
        ratios = [f"{row[peer] / row[ours]:.3g}" if peer in row else "-" for row in rows.values()]
        lines.append(f"| {peer} / {ours} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name.startswith("error"):
        return f"{value:.0e}"
    return f"{value:.0f}" if name in (*MEGABYTES, "iterations") else f"{value * 1e3:.3g}"
