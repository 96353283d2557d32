"""The certificate: chosen neurons and the whole output layer in a circuit simulator, and the early stop in its loop."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from cosim.certification import wilson
from cosim.cosimulation import STOP, Stop, cosimulate
from cosim.engines.base import Engine, Options, SimulationError, Tran
from cosim.engines.session import Stretch
from cosim.layers.spiking import OverTime, Realisation
from cosim.runs import run_many
from cosim.twins.base import supplied
from cosim.twins.lif import trace, train
from cosim.twins.lif.calibration import rising_edges
from cosim.waveforms import Waveforms
from devicemodels.units import Second
from studies.prime import circuits
from studies.prime.early_stop import answers, stops
from studies.prime.network import Classifier, sides
from studies.prime.twin import Fits, cells

CHANNELS = 4
"""Neurons of the certified position: the first channels of the first layer."""
MAX_STEP: Second = 50e-9


@dataclass(frozen=True, kw_only=True)
class PrimeCertificate:
    """Circuit against twin on test samples. Steps count from 1; voltages in V."""

    samples: int
    neurons: int
    spikes: int
    spikes_twin: int
    equal_slots: float
    """Share of (neuron, step) in which both fire or neither does."""
    stops: list[int]
    stops_twin: list[int]
    answers: list[int]
    answers_twin: list[int]
    labels: list[int]
    worst_output: float
    """Largest difference of an output integrator at the end of a step."""
    largest_output: float
    energy_neurons: list[float]
    """J from the supplies of the certified neurons and their amplifiers, one sample and all steps."""
    energy_outputs: list[float]
    """J from the amplifiers' rails of the output layer until the stop."""
    engine: str
    seconds: float
    traces: dict[str, Any]
    """Of the first sample, for figures."""

    @property
    def equal_stops(self) -> float:
        return float(np.mean(np.array(self.stops) == np.array(self.stops_twin)))

    @property
    def holds(self) -> bool:
        """Whether at least 95 % of the samples stop at the same step."""
        return self.equal_stops >= 0.95

    def to_json(self) -> str:
        return json.dumps(asdict(self), allow_nan=False)

    def __str__(self) -> str:
        same = sum(a == b for a, b in zip(self.stops, self.stops_twin, strict=True))
        agree = sum(a == b for a, b in zip(self.answers, self.answers_twin, strict=True))
        right = sum(a == b for a, b in zip(self.answers, self.labels, strict=True))
        return "\n".join(
            [
                f"same stop          {wilson(same, self.samples)}",
                f"same answer        {wilson(agree, self.samples)}",
                f"accuracy           {wilson(right, self.samples)} in {self.engine}",
                f"same spikes        {self.equal_slots:.2%} of neurons and steps, {self.spikes} and {self.spikes_twin}",
                f"mean steps         {np.mean(self.stops):.2f} in {self.engine}, {np.mean(self.stops_twin):.2f} twin",
                f"worst output       {self.worst_output:.1e} V apart, of up to {self.largest_output:.2g} V",
                f"certificate        {'holds' if self.holds else 'DOES NOT HOLD'} (same stop for at least 95 %)",
            ]
        )


@torch.no_grad()
def certify(
    model: Classifier, x: Float[Tensor, "time sample 2 row col"], y: Tensor, fits: Fits, engine: Engine
) -> PrimeCertificate:
    """Send samples through the circuits of `model`, which is as built, and compare with its twin.

    The neurons of one position are simulated with all their cells; their spikes replace the twin's; the output layer
    is simulated until the controller, which sees the integrators at the end of each step, is sure.
    """
    start = perf_counter()
    model.eval()
    found, config = circuits.realisation(model.config), model.config
    place = sides(config)[1] // 2
    h = model.lif1(OverTime(model.conv1)(x))
    waves = _neurons(model, x, place, engine)
    slots = np.stack([_spikes(one, len(x)) for one in waves], 1)
    mixed = h.clone()
    count = slots.shape[-1]
    mixed[:, :, :count, place, place] = torch.from_numpy(slots).to(mixed)
    twin_u = _twin_outputs(model, _last_inputs(model, h), fits)
    last = _last_inputs(model, mixed)
    looks = [_until_sure(model, last[:, k], fits) for k in range(len(y))]
    expected = stops(twin_u, config.stop_at, config.temperature)
    twin_mixed = _twin_outputs(model, last, fits).numpy()
    errors = [np.abs(u - twin_mixed[: len(u), k]).max() for k, (u, _) in enumerate(looks)]
    volt = circuits.per_unit(fits.integrator)
    same = slots == h[:, :, :count, place, place].numpy()
    ends = [len(u) for u, _ in looks]
    return PrimeCertificate(
        samples=len(y),
        neurons=count,
        spikes=int(slots.sum()),
        spikes_twin=int(h[:, :, :count, place, place].sum()),
        equal_slots=float(same.mean()),
        stops=ends,
        stops_twin=(expected + 1).tolist(),
        answers=[int(u.mean(0).argmax()) for u, _ in looks],
        answers_twin=answers(twin_u, expected).tolist(),
        labels=y.tolist(),
        worst_output=float(max(errors) * volt),
        largest_output=float(max(np.abs(u).max() for u, _ in looks) * volt),
        energy_neurons=[_energy(one, {"dd": found.params.v_dd}) for one in waves],
        energy_outputs=[_energy(one, {}) for _, one in looks],
        engine=waves[0].engine,
        seconds=perf_counter() - start,
        traces=_traces(model, x, place, waves[0], looks[0], twin_u, fits),
    )


