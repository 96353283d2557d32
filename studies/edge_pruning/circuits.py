"""Looks into the circuits behind the result: one tile of the trained network in the simulator, and two twins."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from cosim import set_frame
from cosim.calibration import load
from cosim.engines.base import Dc, Engine, Op
from cosim.layers.spice import OPTIONS
from cosim.twins import integrator, lif
from cosim.twins.crossbar import effective_conductance, first_order
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from netlists.integrator import IntegratorParams
from netlists.lif import LifParams
from netlists.spice import Netlist, Subckt
from studies.edge_pruning.evaluation import Bench
from studies.edge_pruning.networks import analog_layers

READS = 24
"""Test images whose currents go into the scatter."""
POINTS = 900
"""Most points of a scatter or a smooth curve that results.json keeps."""

LIF_POINTS = 6000
"""The same for the neuron, whose spikes need more."""

SPIKES = 12
"""A few spikes show more than a whole train."""


def tile(bench: Bench, network: str, engine: Engine) -> dict[str, Any]:
    """A tile of the layer fc1, of its second band: currents by fidelity, and node voltages for the brightest image."""
    config = bench.config
    model = bench.model("pruning_reference", network, r_line=config.r_line, read_noise=config.read_noise)
    set_frame(model, 0)
    layer = analog_layers(model)["fc1"]
    inputs: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach()))
    with torch.no_grad():
        model(bench.x[:READS])
        g = layer.core.cells(layer.core.targets(), 0).double().numpy()
    hook.remove()
    assert layer.core.input_range is not None
    # The first rows of an image are mostly dark.
    band, cols = layer.core.tiling.rows[min(1, len(layer.core.tiling.rows) - 1)], layer.core.tiling.cols[0]
    v = (inputs[0] / layer.core.input_range).double().numpy()[:, band] * layer.hardware.v_read
    p, g = layer.hardware.crossbar, g[band, cols]
    return _scatter(p, g, v, engine) | _drops(p, g, v[v.sum(1).argmax()], engine)


def _scatter(p: CrossbarParams, g: np.ndarray, v: np.ndarray, engine: Engine) -> dict[str, Any]:
    waves = engine.run(
        crossbar.testbench(p, g, v), Dc(source="Vidx", start=0.0, stop=len(v) - 1.0, step=1.0, options=OPTIONS)
    )
    tensor = torch.from_numpy(g)
    currents = {
        "engine": np.stack([waves[f"i(vsense{j})"] for j in range(g.shape[1])], axis=-1),
        "ideal": v @ g,
        "twin": v @ first_order(tensor, p).numpy(),
        "exact": v @ effective_conductance(tensor, p).numpy(),
    }
    return {name: _short(i.ravel()) for name, i in currents.items()}


def _drops(p: CrossbarParams, g: np.ndarray, v: np.ndarray, engine: Engine) -> dict[str, Any]:
    """Voltages (V) of word- and bit-line nodes [row, col], and drivers (V), solved by the engine."""
    whole = crossbar.testbench(p, g, v)
    inner = whole.subckts[0]
    assert isinstance(inner, Subckt)
    word, bit = ([f"v({kind}{i}_{j})" for i in range(g.shape[0]) for j in range(g.shape[1])] for kind in "wb")
    # The same array without its subcircuit, so that inner nodes have names of their own in every simulator.
    flat = Netlist(
        title=whole.title,
        elements=(*whole.elements[:-1], *inner.elements),
        probes=(*word, *bit, *whole.probes),
    )
    waves = engine.run(flat, Op(options=OPTIONS))
    nodes = {
        kind: np.array([waves.value(name) for name in names]).reshape(g.shape).round(9).tolist()
        for kind, names in (("word_line", word), ("bit_line", bit))
    }
    return nodes | {"drivers": v.tolist(), "digest": waves.digest, "engine_name": waves.engine}


def _short(values: Float[np.ndarray, " n"], most: int = POINTS) -> list[float]:
    return values[:: -(-len(values) // most)].tolist()


def twins(engine: Engine) -> dict[str, Any]:
    """Integrator and LIF neuron, circuit and calibrated twin on stimuli that no fit has seen."""
    of_lif = lif.overlay(LifParams(), engine, load("lif"))
    of_integrator = integrator.overlay(IntegratorParams(), engine, load("integrator"))
    shown = of_lif.x <= of_lif.circuit_spikes[min(SPIKES, len(of_lif.circuit_spikes) - 1)]
    parts = {"time": "x", "stimulus": "stimulus", "circuit": "circuit", "twin": "twin"}
    traces = {name: getattr(of_lif, part)[shown].tolist() for name, part in parts.items()}
    return {
        "lif": traces
        | {
            "zoom": of_lif.circuit_spikes[1:6].tolist(),
            "spikes": [len(of_lif.circuit_spikes), len(of_lif.twin_spikes)],
            "worst_interval": float(np.abs(of_lif.interval_errors()).max()),
        },
        "integrator": {name: _short(getattr(of_integrator, part)) for name, part in parts.items()}
        | {
            "worst": float(np.abs(of_integrator.twin - of_integrator.circuit).max()),
            "swing": float(np.ptp(of_integrator.circuit)),
        },
    }
