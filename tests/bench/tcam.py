"""Search errors of ternary memories: words of 8 to 256 cells, ratios LRS/HRS of 10 to 1000, 2 % and 10 % spread.

The hardest question is asked, match or one mismatch, at the time and reference at which cells without spread are
furthest apart. Monte Carlo goes through the shipped twin (calibrated once, at 32 cells and a ratio of 100); the theory
is the analytic time constant of the match line with a normally distributed conductance. Sense amplifiers are without
offset, or each has its own, with a standard deviation of 10 mV. ngspice solves a sample of the
words with the same conductances: voltages at the strobe, and decisions.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from scipy.stats import norm

from cosim.calibration import load as load_record
from cosim.engines import ENGINES, Engine, Options, Tran
from cosim.twins import tcam as twins
from cosim.twins.tcam import Tcam
from devicemodels.statistics import ProgrammingError, program
from netlists import tcam
from netlists.spice import Netlist
from netlists.tcam import TcamParams

CELLS = (8, 16, 32, 64, 128, 256)
RATIOS = (10.0, 30.0, 100.0, 1000.0)
SPREADS = (0.02, 0.1)
WORDS = 4000
OFFSETS = (0.0, 10e-3)
"""Standard deviation of the sense amplifiers' offset in V."""
SAMPLED = ((8, 100.0), (32, 30.0), (128, 100.0), (256, 1000.0))


@dataclass(frozen=True)
class Case:
    """Shares of wrong searches for OFFSETS, half of the words matching, half with one mismatch; s and V."""

    cells: int
    ratio: float
    spread: float
    found: tuple[float, ...]
    theory: tuple[float, ...]
    t_sense: float
    margin: float


def params(cells: int, ratio: float) -> TcamParams:
    return replace(TcamParams(), cells=cells, g_hrs=TcamParams().g_lrs / ratio)


def twin(p: TcamParams) -> Tcam:
    return Tcam.from_record(p, load_record("tcam"))


def theory(p: TcamParams, spread: float, offset: float) -> float:
    """Error rate where v = v_start exp(-G t/C) with normal G, and without offset; with one, to first order in G."""
    steps = {g: 1 / (1 / g + p.r_on) for g in (p.g_lrs, p.g_hrs)}
    # d on/dg = (on/g)²: the spread of g reaches the branch weakened by its transistor.
    low, high = (spread * on**2 / g for g, on in steps.items())
    limit = p.c_line / p.t_sense * np.log(p.v_start / p.v_ref)
    errors = []
    for k in (0, 1):
        std, g = np.sqrt(k * low**2 + (p.cells - k) * high**2), p.conductance(k)
        if offset:
            v = p.v_start * np.exp(-p.t_sense / p.tau(k))
            errors.append(norm.sf(abs(v - p.v_ref) / np.hypot(offset, v * p.t_sense / p.c_line * std)))
        else:
            errors.append(norm.sf(abs(limit - g) / std))
    return float(np.mean(errors))


