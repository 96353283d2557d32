"""Bench, fit and judgement of the LIF twin."""

from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, SimulationError, Tran
from cosim.twins.base import Overlay, supplied
from cosim.twins.lif.model import Lif, LifFit, trace, train
from cosim.waveforms import Waveforms
from devicemodels.units import One, Second, Volt
from netlists.lif import LifParams, build, neuron, testbench
from netlists.spice import Element, Netlist, Pwl, V
from netlists.stimuli import held

NEURONS = 6
"""Firing neurons of the bench; one more stays below threshold."""
SEGMENTS = 16
"""Levels of the unseen stimulus."""


def transient(p: LifParams, stop: Second) -> Tran:
    """A transient that gets the resets right: gear, since trap rings at them, and steps well below the intervals."""
    return Tran(stop=stop, max_step=p.tau / 1500, options=Options(method="gear", reltol=1e-5))


def currents(p: LifParams) -> np.ndarray:
    """Input currents (A) of the bench: one below threshold, then from just above it to a fifth of i_max."""
    lowest, highest = 1.09 * p.i_rheobase, 0.2 * p.i_max
    if not highest > 2 * lowest:
        raise ValueError(
            f"LifParams.i_max must be above {10 * lowest!r} A to be calibrated, got {p.i_max!r}; lower r_reset"
        )
    return np.concatenate([[0.6 * p.i_rheobase], np.geomspace(lowest, highest, NEURONS)])


def _onset(p: LifParams) -> Second:
    return p.tau / 60


def bench(p: LifParams) -> Netlist:
    """Neurons side by side, each with its own constant current and supply, from rest.

    The one below threshold shows `tau` and `r`; the latencies of the others `v_threshold` and `delay`, their intervals
    `t_refractory` and `stretch`, and the lowest membrane voltages between spikes `v_reset` and `r_reset`.
    """
    elements: list[Element] = []
    for k, level in enumerate(currents(p)):
        elements += [V(f"dd{k}", f"vdd{k}", "0", p.v_dd)]
        elements += neuron(p, str(k), held((0.0, level), (0.0, _onset(p)), p.tau / 6000))
    probes = [f"{signal}{k})" for k in range(NEURONS + 1) for signal in ("v(m", "v(out", "i(vdd")]
    return Netlist("lif: bench", tuple(elements), tuple(probes), (build(p),))


def analysis(p: LifParams) -> Tran:
    """The analysis of the calibration."""
    return transient(p, 10 * p.tau)


def rising_edges(waves: Waveforms, signal: str, level: Volt) -> np.ndarray:
    """Times (s) at which a signal rises through `level`."""
    t, v = waves.time, waves[signal]
    k = np.flatnonzero((v[:-1] < level) & (v[1:] >= level))
    return t[k] + (level - v[k]) / (v[k + 1] - v[k]) * (t[k + 1] - t[k])


class _Observed(NamedTuple):
    """Per firing neuron: current, latency, mean interval, membrane while held; and the quiet neuron's membrane."""

    i: np.ndarray
    latency: np.ndarray
    interval: np.ndarray
    v_held: np.ndarray
    time: np.ndarray
    quiet: np.ndarray


def _observe(p: LifParams, waves: Waveforms) -> _Observed:
    spikes = [rising_edges(waves, f"v(out{k})", p.v_dd / 2) for k in range(1, NEURONS + 1)]
    if short := [k + 1 for k, times in enumerate(spikes) if len(times) < 2]:
        raise SimulationError(
            f"neurons {short} of the bench fired less than twice",
            hint="is the reset too weak, or the rheobase v_threshold / r_leak not that of the circuit?",
        )
    lowest = [
        waves[f"v(m{k + 1})"][(waves.time > times[0]) & (waves.time < times[-1])].min()
        for k, times in enumerate(spikes)
    ]
    time = np.linspace(_onset(p), waves.time[-1], 400)[1:]
    return _Observed(
        currents(p)[1:],
        np.array([times[0] for times in spikes]) - _onset(p),
        np.array([np.diff(times).mean() for times in spikes]),
        np.array(lowest),
        time - _onset(p),
        waves.at("v(m0)", time),
    )


