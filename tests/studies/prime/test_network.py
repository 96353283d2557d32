"""The network is the paper's: sizes, masks, equations; early stop and operation counts against plain loops."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from cosim.twins.integrator import IntegratorFit
from cosim.twins.lif import LifFit
from studies.prime import circuits
from studies.prime.config import Config
from studies.prime.early_stop import answers, operations, stops, up_to
from studies.prime.network import answer, build, mappings, sides
from studies.prime.twin import Fits, as_built

SMALL = Config(data="shipped", channels=(3, 4), steps=4, threshold=0.05)


def counts(config: Config, samples: int = 3) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    side = sides(config)[0]
    return torch.poisson(torch.full((config.steps, samples, 2, side, side), 0.6), generator=random)


@pytest.mark.parametrize("arm", ["pruned", "software"])
def test_the_network_has_as_many_weights_as_the_papers(arm: str):
    assert sum(p.numel() for p in build(arm, Config()).parameters()) == 42_840


def test_half_of_each_layer_stays_and_has_the_papers_spread():
    network = build("pruned", Config())
    for mapping in mappings(network).values():
        assert int(mapping.mask.sum()) == mapping.mask.numel() // 2
    pair = mappings(network)["linear"]
    weights = (pair.on[0] - pair.on[1]) / pair.unit
    # 23,040 weights: the standard error of their spread is 0.5 %.
    assert float(weights.std()) == pytest.approx(0.06352, rel=0.02)


def test_the_network_is_the_loop_of_the_papers_equations():
    config = replace(SMALL, negative_slope=0.1)
    network, x = build("pruned", config), counts(config)
    pairs = {name: mapping() for name, mapping in mappings(network).items()}
    w1, w2, w3 = (((pairs[name].pos - pairs[name].neg) / pairs[name].unit).T for name in ("conv1", "conv2", "linear"))
    w1, w2 = w1.reshape(3, 2, 5, 5), w2.reshape(4, 3, 5, 5)
    u1 = u2 = total = torch.zeros(())
    for t, counted in enumerate(x):
        u1 = F.leaky_relu(0.2 * u1 + F.conv2d(counted, w1, padding=1), 0.1)
        s1 = (u1 > config.threshold).float()
        u2 = F.leaky_relu(0.2 * u2 + F.conv2d(F.avg_pool2d(s1, 2), w2), 0.1)
        s2 = (u2 > config.threshold).float()
        total = total + F.avg_pool2d(s2, 2).flatten(1) @ w3.T
        u1, u2 = u1 * (1 - s1), u2 * (1 - s2)
        assert s1.mean() > 0.01 and s2.mean() > 0.001
        torch.testing.assert_close(network(x)[t], total, rtol=1e-4, atol=1e-5)


def test_circuits_without_faults_are_the_network():
    network, x = build("pruned", SMALL), counts(SMALL).clamp(max=circuits.COUNTS)
    expected = network(x)
    fits = Fits(LifFit.ideal(circuits.realisation(SMALL).params), IntegratorFit())
    same = as_built(network, fits)(x)
    # A membrane within rounding of the threshold may fire on one side only: one spike moves U by a few hundredths.
    assert (same - expected).abs().mean() < 2e-3
    spread = as_built(build("pruned", SMALL), fits, threshold_spread=0.3)(x)
    assert (spread - expected).abs().mean() > 0.02


def test_tiny_spreads_change_nothing_and_a_seed_gives_the_same_neurons():
    network, x = build("pruned", SMALL), counts(SMALL)
    fits = Fits(LifFit.ideal(circuits.realisation(SMALL).params), IntegratorFit())
    expected = as_built(network, fits)(x)
    almost = as_built(build("pruned", SMALL), fits, c_spread=1e-9)(x)
    assert (almost - expected).abs().mean() < 2e-3
    one, two = (as_built(build("pruned", SMALL), fits, c_spread=0.2, seed=5)(x) for _ in range(2))
    assert torch.equal(one, two)


def test_a_sample_stops_at_its_first_sure_step_and_answers_with_the_mean_so_far():
    u = torch.zeros(3, 2, 10)
    u[:, 0, 4] = torch.tensor([0.0, 12.0, 12.0])
    u[:, 1, 2] = torch.tensor([1.0, 1.0, 1.0])
    # Sample 0: mean of U is 0, 6, 8; over 2 that is e^3/(e^3 + 9) = 0.69 after two steps, 0.86 after three.
    assert stops(u, 0.6, 2.0).tolist() == [1, 2]
    assert stops(u, 0.8, 2.0).tolist() == [2, 2]
    assert answers(u, torch.tensor([1, 2])).tolist() == [4, 2]
    torch.testing.assert_close(answer(u)[:, 0, 4], torch.tensor([0.0, 6.0, 8.0]))


def test_operations_are_the_inputs_that_are_not_zero_times_their_weights():
    network, x = build("pruned", SMALL), counts(SMALL)
    ops = operations(network, x)
    inputs = network.inputs(x)
    for k, (h, fan) in enumerate(zip(inputs, (75, 100, 10), strict=True)):
        assert float(ops[k, 2, 1]) == fan * int((h[2, 1] != 0).sum())
    total = ops.sum(0)
    assert up_to(total, torch.full((3,), 3)) == pytest.approx(float(total.sum()))
    assert up_to(total, torch.zeros(3, dtype=torch.long)) == pytest.approx(float(total[0].sum()))
