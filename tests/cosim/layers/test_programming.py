"""Write and verify, ageing and its compensation, against closed forms."""

from dataclasses import replace
from math import erf, log, sqrt
from typing import Any

import pytest
import torch

from cosim import compensate_drift, program, set_time
from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear, Verify
from devicemodels.pcm.statistics import PcmStatistics, drift_moments
from devicemodels.statistics import CmoHfox, ProgrammingError, ReadNoise
from netlists.crossbar import CrossbarParams

ERROR = ProgrammingError(absolute=2e-6)
PCM = PcmStatistics()


def layer_on(hardware, rows=200, cols=100) -> Any:
    return AnalogLinear(rows, cols, hardware, bias=False, seed=2).double()


def test_verified_writes_are_a_geometric_series():
    layer = layer_on(replace(IDEAL, g_min=30e-6, programming=ERROR))
    verify = Verify(tolerance=1e-6, attempts=4)
    writes = layer.program(torch.Generator().manual_seed(0), verify)
    cells, hit = 2 * 200 * 100, erf(0.5 / sqrt(2))
    miss = 1 - hit
    error = layer.core.cells.error
    off = error.abs() > 1e-6
    assert int(off.sum()) == writes.failed
    # 4.5 binomial standard errors each; a write follows each miss, four at most.
    share = miss**4
    assert abs(writes.failed - cells * share) < 4.5 * sqrt(cells * share * (1 - share))
    expected = cells * sum(miss**k for k in range(4))
    spread = sqrt(cells * sum(miss**k * (1 - miss**k) for k in range(4)) * 2)
    assert abs(writes.writes - expected) < 4.5 * spread
    # The accepted are normal errors cut at half a deviation, whose variance is closed form.
    density = 2.718281828459045 ** (-0.125) / sqrt(6.283185307179586)
    cut = 1 - 2 * 0.5 * density / hit
    accepted = (error[~off] / 2e-6).square().mean()
    assert float(accepted) == pytest.approx(cut, rel=0.02, abs=0)


def test_without_verification_every_cell_is_written_once():
    layer = layer_on(replace(IDEAL, g_min=30e-6, programming=ERROR))
    writes = program(layer, torch.Generator().manual_seed(0))[""]
    assert (writes.writes, writes.failed) == (2 * 200 * 100, 0)


def test_noise_of_the_verifying_read_lets_wrong_cells_pass():
    hardware = replace(IDEAL, g_min=30e-6, programming=ERROR, read_noise=ReadNoise(relative=0.05))
    verify = Verify(tolerance=1e-6, attempts=8)
    spreads = []
    for one in (hardware, replace(hardware, read_noise=None)):
        layer = layer_on(one)
        layer.program(torch.Generator().manual_seed(0), verify)
        spreads.append(float(layer.core.cells.error.std()))
    assert spreads[0] > 1.5 * spreads[1]


def test_phase_change_cells_drift_by_their_own_exponents():
    layer = layer_on(replace(IDEAL, g_min=2e-6, g_max=25e-6, drift=PCM))
    layer.program(torch.Generator().manual_seed(0))
    target = layer.core.targets()
    seen = []
    for time in (1e3, 1e6):
        set_time(layer, time)
        seen.append(layer.core.cells.pair(target, None).pos / target.pos)
    nu = -seen[1].log() / log(1e6 / PCM.t_c)
    # The same cells at both times, and moments as published: 20 000 draws, their spread 5 % of the mean or more.
    torch.testing.assert_close(seen[0], (1e3 / PCM.t_c) ** -nu, rtol=1e-10, atol=0)
    mean, std = drift_moments(target.pos, PCM)
    z = (nu - mean) / std
    # |N(mean, std)|: the mean is at least 1.2 deviations above 0, so folding moves the mean by less than 0.06 of them.
    assert abs(float(z.mean().detach())) < 0.1
    assert float(z.std().detach()) == pytest.approx(1.0, abs=0.1)