def _residual(p: LifParams, fit: LifFit, seen: _Observed) -> np.ndarray:
    def rise(v: np.ndarray | float) -> np.ndarray:
        return fit.tau * np.log((fit.r * seen.i - v) / (fit.r * seen.i - fit.v_threshold))

    at_onset = p.v_reset * np.exp(-_onset(p) / fit.tau)
    v_held = fit.v_reset + fit.r_reset * seen.i
    quiet = fit.r * currents(p)[0] * -np.expm1(-seen.time / fit.tau) + at_onset * np.exp(-seen.time / fit.tau)
    return np.concatenate(
        [
            (rise(at_onset) + fit.delay) / seen.latency - 1,
            (rise(v_held) + fit.t_refractory / (1 - fit.stretch * seen.i)) / seen.interval - 1,
            (v_held - seen.v_held) / p.v_threshold,
            (quiet - seen.quiet) / p.v_threshold / np.sqrt(len(quiet)),
        ]
    )


def calibrate(p: LifParams, engine: Engine) -> Record:
    """Least squares on latencies, intervals, held voltages and a subthreshold charge curve; judged on `overlay`."""
    netlist, tran = bench(p), analysis(p)
    waves = engine.run(netlist, tran)
    seen = _observe(p, waves)
    scale = np.array(
        [p.tau, p.r_leak, p.v_threshold, p.v_threshold, p.r_reset, p.t_refractory, p.t_refractory, 1 / p.i_max]
    )
    first = asdict(LifFit.ideal(p))

    def decode(x: np.ndarray) -> LifFit:
        return LifFit(**dict(zip(first, (x * scale).tolist(), strict=True)))

    start = np.array(list(first.values())) / scale
    solution = least_squares(lambda x: _residual(p, decode(x), seen), start, xtol=1e-12)
    fit = decode(solution.x)
    error = _residual(p, fit, seen)[: 2 * NEURONS]
    unseen = _overlay(p, engine, fit)
    return Record(
        circuit="lif",
        params=asdict(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(tran),
        bench=_judged(error),
        unseen=_judged(unseen.interval_errors()),
        domain={"i": (-0.5 * p.i_rheobase, float(seen.i[-1]))},
        extra=_energies(p, waves) | _trains(unseen),
    )


def unseen(p: LifParams, twin: Lif, engine: Engine) -> Residual:
    """Errors of the intervals on the unseen stimulus, each over the interval itself; raises if the counts differ."""
    return _judged(_overlay(p, engine, twin.fit).interval_errors())


def respond(twin: Lif, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Spikes for the input current u in units of a fifth of i_max, in steps of tau / 100."""
    return twin(0.2 * twin.p.i_max * u, twin.p.tau / 100)[0]


def _judged(error: np.ndarray) -> Residual:
    return Residual(float(np.abs(error).max()), float(np.sqrt(np.mean(error**2))))


def _trains(overlay: "SpikeOverlay") -> dict[str, float]:
    """Number of spikes, and the worst spike time error since the start over the interval before the spike.

    That error accumulates over a train the tenths of a per cent by which the solver itself misses an interval.
    """
    drift = (overlay.twin_spikes - overlay.circuit_spikes) / np.diff(overlay.circuit_spikes, prepend=0.0)
    return {"unseen_spikes": float(len(drift)), "unseen_worst_drift": float(np.abs(drift).max())}


def _energies(p: LifParams, waves: Waveforms) -> dict[str, float]:
    """Energy per spike (J) at the third firing current of the bench (A), integrated over whole periods.

    supply: from v_dd, charging the output. input: from the current source. reset: lost in the reset switch, which is
    the input's energy less what the leak took, since the membrane ends each period where it began.
    """
    k = 3
    spikes = rising_edges(waves, f"v(out{k})", p.v_dd / 2)
    inside = (waves.time >= spikes[0]) & (waves.time <= spikes[-1])
    t, v, count = waves.time[inside], waves[f"v(m{k})"][inside], len(spikes) - 1
    i = float(currents(p)[k])
    supply = supplied(waves, {f"vdd{k}": p.v_dd}, spikes[0], spikes[-1]) / count
    source = i * np.trapezoid(v, t) / count
    leak = np.trapezoid(v**2, t) / p.r_leak / count
    return {
        "energy_current": i,
        "energy_per_spike_supply": supply,
        "energy_per_spike_input": float(source),
        "energy_per_spike_reset": float(source - leak),
    } | _supply_energies(p, waves)


def _supply_energies(p: LifParams, waves: Waveforms) -> dict[str, float]:
    """Energy per spike from the supply (J) at every firing current of the bench (A), for `spike_energy`."""
    found: dict[str, float] = {}
    for k in range(1, NEURONS + 1):
        spikes = rising_edges(waves, f"v(out{k})", p.v_dd / 2)
        found[f"energy_current_{k}"] = float(currents(p)[k])
        energy = supplied(waves, {f"vdd{k}": p.v_dd}, spikes[0], spikes[-1])
        found[f"energy_per_spike_supply_{k}"] = energy / (len(spikes) - 1)
    return found


def spike_energy(record: Record, i: np.ndarray) -> np.ndarray:
    """Energy a spike takes from the supply (J) at the input currents i (A): straight lines in logarithms."""
    current, energy = (
        np.log([record.extra[f"{name}_{k}"] for k in range(1, NEURONS + 1)])
        for name in ("energy_current", "energy_per_spike_supply")
    )
    return np.exp(np.interp(np.log(i), current, energy))


@dataclass(frozen=True, kw_only=True)
class SpikeOverlay(Overlay):
    """Input current (A) and membrane voltages (V), and both spike trains (s)."""

    circuit_spikes: np.ndarray
    twin_spikes: np.ndarray

    def interval_errors(self) -> np.ndarray:
        """Twin's intervals over the circuit's, less 1, the first from t = 0; raises when the spike counts differ."""
        if len(self.circuit_spikes) != len(self.twin_spikes):
            raise SimulationError(
                f"the circuit fires {len(self.circuit_spikes)} times, its twin {len(self.twin_spikes)} times",
                hint="calibrate over a range of currents that the circuit can follow",
            )
        return np.diff(self.twin_spikes, prepend=0.0) / np.diff(self.circuit_spikes, prepend=0.0) - 1


def overlay(p: LifParams, engine: Engine, record: Record) -> SpikeOverlay:
    """The unseen stimulus, random currents with pauses and negative ones, in `engine` and in the twin."""
    return _overlay(p, engine, LifFit(**record.fit))


def random_currents(p: LifParams, segments: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) of the changes, the first 0, and currents (A): 1/4 pauses, 1/8 negative, the rest log-uniform."""
    generator = np.random.default_rng(seed)
    changes = np.concatenate([[0.0], np.cumsum(p.tau * generator.uniform(0.3, 3.0, segments - 1))])
    kind = generator.random(segments)
    lowest, highest = currents(p)[[1, -1]]
    firing: np.ndarray = np.exp(generator.uniform(np.log(lowest), np.log(highest), segments))
    negative = -0.5 * p.i_rheobase * generator.random(segments)
    return changes, np.where(kind < 0.25, 0.0, np.where(kind < 0.375, negative, firing))


FAIR: One = 2e-3
"""A neuron this far off in threshold or refractory time must fire as often on the unseen stimulus."""


def _is_fair(fit: LifFit, changes: np.ndarray, levels: np.ndarray) -> bool:
    """Whether no change of the current comes so close to a spike that solver noise decides if it still happens."""
    variants = [
        replace(fit, v_threshold=fit.v_threshold * factor, t_refractory=fit.t_refractory * factor)
        for factor in (1 - FAIR, 1.0, 1 + FAIR)
    ]
    inputs = torch.from_numpy(changes), torch.from_numpy(levels)
    return len({len(train(variant, *inputs, changes[-1] + fit.tau).times) for variant in variants}) == 1


def _overlay(p: LifParams, engine: Engine, fit: LifFit) -> SpikeOverlay:
    drawn = (random_currents(p, SEGMENTS, seed) for seed in range(200))
    changes, levels = next(stimulus for stimulus in drawn if _is_fair(fit, *stimulus))
    stimulus: Pwl = held(levels.tolist(), changes.tolist(), p.tau / 6000)
    stop: Second = changes[-1] + p.tau
    waves = engine.run(testbench(p, stimulus), transient(p, stop))
    time = waves.time
    twin = train(fit, torch.from_numpy(changes), torch.from_numpy(levels), stop, p.v_reset)
    current = np.interp(time, *np.array(stimulus.points).T)
    return SpikeOverlay(
        time,
        current,
        np.array(waves["v(m)"]),
        trace(fit, twin.pieces, torch.from_numpy(time.copy())).numpy(),
        stimulus_label="input current (A)",
        output_label="membrane (V)",
        circuit_spikes=rising_edges(waves, "v(out)", p.v_dd / 2),
        twin_spikes=twin.times.numpy(),
    )
