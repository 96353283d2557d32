"""Pictures of one device by name: `memspice device NAME --plot FILE --picture KIND`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cosim import plots
from devicemodels import Device
from devicemodels.drawing import picture
from devicemodels.pcm import PcmParams, statistics
from devicemodels.programming import WriteVerify, pulse, pulses_for, write_verify

if TYPE_CHECKING:
    from matplotlib.figure import Figure

C2C = 0.1
"""Std of the change of state by one pulse, relative, in the pictures (ours)."""
CELLS, LEVELS, SEED = 100, 8, 1
EDGES = (0.2, 0.8)
"""Shares of the range of the state between which the levels lie."""


def staircase(device: Device, p: Any) -> "Figure":
    """40 identical pulses that raise the conductance, 40 that lower it, on the device's own rate, from its low end."""
    shape = replace(pulses_for(p), c2c=C2C)
    generator = torch.Generator().manual_seed(SEED)
    x = device.model.state(p, torch.full((CELLS,), _range(device, p)[0], dtype=torch.float64))
    seen = [device.model.conductance(p, x)]
    for v in (shape.v_up, shape.v_down):
        for _ in range(40):
            x = _pulsed(device, p, x, v, shape, generator)
            seen.append(device.model.conductance(p, x))
    title = f"{device.name}: {shape.v_up:g} V and {shape.v_down:g} V for {shape.width:.2g} s, step ±{100 * C2C:g} %"
    return plots.steps(torch.stack(seen), 40, title)


def levels(device: Device, p: Any) -> "Figure":
    """Eight levels: of pcm as its statistics say, of the others as write-verify leaves them."""
    generator = torch.Generator().manual_seed(SEED)
    if isinstance(p, PcmParams):
        law = statistics.PcmStatistics()
        target = torch.linspace(0.1, 1.0, LEVELS, dtype=torch.float64).repeat(CELLS) * law.g_max
        return plots.level_histogram(statistics.program(target, law, generator), target)
    target = torch.linspace(*_range(device, p), LEVELS, dtype=torch.float64).repeat(CELLS)
    done = write_verify(target, p, replace(pulses_for(p), c2c=C2C), generator)
    return plots.level_histogram(done.conductance, target)


def drift(device: Device, p: Any) -> "Figure":
    """Drift of pcm over six decades of age; ValueError for the others, of which no law is published here."""
    if not isinstance(p, PcmParams):
        raise ValueError(f"{device.name} has no law of drift; pcm has, and statistics.relax is that of CMO/HfOx")
    law, generator = statistics.PcmStatistics(), torch.Generator().manual_seed(SEED)
    target = torch.full((CELLS,), float(p.g), dtype=torch.float64)
    start, nu = statistics.program(target, law, generator), statistics.exponents(target, law, generator)
    ages = np.geomspace(law.t_c, 1e6 * law.t_c, 61)
    return plots.drift(ages, np.stack([statistics.drift(start, nu, age, law).numpy() for age in ages]))


PICTURES: Mapping[str, Callable[[Device, Any], "Figure"]] = {
    "loop": picture,
    "staircase": staircase,
    "levels": levels,
    "drift": drift,
}
"""loop: current over voltage, linear and logarithmic, and switching time over voltage."""


def _pulsed(
    device: Device, p: Any, x: torch.Tensor, v: float, shape: WriteVerify, generator: torch.Generator
) -> torch.Tensor:
    after, _ = pulse(device, p, x, torch.full_like(x, v), shape)
    noise = 1 + shape.c2c * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return (x + (after - x) * noise).clamp(0.0, 1.0)


def _range(device: Device, p: Any) -> tuple[float, float]:
    """Smaller and larger conductance (S) at EDGES."""
    pulses_for(p)
    low, high = sorted(float(g) for g in device.model.conductance(p, torch.tensor(EDGES, dtype=torch.float64)))
    return low, high