def patch(x: Float[Tensor, "time 2 row col"], place: int) -> Float[np.ndarray, "time row"]:
    """The counts that drive the array for the output at (place, place), in the order of its rows."""
    return F.unfold(x, 5, padding=1).unflatten(2, (x.shape[-2] - 2, -1))[:, :, place, place].double().numpy()


def _neurons(model: Classifier, x: Tensor, place: int, engine: Engine) -> list[Waveforms]:
    g = cells(model, "conv1")[:, :CHANNELS]
    stop = len(x) * circuits.STEP
    analysis = Tran(stop=stop, max_step=MAX_STEP, options=Options(method="gear"))
    jobs = [(circuits.neurons(patch(x[:, k], place), g, model.config), analysis) for k in range(x.shape[1])]
    found = []
    for waves in run_many(jobs, engine, workers=2):
        if isinstance(waves, SimulationError):
            raise waves
        found.append(waves)
    return found


def _spikes(waves: Waveforms, steps: int) -> Float[np.ndarray, "time neuron"]:
    """1 where a neuron fires in a step; ValueError where it fires twice."""
    count = sum(name.startswith("v(out") for name in waves.signals)
    found = np.zeros((steps, count))
    for k in range(count):
        edges = rising_edges(waves, f"v(out{k})", circuits.MEMBRANE.v_dd / 2)
        np.add.at(found[:, k], (edges / circuits.STEP).astype(int), 1)
    if found.max(initial=0) > 1:
        raise ValueError("a neuron fires twice in one step; LifParams.t_refractory must outlast circuits.WIDTH")
    return found


def _last_inputs(model: Classifier, spikes: Tensor) -> Float[Tensor, "time sample row"]:
    h = OverTime(model.pool)(spikes)
    return OverTime(model.pool)(model.lif2(OverTime(model.conv2)(h))).flatten(2)


def _currents(model: Classifier, last: Float[Tensor, "time row"], g: np.ndarray) -> Float[np.ndarray, "time col 2"]:
    return np.einsum("tr,rks->tks", last.double().numpy(), g) * circuits.v_unit("linear", model.config)


def _twin_outputs(model: Classifier, last: Tensor, fits: Fits) -> Float[Tensor, "time sample 10"]:
    """U as the calibrated integrators say it."""
    g, config = cells(model, "linear"), model.config
    found = [
        circuits.output_twin(_currents(model, last[:, k], g), g, fits.integrator, config) for k in range(last.shape[1])
    ]
    return torch.from_numpy(np.stack(found, 1)) / circuits.per_unit(fits.integrator)


def _until_sure(model: Classifier, last: Float[Tensor, "time row"], fits: Fits) -> tuple[np.ndarray, Waveforms]:
    """U after each step until the controller ended the simulation, and the waveforms."""
    g, config, volt = cells(model, "linear"), model.config, circuits.per_unit(fits.integrator)
    netlist = circuits.outputs(_currents(model, last, g), g, config)
    seen: list[np.ndarray] = []

    def controller(time: Second, stretch: Stretch) -> Stop | None:
        if time < circuits.end(0) - circuits.STEP / 2:
            return None
        seen.append(np.array([stretch.waves[f"v(u{k})"][-1] for k in range(g.shape[1])]) / volt)
        logits = np.mean(seen, 0) / config.temperature
        return STOP if 1 / np.exp(logits - logits.max()).sum() > config.stop_at else None

    analysis = Tran(stop=circuits.end(len(last) - 1), max_step=MAX_STEP)
    result = cosimulate(netlist, analysis, controller, every=circuits.STEP)
    return np.array(seen), result.waves


def _energy(waves: Waveforms, others: dict[str, float]) -> float:
    rails = {"high": circuits.AMPLIFIER.v_high, "low": circuits.AMPLIFIER.v_low} | others
    return supplied(waves, {f"v{name}": volts for name, volts in rails.items()}, 0.0, float(waves.time[-1]))


def _traces(
    model: Classifier,
    x: Tensor,
    place: int,
    waves: Waveforms,
    look: tuple[np.ndarray, Waveforms],
    twin_u: Tensor,
    fits: Fits,
) -> dict[str, Any]:
    """Membranes and spikes of the first sample, circuit and twin, and its outputs."""
    found = circuits.realisation(model.config)
    g = cells(model, "conv1")[:, :CHANNELS]
    inputs = patch(x[:, 0], place).clip(max=circuits.COUNTS)
    weights = (g[..., 0] - g[..., 1]) / model.config.weight_unit
    times = np.linspace(0, len(x) * circuits.STEP, 1500)
    membranes, spikes, twin_membranes, twin_spikes = [], [], [], []
    for k in range(g.shape[1]):
        changes, currents = _schedule(found, inputs @ weights[:, k])
        one = train(fits.neuron, changes, currents, float(times[-1]), 0.0)
        membranes.append(np.interp(times, waves.time, waves[f"v(m{k})"]).tolist())
        twin_membranes.append(trace(fits.neuron, one.pieces, torch.from_numpy(times)).tolist())
        spikes.append(rising_edges(waves, f"v(out{k})", circuits.MEMBRANE.v_dd / 2).tolist())
        twin_spikes.append(one.times.tolist())
    return {
        "time": times.tolist(),
        "membranes": membranes,
        "membranes_twin": twin_membranes,
        "spikes": spikes,
        "spikes_twin": twin_spikes,
        "outputs": look[0].tolist(),
        "outputs_twin": twin_u[:, 0].tolist(),
    }


def _schedule(found: Realisation, inputs: Sequence[float] | np.ndarray) -> tuple[Tensor, Tensor]:
    changes, currents = found.packets(np.asarray(inputs))
    return torch.from_numpy(changes), torch.from_numpy(currents)
