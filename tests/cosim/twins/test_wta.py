"""The winner-take-all's twin against ngspice, finite differences and its own claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.engines import Engine, Op
from cosim.twins.wta import Wta, swap_delay
from netlists import wta
from netlists.wta import WtaParams

P = WtaParams()
FLOAT = torch.float64


def twin(p: WtaParams = P) -> Wta:
    return Wta.from_record(p, load("wta"))


def leading(p: WtaParams, lead: float) -> torch.Tensor:
    i = torch.full((p.inputs,), p.i_mean, dtype=FLOAT)
    i[0] *= 1 + lead
    return i


@pytest.mark.parametrize("inputs", [2, 8, 64])
def test_resolution_of_the_shipped_twin_is_that_of_ngspice(ngspice: Engine, inputs: int) -> None:
    p = replace(P, inputs=inputs)
    i = leading(p, twin(p).resolution())
    waves = ngspice.run(wta.testbench(p, i.tolist(), view="veriloga"), Op())
    found = -np.array([waves.value(f"i(vout{k})") for k in range(inputs)])
    assert found[0] / found.sum() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("inputs", [2, 8, 64])
def test_one_percent_is_found_at_every_size(inputs: int) -> None:
    p = replace(P, inputs=inputs)
    assert twin(p).resolution() < 0.01
    assert twin(p).winner(leading(p, 0.01)).item() == 0


def test_what_cannot_be_told_apart_has_no_winner() -> None:
    i = torch.stack([leading(P, 1e-4), leading(P, 0.02), leading(P, -0.02)])
    assert twin().winner(i).tolist() == [-1, 0, -1]


@pytest.mark.parametrize(("i", "lead"), [(1e-6, 0.1), (1e-5, 0.02), (1e-4, 0.1)])
def test_delay_goes_like_one_over_the_current(ngspice: Engine, i: float, lead: float) -> None:
    seen = swap_delay(P, ngspice, i, lead)[0]
    # The bias current, which moves c, is a tenth of the input at 10 µA and does not scale with it.
    assert float(twin().delay(torch.full((8,), i, dtype=FLOAT))) == pytest.approx(seen, rel=0.1)


def test_fit_is_the_netlist() -> None:
    fit, m = load("wta").fit, P.transistor
    assert fit["beta"] == pytest.approx(m.kp * m.w / m.l, rel=1e-3)
    assert fit["vto"] == pytest.approx(m.vto, rel=1e-3)
    assert fit["lam"] == pytest.approx(m.lam, rel=1e-3)


def test_shares_sum_to_one_and_follow_the_order_of_currents() -> None:
    i = P.i_mean * (1 + 0.01 * torch.rand(50, 8, generator=torch.Generator().manual_seed(0), dtype=FLOAT))
    shares = twin()(i)
    torch.testing.assert_close(shares.sum(-1), torch.ones(50, dtype=FLOAT), rtol=0, atol=1e-12)
    assert torch.equal(shares.argmax(-1), i.argmax(-1))


def test_gradients_are_finite_differences() -> None:
    def shares(x: torch.Tensor) -> torch.Tensor:
        return twin()(P.i_mean * (1 + 1e-3 * x))

    x = torch.rand(2, 8, generator=torch.Generator().manual_seed(1), dtype=FLOAT)
    assert torch.autograd.gradcheck(shares, x.requires_grad_(), atol=1e-5)