def words(p: TcamParams, spread: float, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Conductances [word, cell, 2] of stored words of +1, and the two queries: the word itself and one flipped bit."""
    nominal = twins.conductances(p, torch.ones(count, p.cells, dtype=torch.float64))
    query = torch.ones(2, p.cells, dtype=torch.float64)
    query[1, 0] = -1
    return program(nominal, ProgrammingError(relative=spread), generator), query


def case(cells: int, ratio: float, spread: float, generator: torch.Generator) -> Case:
    p = params(cells, ratio)
    memory = twin(p)
    g, query = words(p, spread, WORDS, generator)
    found = []
    for offset in OFFSETS:
        match = memory.search(g, query, offset * torch.randn(WORDS, generator=generator, dtype=g.dtype))
        found.append(float((~match[0]).double().mean() + match[1].double().mean()) / 2)
    levels = memory.levels(1)
    expected = tuple(theory(p, spread, offset) for offset in OFFSETS)
    return Case(cells, ratio, spread, tuple(found), expected, p.t_sense, float(levels[0] - levels[1]))


def in_ngspice(p: TcamParams, spread: float, engine: Engine, generator: torch.Generator) -> tuple[float, int, int]:
    """Worst |twin - ngspice| at t_sense over v_pre, and how many of how many decisions agree."""
    memory = twin(p)
    g, query = words(p, spread, 2, generator)
    parts = [
        tcam.word(p, f"{k}_{j}", query[k].int().numpy(), g[j].numpy(), view="veriloga") for k in (0, 1) for j in (0, 1)
    ]
    probes = tuple(f"v(ml{k}_{j})" for k in (0, 1) for j in (0, 1))
    elements = (*tcam.drives(p), *(element for element, _ in parts))
    netlist = Netlist("tcam: sample", elements, probes, subckts=tuple(subckt for _, subckt in parts))
    stop, step = p.t_pre + 1.01 * p.t_sense, min(p.t_sense / 50, p.edge / 2)
    waves = engine.run(netlist, Tran(stop=stop, max_step=step, options=Options(reltol=1e-4, method="gear")))
    seen = np.array([waves.at(name, np.array([p.t_pre + p.t_sense])).item() for name in probes])
    expected = memory(g, query).flatten().numpy()
    agree = int(((seen > memory.v_ref) == (expected > memory.v_ref)).sum())
    return float(np.abs(seen - expected).max() / p.v_pre), agree, len(seen)


def percent(rate: float) -> str:
    return f"{100 * rate:.2g}" if rate >= 1e-8 else "0" if rate == 0 else "< 1e-6"


def table(cases: list[Case], samples: list[str]) -> str:
    heads = [f"errors (%) at {1e3 * offset:g} mV, {what}" for offset in OFFSETS for what in ("found", "theory")]
    lines = ["| cells | LRS/HRS | spread | strobe (ns) | margin (V) | " + " | ".join(heads) + " |", "|--:" * 9 + "|"]
    for c in cases:
        rates = (percent(rate) for pair in zip(c.found, c.theory, strict=True) for rate in pair)
        numbers = f"{1e9 * c.t_sense:.3g} | {c.margin:.3f} | " + " | ".join(rates)
        lines.append(f"| {c.cells} | {c.ratio:g} | {100 * c.spread:g} % | {numbers} |")
    sampled = ["", "| cells | LRS/HRS | spread | worst of v_pre | decisions that agree |", "|--:|--:|--:|--:|--:|"]
    return "\n".join([*lines, *sampled, *samples, ""])


def figure(cases: list[Case], path: Path) -> None:
    """Error rate over cells, one panel per spread: points Monte Carlo with offset, lines theory with and without."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.8), layout="constrained")
    floor = 0.5 / (2 * WORDS)
    for axes, spread in zip(drawing.subplots(1, 2, sharey=True), SPREADS, strict=True):
        for k, ratio in enumerate(RATIOS):
            mine = [c for c in cases if c.ratio == ratio and c.spread == spread]
            cells = [c.cells for c in mine]
            for j, style in enumerate(("--", "-")):
                label = f"LRS/HRS = {ratio:g}" if j else None
                axes.loglog(cells, [max(c.theory[j], 1e-99) for c in mine], style, color=f"C{k}", label=label)
                shown = [(c.cells, c.found[j]) for c in mine if c.found[j] > 0]
                if shown:
                    marker = "o" if j else "x"
                    axes.loglog(*zip(*shown, strict=True), marker, color=f"C{k}", ms=5)
        axes.axhline(floor, color="grey", lw=0.8, ls=":")
        axes.set(xlabel="cells of a word", title=f"{100 * spread:g} % spread", ylim=(1e-5, 1), xticks=CELLS)
        axes.set_xticklabels([str(n) for n in CELLS])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    drawing.axes[0].set_ylabel("share of wrong searches")
    drawing.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="where tcam.md and tcam.png go")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    cases = [case(n, ratio, spread, generator) for spread in SPREADS for ratio in RATIOS for n in CELLS]
    engine, samples = ENGINES["ngspice"](), []
    for spread in SPREADS:
        for cells, ratio in SAMPLED:
            worst, agree, count = in_ngspice(params(cells, ratio), spread, engine, generator)
            samples.append(f"| {cells} | {ratio:g} | {100 * spread:g} % | {100 * worst:.2f} % | {agree} of {count} |")
    text = [f"# Search errors of ternary memories\n\n{(__doc__ or '').partition(chr(10) * 2)[2]}\n"]
    text += [f"Written by `python -m tests.bench.tcam`; {WORDS} words and as many mismatched ones per case, "]
    text += ["so that found rates below 0.01 % show as 0. In the figure crosses and dashed lines are without offset, "]
    text += ["points and full lines with 10 mV; the dotted line is half an error.\n\n![error rates](tcam.png)\n\n"]
    text += [table(cases, samples)]
    (folder / "tcam.md").write_text("".join(text))
    figure(cases, folder / "tcam.png")
    print(table(cases, samples))


if __name__ == "__main__":
    main()
