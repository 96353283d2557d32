"""The pictures hold the numbers they claim to show."""

import numpy as np
import pytest
import torch

from cosim import plots
from devicemodels.statistics import Flicker, PulseResponse, Telegraph, flicker, telegraph


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_staircase_goes_to_g_max_and_back():
    p = PulseResponse(d2d=0.2)
    axes = plots.staircase(p, p, seeded(), cells=20).axes[0]
    mean = np.asarray(axes.lines[0].get_ydata())
    assert mean[[0, 64, 128]] == pytest.approx([1.0, 30.0, 1.0], rel=1e-9)


def test_histogram_counts_every_cell_of_every_level():
    target = torch.tensor([1e-6, 5e-6]).repeat_interleave(50).double()
    figure = plots.level_histogram(target + 1e-7 * torch.randn(100, generator=seeded()), target)
    assert len(figure.axes[0].lines) == 2 and "2 levels, 100 cells" in figure.axes[0].get_title()


def test_drift_draws_the_mean_over_cells_and_refuses_other_shapes():
    t, g = np.array([1.0, 10.0, 100.0]), np.outer([3e-6, 2e-6, 1e-6], [0.5, 1.5])
    axes = plots.drift(t, g).axes[0]
    assert np.asarray(axes.lines[-1].get_ydata()) == pytest.approx([3.0, 2.0, 1.0])
    with pytest.raises(ValueError, match=r"g must have shape \[time 3, cell\], got \(2, 3\)"):
        plots.drift(t, g.T)


@pytest.mark.parametrize(("make", "p"), [(flicker, Flicker(f_high=5e3)), (telegraph, Telegraph())])
def test_spectrum_lies_on_its_closed_form(make, p):
    axes = plots.spectrum(make(4096, 1e-4, p, seeded(), shape=(30,)), 1e-4, p).axes[0]
    measured, closed = (np.asarray(line.get_ydata()) for line in axes.lines[:2])
    assert np.mean(measured / closed) == pytest.approx(1.0, abs=0.03)
