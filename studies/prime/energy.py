"""Energy per inference: counted from components, measured from waveforms, and of digital arithmetic beside it.

Counted, per step and sample: every array is read once for each of its output positions, every column of a read has its
amplifier on for one packet at its quiescent current, every spike costs what the calibration measured, and the output
integrators are on all the time. Drivers, control, memory and converters are left out on both sides.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cosim.layers.spiking import OverTime
from devicemodels.units import Joule
from studies.prime import circuits
from studies.prime.network import LAYERS, Classifier, sides
from studies.prime.twin import cells

MAC_FP32: Joule = 4.6e-12
"""One 32-bit floating-point multiplication (3.7 pJ) and addition (0.9 pJ) in 45 nm: Horowitz, ISSCC 2014."""
ADD_FP32: Joule = 0.9e-12
"""The addition alone, from the same."""
MAC_INT8: Joule = 0.23e-12
"""One 8-bit integer multiplication (0.2 pJ) and addition (0.03 pJ), from the same."""
PAPER = {"N-MNIST": 37.83, "load saved": 0.77}
"""The paper's ratio to its digital baseline, and the load its early stop saves."""


def dense(model: Classifier) -> float:
    """Multiplications and additions of one step, zeros included."""
    side = sides(model.config)
    first, second = model.config.channels
    return 50.0 * first * side[1] ** 2 + 25.0 * first * second * side[3] ** 2 + 10.0 * second * side[4] ** 2


@torch.no_grad()
def counted(
    model: Classifier, x: Float[Tensor, "time sample 2 row col"], per_spike: Joule
) -> dict[str, Float[Tensor, "time sample"]]:
    """Energy (J) of each part in each step and sample; the network must be as built."""
    inputs = [h.double() for h in model.inputs(x)]
    power = circuits.AMPLIFIER.i_quiescent * (circuits.AMPLIFIER.v_high - circuits.AMPLIFIER.v_low)
    side = sides(model.config)
    positions = {"conv1": side[1] ** 2, "conv2": side[3] ** 2, "linear": 1}
    array = torch.zeros(x.shape[:2], dtype=torch.float64)
    columns = 0
    for name, h in zip(LAYERS, inputs, strict=True):
        g = torch.from_numpy(cells(model, name)).sum((1, 2))
        array += _read(h, g, positions[name], circuits.v_unit(name, model.config))
        columns += positions[name] * 2 * cells(model, name).shape[1]
    spikes = model.lif1(OverTime(model.conv1)(x)).flatten(2).sum(2)
    spikes = spikes + model.lif2(OverTime(model.conv2)(inputs[1].float())).flatten(2).sum(2)
    return {
        "cells": array,
        "amplifiers of columns": torch.full_like(array, columns * power * circuits.WIDTH),
        "neurons": per_spike * spikes.double(),
        "output integrators": torch.full_like(array, 10 * power * circuits.STEP),
    }


def _read(h: Tensor, g: Tensor, positions: int, v_unit: float) -> Float[Tensor, "time sample"]:
    """Joule heat of the cells: each input drives its row once for each position that sees it (edges counted full)."""
    if h.ndim == 3:
        return (h**2 * g).sum(2) * v_unit**2 * circuits.WIDTH
    of_channel = g.reshape(h.shape[2], -1).mean(1)
    seen = 25 * (positions / (h.shape[3] * h.shape[4]))
    return (h**2).sum((3, 4)) @ of_channel * (seen * v_unit**2 * circuits.WIDTH)


def table(
    model: Classifier,
    x: Float[Tensor, "time sample 2 row col"],
    ops: Float[Tensor, "time sample"],
    step: Int[Tensor, " sample"],
    per_spike: Joule,
) -> dict[str, Any]:
    """Mean energies (J) per inference, after all steps ("all") and with early stop ("early")."""
    parts = counted(model, x, per_spike)
    done = (torch.arange(len(ops)).reshape(-1, 1) <= step).double()
    samples = ops.shape[1]
    macs = dense(model) * torch.ones_like(ops)
    digital = {
        "dense, 32-bit": MAC_FP32 * macs,
        "dense, 8-bit": MAC_INT8 * macs,
        "additions of spikes, 32-bit": ADD_FP32 * ops,
    }
    both = {"all": torch.ones_like(done), "early": done}

    def means(energies: dict[str, Tensor]) -> dict[str, dict[str, float]]:
        return {
            case: {name: float((e.double() * mask).sum() / samples) for name, e in energies.items()}
            for case, mask in both.items()
        }

    return {"circuits": means(parts), "digital": means(digital)}