def test_relaxing_cells_move_by_the_law_of_their_paper():
    p = CmoHfox()
    layer = layer_on(replace(IDEAL, g_min=20e-6, g_max=80e-6, drift=p))
    layer.program(torch.Generator().manual_seed(0))
    layer.time = 1e5
    target = layer.core.targets()
    moved = (layer.core.cells.pair(target, None).neg - target.neg).detach()
    shift, spread = p.shift * log(1e5), p.relax_slope * log(1e5) + p.relax_offset
    # 20 000 draws: 4.5 standard errors.
    assert abs(float(moved.mean()) - shift) < 4.5 * spread / sqrt(20_000)
    assert float(moved.std()) == pytest.approx(spread, rel=0.025, abs=0)


@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_compensation_undoes_a_drift_that_all_cells_share(fidelity):
    hardware = replace(
        IDEAL, rows=8, cols=8, g_min=2e-6, g_max=25e-6, drift=PCM, crossbar=CrossbarParams(r_wl=0, r_bl=0)
    )
    layer: Any = AnalogLinear(10, 6, hardware, bias=False, fidelity=fidelity).double()
    layer.program(torch.Generator().manual_seed(0))
    layer.core.cells.ageing.fill_(0.06)
    x = torch.randn(3, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = layer(x)
    layer.time = 1e6
    lost = (1e6 / PCM.t_c) ** -0.06
    torch.testing.assert_close(layer(x), before * lost, rtol=1e-10, atol=0)
    scales = compensate_drift(layer)
    assert scales[""] == pytest.approx(1 / lost, rel=1e-10, abs=0)
    torch.testing.assert_close(layer(x), before, rtol=1e-9, atol=0)
    layer.program(torch.Generator().manual_seed(0))
    assert layer.time is None
    torch.testing.assert_close(layer(x), before, rtol=1e-12, atol=0)


def test_compensation_takes_most_of_the_error_of_a_real_drift():
    hardware = replace(IDEAL, g_min=0.5e-6, g_max=25e-6, drift=PCM)
    layer = layer_on(hardware, rows=100, cols=20)
    layer.program(torch.Generator().manual_seed(0))
    x = torch.rand(50, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        before = layer(x)
        layer.time = 1e6
        drifted = (layer(x) - before).square().mean()
        layer.compensate_drift()
        left = (layer(x) - before).square().mean()
    assert left < 0.5 * drifted


def test_an_aged_layer_is_saved_with_its_age():
    hardware = replace(IDEAL, g_min=2e-6, g_max=25e-6, drift=PCM)
    layer, fresh = layer_on(hardware, 5, 3), layer_on(hardware, 5, 3)
    layer.program(torch.Generator().manual_seed(0))
    layer.time = 1e4
    layer.compensate_drift()
    fresh.load_state_dict(layer.state_dict())
    x = torch.rand(2, 5, dtype=torch.float64)
    assert torch.equal(fresh(x), layer(x))
    assert fresh.time == 1e4


def test_ageing_without_law_or_programming_is_refused():
    for hardware, missing in ((IDEAL, "Hardware.drift is None"), (replace(IDEAL, drift=PCM), "was not programmed")):
        layer = layer_on(hardware, 5, 3)
        layer.time = 1e3
        with pytest.raises(ValueError, match=f"time must be None as .*{missing}"):
            layer(torch.rand(1, 5, dtype=torch.float64))
    with pytest.raises(ValueError, match="compensate_drift needs the currents after programming"):
        layer_on(IDEAL, 5, 3).compensate_drift()
    layer = layer_on(replace(IDEAL, g_min=1e-6, drift=PCM), 5, 3)
    layer.program(torch.Generator().manual_seed(0))
    layer.time = 1.0
    with pytest.raises(ValueError, match="age must be at least t_c"):
        layer(torch.rand(1, 5, dtype=torch.float64))
