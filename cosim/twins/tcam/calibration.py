"""Bench and calibration of the match line."""

from dataclasses import asdict, replace

import numpy as np
import torch
from scipy.optimize import least_squares

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, supplied
from cosim.twins.tcam.model import Tcam, TcamFit, load, match_line, uniform
from cosim.waveforms import Waveforms
from devicemodels.units import One
from netlists import tcam
from netlists.spice import Netlist, Subckt
from netlists.tcam import TcamParams
from netlists.transistors import View

SAMPLES = 60
"""Times at which a match line is looked at, from the end of the edge on."""
VIEW: View = "veriloga"
"""A word has hundreds of transistors, and compiled ones are ten times as fast; a test holds the views together."""
WINDOW: One = 2.5
"""Length of the bench in units of t_sense."""


def _words(p: TcamParams) -> dict[str, tuple[TcamParams, int]]:
    """Words of the bench by the mark of their nodes: parameters and mismatches."""
    half = replace(p, cells=max(1, p.cells // 2))
    whole = {f"n{k}": (p, k) for k in sorted({0, 1, min(2, p.cells), p.cells // 2})}
    return whole | {f"h{k}": (half, k) for k in (0, 1)}


def bench(p: TcamParams) -> Netlist:
    """Words of all and of half the cells, with none, one, two and half of the cells mismatched.

    The start shows q_pre, for two lengths; rates of long and short words tell c_sense from c_cell; few and many
    mismatches show r_on, and with it c_mid, which mismatched cells hold back.
    """
    parts = []
    for mark, (q, k) in _words(p).items():
        query = np.where(np.arange(q.cells) < k, -1, 1)
        parts.append(tcam.word(q, mark, query, view=VIEW))
    return _searches(p, "tcam: bench", parts, list(_words(p)))


def _searches(p: TcamParams, title: str, parts: list, marks: list[str]) -> Netlist:
    elements = (*tcam.drives(p), *(element for element, _ in parts))
    subckts: tuple[Subckt, ...] = tuple(subckt for _, subckt in parts)
    return Netlist(title, elements, tuple(f"v(ml{mark})" for mark in marks), subckts=subckts)


def analysis(p: TcamParams) -> Tran:
    """The transient of the bench."""
    return _transient(p, p.t_pre + WINDOW * p.t_sense)


def _transient(p: TcamParams, stop: float) -> Tran:
    return Tran(stop=stop, max_step=min(p.t_sense / 100, p.edge / 2), options=Options(reltol=1e-4, method="gear"))


def _times(p: TcamParams) -> np.ndarray:
    """Times (s) after the middle of the edge."""
    return np.linspace(p.edge, WINDOW * p.t_sense * (1 - 1e-9), SAMPLES)


def _bench_errors(p: TcamParams, fit: TcamFit, waves: Waveforms) -> np.ndarray:
    """Twin minus engine (V) on all words."""
    times, errors = torch.from_numpy(_times(p)), []
    for mark, (q, k) in _words(p).items():
        x = uniform(q, fit, torch.tensor(float(k), dtype=torch.float64).expand(SAMPLES))
        errors.append(match_line(q, fit, x, times).numpy() - waves.at(f"v(ml{mark})", p.t_pre + _times(p)))
    return np.concatenate(errors)


def calibrate(p: TcamParams, engine: Engine) -> Record:
    """Least squares of all values at once on what `engine` says of `bench`."""
    waves, ideal = engine.run(bench(p), analysis(p)), TcamFit.ideal(p)

    def fitted(x: np.ndarray) -> TcamFit:
        c_sense = ideal.c_sense + x[0] * p.c_line
        scales = {name: getattr(ideal, name) * float(np.exp(v)) for name, v in zip(SCALED, x[1:4], strict=True)}
        rest = {"q_pre": float(x[4]) * p.c_line * p.v_pre, "t_start": float(x[5]) * p.edge}
        return TcamFit(c_sense=float(max(c_sense, 0.0)), **scales, **rest)

    start = np.array([0.0, 0.0, 0.0, 0.0, ideal.q_pre / (p.c_line * p.v_pre), 0.0])
    found = least_squares(lambda x: _bench_errors(p, fitted(x), waves), start, x_scale=[0.01] * 5 + [0.1])
    fit = fitted(found.x)
    return Record(
        circuit="tcam",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_bench_errors(p, fit, waves), p.v_pre),
        unseen=unseen(p, Tcam(p, fit), engine),
        domain={"g": (p.g_hrs, p.g_lrs), "t": (0.0, WINDOW * p.t_sense)},
        extra=_results(p, fit, engine),
    )


SCALED = ("c_cell", "c_mid", "r_on")


def _results(p: TcamParams, fit: TcamFit, engine: Engine) -> dict[str, float]:
    """Levels at t_sense, margins, and the energies of one search with one mismatch and of its sense amplifier."""
    twin = Tcam(p, fit)
    levels = twin.levels(min(4, p.cells)).tolist()
    query = np.where(np.arange(p.cells) < 1, -1, 1)
    recharge = p.t_pre + p.t_sense + tcam.SENSE.t_latch
    netlist = tcam.testbench(p, query, sense=tcam.SENSE, recharge=recharge, view=VIEW)
    stop = recharge + 2 * p.t_pre
    waves = engine.run(netlist, _transient(p, stop))
    begin = p.t_pre - 4 * p.edge
    # A driver takes charge from its rail when its line rises and wastes it when the line falls.
    line = supplied(waves, {"vpre": p.v_pre}, begin) + supplied(waves, {"vpc": p.v_boost}, recharge + p.edge)
    search = supplied(waves, {"vhigh": p.v_search}, begin, recharge - p.edge)
    strobe = p.t_pre + p.t_sense - tcam.SENSE.edge
    sense = supplied(waves, {"vdd": tcam.SENSE.v_dd}, strobe, strobe + tcam.SENSE.t_latch)
    # clkb rises as clk does, but after the decision.
    sense += 2 * supplied(waves, {"vclk": tcam.SENSE.v_dd}, strobe, strobe + tcam.SENSE.t_latch)
    margins = {f"v_{k}_mismatches": level for k, level in enumerate(levels)}
    return margins | {
        "v_ref": twin.v_ref,
        "t_sense": p.t_sense,
        "energy_per_search": line + search,
        "energy_per_search_match_line": line,
        "energy_per_search_lines": search,
        "energy_per_sense": sense,
    }


UNSEEN_WORDS = 6
SPREAD: One = 0.05
"""Relative standard deviation of the conductances in the unseen words."""


def unseen(p: TcamParams, twin: Tcam, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s words."""
    return _overlay(p, twin, engine).residual(p.v_pre)


def overlay(p: TcamParams, engine: Engine, record: Record) -> Overlay:
    """Random words of +1, -1 and don't-care with spread, under queries with masked bits and a few mismatches."""
    return _overlay(p, Tcam.from_record(p, record), engine)


def _overlay(p: TcamParams, twin: Tcam, engine: Engine) -> Overlay:
    generator = np.random.default_rng(3)
    parts, expected, times = [], [], torch.from_numpy(_times(p))
    for k in range(UNSEEN_WORDS):
        stored = generator.choice([-1, 0, 1], p.cells, p=[0.45, 0.1, 0.45])
        query = np.where(generator.random(p.cells) < 0.1, 0, np.where(stored, stored, 1))
        flipped = generator.permutation(p.cells)[:k]
        query[flipped] *= -1
        g = tcam.conductances(p, stored) * (1 + SPREAD * generator.standard_normal((p.cells, 2)))
        parts.append(tcam.word(p, str(k), query, g, view=VIEW))
        x = load(twin.fit, torch.from_numpy(g)[None], torch.from_numpy(query)[None].double())
        expected.append(match_line(p, twin.fit, type(x)(*(part[0, 0].expand(SAMPLES) for part in x)), times).numpy())
    marks = [str(k) for k in range(UNSEEN_WORDS)]
    waves = engine.run(_searches(p, "tcam: random words", parts, marks), analysis(p))
    circuit = [waves.at(f"v(ml{mark})", p.t_pre + _times(p)) for mark in marks]
    span = np.arange(UNSEEN_WORDS)[:, None] * 1.05 * _times(p)[-1]
    wanted = np.repeat(np.arange(UNSEEN_WORDS, dtype=float), SAMPLES)
    return Overlay(
        (span + _times(p)).ravel(),
        wanted,
        np.concatenate(circuit),
        np.concatenate(expected),
        x_label="time (s), one word after the other",
        stimulus_label="bits flipped",
        output_label="match line (V)",
    )
