"""The noise of a time series in a circuit is the one in torch, sample by sample."""

import numpy as np
import pytest
import torch

from cosim.engines import ENGINES, Options, Tran
from devicemodels import device_of
from devicemodels.ohmic import OhmicParams
from devicemodels.statistics import Flicker, Telegraph, Traps, flicker, telegraph, trapped, traps
from devicemodels.vteam import MAGIC
from netlists import noise
from netlists.spice import Pwl

N, DT = 300, 1e-4
TIGHT = Options(reltol=1e-9, vntol=1e-12, abstol=1e-18)


def fluctuation() -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return flicker(N, DT, Flicker(q=1e-4, f_high=5e3), generator) + telegraph(N, DT, Telegraph(), generator)


def ensemble(cell: object) -> torch.Tensor:
    d, generator = device_of(cell), torch.Generator().manual_seed(6)
    g = d.model.conductance(cell, torch.tensor([getattr(cell, d.state)], dtype=torch.float64))
    drawn = traps(g, Traps(mean_count=6.0, size=0.1, tau_min=1e-3), generator)
    assert len(drawn.signals) > 2
    return trapped(N, DT, drawn, generator)[0]


@pytest.mark.parametrize("make", [lambda cell: fluctuation(), ensemble], ids=["flicker and trap", "ensemble"])
@pytest.mark.parametrize("view", ["spice", "veriloga"])
@pytest.mark.parametrize("cell", [OhmicParams(), MAGIC], ids=["ohmic", "vteam"])
def test_current_of_a_read_is_that_of_torch_at_every_sample(cell, view, make):
    series, d = make(cell), device_of(cell)
    v = torch.tensor(0.1, dtype=torch.float64)
    expected = d.model.current(cell, torch.tensor(getattr(cell, d.state), dtype=torch.float64), v) * (1 + series)
    netlist = noise.testbench(cell, series.numpy(), DT, float(v), view=view)
    waves = ENGINES["ngspice"]().run(netlist, Tran(stop=(N - 1) * DT, max_step=DT, options=TIGHT))
    current = -waves.at("i(va)", np.minimum(np.arange(N) * DT, waves.time[-1]))
    np.testing.assert_allclose(current, expected.numpy(), rtol=1e-6, atol=0)
    assert np.ptp(current) > 0.05 * current.mean()


def test_noise_leaves_the_state_as_it_was_without():
    """A SET pulse with a noise of half the conductance reaches the state of a pulse without noise."""
    pulse = Pwl(((0.0, 0.0), (0.1e-9, -1.9), (0.5e-9, -1.9), (0.6e-9, 0.0)))
    ends = []
    for amplitude in (0.0, 0.5):
        samples = amplitude * (-1.0) ** np.arange(14)
        netlist = noise.testbench(MAGIC, samples, 0.05e-9, pulse)
        waves = ENGINES["ngspice"]().run(netlist, Tran(stop=0.6e-9, max_step=1e-12, options=Options(reltol=1e-6)))
        ends.append(waves["v(x)"][-1])
    assert ends[0] < MAGIC.x0 - 0.05
    # The corners of the samples make other time steps: that is 1e-5 here.
    assert ends[1] == pytest.approx(ends[0], rel=0, abs=5e-5)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(noise.LONGEST + 1), "2 to 5000 values of one cell, got shape"),
        (np.zeros((3, 3)), "got shape \\(3, 3\\)"),
        (np.array([0.0, np.nan]), "samples must be finite"),
    ],
)
def test_samples_that_cannot_be_printed_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        noise.build(MAGIC, samples, DT)


def test_unknown_view_is_refused():
    with pytest.raises(ValueError, match="view must be 'spice' or 'veriloga', got 'verilog'"):
        noise.build(MAGIC, np.zeros(3), DT, view="verilog")  # pyright: ignore[reportArgumentType]
