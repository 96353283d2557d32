"""Stimuli, netlists and the torch oracle of the device contract."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise
from typing import Any, get_type_hints

import numpy as np
import torch
from scipy.integrate import solve_ivp

from cosim.engines import ENGINES, Analysis, Options, Tran
from cosim.waveforms import Waveforms
from devicemodels import Device, device
from devicemodels.units import Range
from netlists.spice import N, Netlist, Pwl, SubcktText, V, VerilogA, X

PROBES = ("v(a)", "i(va)", "v(x)")
VIEWS = [
    (engine, language)
    for engine, language in (("ngspice", "spice"), ("ngspice", "veriloga"), ("vacask", "veriloga"))
    if engine in ENGINES
]
TIGHT = Options(reltol=1e-6)
STEPS = 4000
FAST = {"vteam": 8000}
"""Steps of a drive. On a pulse's edge the SET of vteam speeds up to 1.9e9/s within 50 of 4000 steps: there the
trapezoidal rule is wrong by h²/12 times the slope of the rate, 1.3e20/s², which is 1.7e-4 of the swing; half the step
makes it 4e-5."""


def netlist(d: Device, language: str, params: Mapping[str, float], dc: float = 0.0, wave: Pwl | None = None) -> Netlist:
    """One cell between a voltage source and ground, with a probe of its state."""
    source, nodes = V("a", "a", "0", dc, wave), ("a", "0", "x")
    if language == "spice":
        return Netlist(d.name, (source, X("d", nodes, d.subckt, params)), PROBES, (SubcktText(d.subckt, d.spice),))
    cell = N("d", nodes, d.module, params)
    return Netlist(d.name, (source, cell), PROBES, veriloga=(VerilogA(d.module, d.veriloga),))


def simulate(view: tuple[str, str], d: Device, p: Any, analysis: Analysis, dc: float = 0.0, wave: Pwl | None = None):
    engine, language = view
    return ENGINES[engine]().run(netlist(d, language, asdict(p), dc, wave), analysis)


def bounds(d: Device, name: str = "") -> tuple[float, float]:
    """The range that the parameter class declares for that parameter, or else for the state at t = 0."""
    hint = get_type_hints(d.params, include_extras=True)[name or d.state]
    allowed = next(m for m in hint.__metadata__ if isinstance(m, Range))
    return allowed.low, allowed.high


def loop(d: Device) -> Pwl:
    """The triangle of the device's example."""
    t = d.drive.duration / 4
    return Pwl(((0.0, 0.0), (t, d.drive.v_plus), (2 * t, 0.0), (3 * t, d.drive.v_minus), (4 * t, 0.0)))


def train(d: Device) -> Pwl:
    """Four pulses of alternating sign with a read of a tenth of the voltage after each, within the same duration."""
    unit = d.drive.duration / 80
    points = [(0.0, 0.0)]
    for k, v in enumerate((d.drive.v_plus, d.drive.v_minus) * 2):
        start = 20 * k * unit
        shape = ((1, 0.0), (2, v), (8, v), (9, 0.0), (11, 0.0), (12, v / 10), (18, v / 10), (19, 0.0))
        points += [(start + units * unit, level) for units, level in shape]
    return Pwl((*points, (d.drive.duration, 0.0)))


STIMULI = {"loop": loop, "train": train}


@cache
def recorded(name: str, view: tuple[str, str], stimulus: str) -> Waveforms:
    """The default cell under the stimulus, simulated once per test session."""
    d = device(name)
    return simulate(view, d, d.params(), whole_drive(d), wave=STIMULI[stimulus](d))


def whole_drive(d: Device) -> Tran:
    """The transient of a device's drive, in its number of steps."""
    steps = FAST.get(d.name, STEPS)
    return Tran(stop=d.drive.duration, max_step=d.drive.duration / steps, options=TIGHT)


def oracle(d: Device, p: Any, wave: Pwl, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """State and current at `times` from the torch rate, by LSODA between the corners of the stimulus.

    At rtol 1e-9, or 1e-6 for an abrupt device, which is judged by RMS.
    """
    corners = np.array(wave.points)

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        v = np.interp(t, corners[:, 0], corners[:, 1])
        with torch.inference_mode():
            return d.model.rate(p, torch.from_numpy(x), torch.tensor([v], dtype=torch.float64)).numpy()

    rtol = 1e-6 if d.abrupt else 1e-9
    x, states = np.array([float(getattr(p, d.state))]), np.full(times.shape, np.nan)
    for start, stop in pairwise(corners[:, 0]):
        inside = (times >= start) & (times <= stop)
        grid = np.unique([*times[inside], start, stop])
        span = float(stop - start)
        found = solve_ivp(rate, (start, stop), x, "LSODA", grid, rtol=rtol, atol=rtol / 1000, max_step=span / 20)
        assert found.success, found.message
        states[inside] = np.interp(times[inside], grid, found.y[0])
        x = found.y[:, -1]
    v = torch.from_numpy(np.interp(times, corners[:, 0], corners[:, 1]))
    return states, d.model.current(p, torch.from_numpy(states), v).numpy()


def restarted(p: Any, d: Device, x: float) -> Any:
    """`p` with the cell at state x, set through the conductance it has there."""
    g = d.model.conductance(p, torch.tensor(x, dtype=torch.float64))
    return replace(p, **{key: float(value) for key, value in p.cell(g.numpy()).items()})
