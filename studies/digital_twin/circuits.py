"""The trained twin as a circuit: the whole closed loop in the simulator, against its twins and the truth."""

import resource
from typing import Any

import numpy as np
import torch

from cosim.calibration import load
from cosim.engines.base import Engine
from cosim.twins.base import supplied
from cosim.twins.ode_loop import OdeLoop, OdeLoopFit, transient
from netlists import ode_loop
from netlists.mlp import Layer
from netlists.ode_loop import OdeLoopParams
from studies.digital_twin import models, systems
from studies.digital_twin.parts import Part

P = OdeLoopParams()
"""One unit of time in 1 ms."""
PICOJOULE_PER_OPERATION = 0.481
"""What the publishing group's own figures charge a graphics processor for an operation, from the energies and operation
counts of their reservoir network (Nature Machine Intelligence 5, 104, 2023); a multiplication and a sum are two."""


def closed_loop(part: Part, model: models.Twin, which: int, length: float, engine: Engine) -> dict[str, Any]:
    """Test trajectory `which` for `length` units of time in the engine; errors over the swing of the circuit."""
    names = ("u",) if part.inputs else ()
    layers, x0 = model.rate.circuit(names), part.test.states[which, 0]
    steps = round(length / part.test.dt)
    inputs, u = _drive(part, which, steps)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sources = _sources(layers)
    netlist = ode_loop.testbench(
        P, layers, x0.tolist(), inputs, (*(f"v({n})" for n in names), *(f"i({s})" for s in sources))
    )
    waves = engine.run(netlist, transient(P, length))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    at = np.minimum(P.t_load + P.tau * part.test.dt * np.arange(steps + 1), waves.time[-1])
    circuit = np.stack([waves.at(f"v(x{k})", at) for k in range(len(x0))], -1) / P.unit
    calibrated = OdeLoop(P, OdeLoopFit(**load("ode_loop").fit), layers=layers)
    start, drives = torch.from_numpy(x0)[None], torch.from_numpy(u)
    with torch.no_grad():
        twin = calibrated(start, P.tau * part.test.dt, steps, drives[None])[0].numpy()
        software = model(start, drives[:, None], steps, part.test.dt)[:, 0].numpy()
    swing, truth = float(np.ptp(circuit, axis=0).max()), part.test.states[which, : steps + 1]
    energy = supplied(waves, sources, P.t_load)
    return {
        "label": part.labels[which] if part.labels else "",
        "length": length,
        "swing": swing,
        "twin_error": float(np.abs(twin - circuit).max() / swing),
        "software_error": float(np.abs(software - circuit).max() / swing),
        "truth_error": float(np.abs(truth - circuit).max() / swing),
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "points": len(waves.time),
        "amplifiers": sum(3 * layer.weight.shape[1] for layer in layers),
        "energy_per_unit": energy / length,
        "seconds_per_unit": P.tau,
        "counted_energy_per_unit": 1e-12 * PICOJOULE_PER_OPERATION * 2 * 4 * _products(layers) / part.test.dt,
        "time": (np.arange(steps + 1) * part.test.dt).tolist(),
        "circuit": circuit.round(6).tolist(),
        "twin": twin.round(6).tolist(),
        "software": software.round(6).tolist(),
        "truth": truth.round(6).tolist(),
        "digest": waves.digest,
        "engine": waves.engine,
    }


def _products(layers: tuple[Layer, ...]) -> int:
    return sum(layer.rows.size for layer in layers)


def _drive(part: Part, which: int, steps: int) -> tuple[dict[str, Any], np.ndarray]:
    """The stimulus of the netlist, and the same straight lines at the half steps of the twins [half_step, input]."""
    half = np.linspace(0, steps * part.test.dt, 2 * steps + 1)
    if not part.inputs:
        return {}, np.zeros((len(half), 0))
    kind = systems.WAVEFORMS[which]
    times, volts = systems.corners(kind, part.config.test_amplitude, steps * part.test.dt)
    return {"u": ode_loop.stimulus(P, P.tau * times, volts)}, np.interp(half, times, volts)[:, None]


def _sources(layers: tuple[Layer, ...]) -> dict[str, float | str]:
    """Every source that gives energy while the loop runs, and its voltage."""
    rails: dict[str, float | str] = {f"v{rail}": volts for rail, volts in ode_loop.system(P, layers).supplies.items()}
    driven = {f"v{name}": f"v({name})" for layer in layers for name in layer.inputs}
    return rails | {"vbias": P.unit, "vclamp": P.network.relu.v_clamp} | driven
