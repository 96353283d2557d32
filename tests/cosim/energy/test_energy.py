"""Energy: against ngspice's supplies, against published formulas, and by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cosim import calibration, convert_to_analog, energy, hardware, program
from cosim.engines import Options
from cosim.engines.base import Dc
from cosim.layers import AnalogLinear, AnalogODE, CircuitNeuron, LifLayer, SemanticMemory
from cosim.layers.lines import from_planes
from cosim.twins.crossbar import node_voltages
from cosim.twins.crossbar.effective import row_admittance
from netlists import crossbar
from netlists.crossbar import CrossbarParams

SMALL = replace(hardware.DEMO, rows=8, cols=8, adc_bits=8, dac_bits=4, bit_serial=False, read_noise=None)


def layer(p: hardware.Hardware, *, rows: int = 12, cols: int = 6) -> AnalogLinear:
    return AnalogLinear(rows, cols, p, bias=False, seed=1, fidelity="exact").double()


def inputs(count: int, rows: int = 12) -> torch.Tensor:
    return torch.randn(count, rows, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_the_power_of_a_read_is_what_the_supplies_of_ngspice_give(ngspice, fidelity):
    lines = CrossbarParams(r_wl=0.0, r_bl=0.0) if fidelity == "ideal" else CrossbarParams(r_wl=20.0, r_bl=10.0)
    one = layer(replace(SMALL, crossbar=lines))
    one.fidelity = fidelity
    x = inputs(3)
    (counts,) = energy.count(one, x).values()
    v = one.core.drive(x, one.core._range(x)).rows.flatten(0, 1) * one.hardware.v_read
    g, found = from_planes(one.core._seen()[0]), 0.0
    sweep = Dc(source="Vidx", start=0.0, stop=len(v) - 1.0, step=1.0, options=Options(reltol=1e-9, abstol=1e-18))
    for place in one.core.tiling.places():
        drive, tile = v[:, one.core.tiling.rows[place[0]]].detach().numpy(), one.core.tiling.tile(g, place)
        bench = crossbar.testbench(lines, tile.detach().numpy(), drive)
        probes = tuple(f"i(b{k + 1})" for k in range(drive.shape[1]))
        waves = ngspice.run(replace(bench, probes=tuple(_sources(bench, probes))), sweep)
        supplied = -np.stack([np.real(waves[p]) for p in _sources(bench, probes)], axis=1)
        found += float((supplied * drive).sum())
    # Both solve the same linear network; ngspice to 1e-9.
    assert counts.array_power == pytest.approx(found, rel=1e-7)
    if fidelity == "ideal":
        bands = [one.core.tiling.rows[k] for k in range(len(one.core.tiling.rows))]
        by_hand = sum(float((v[:, rows].square() * g[rows].sum(1)).sum()) for rows in bands)
        assert counts.array_power == pytest.approx(by_hand, rel=1e-12)


def _sources(bench, probes):
    return probes
