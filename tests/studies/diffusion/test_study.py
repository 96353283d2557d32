"""The study end to end on its smallest size, and its parts against closed forms."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studies import STUDIES
from studies.diffusion import figures, ring, sde, study
from studies.diffusion.circuit import Solver
from studies.diffusion.evaluation import crossing, written
from studies.diffusion.findings import cost, generated
from studies.diffusion.score import ScoreNet, layers, sample
from studies.diffusion.study import Results
from tests.studies.edge_pruning.conftest import Silent


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    study.run(study.TINY, folder, Silent())
    return folder


def test_every_size_is_a_configuration_of_the_study():
    assert STUDIES["diffusion"].sizes.keys() == {"tiny", "demo", "full"}
    assert study.DEMO.trajectories >= 20
    assert (study.DEMO.bits, study.DEMO.updates) == (12, 200)


def test_twin_generates_the_ring_and_clipping_destroys_it(finished: Path):
    quality = Results.of(finished).quality
    assert quality["twin, ode"]["mean"] == pytest.approx(0.7, abs=0.06)
    # Clipping at 3 units doubles the deviation even of a network that was trained for a short time.
    assert quality["twin, clipped"]["std"] > 1.5 * quality["twin, ode"]["std"]
    assert quality["software, clipped"]["std"] > 1.5 * quality["software, ode"]["std"]


def test_circuit_follows_its_twin(finished: Path):
    results = Results.of(finished)
    found = generated(results.trajectories)
    assert found is not None
    assert found.samples == 2
    # The rectifiers' dead time in a loop of some 5 ms is worth 1 % of a unit, as in the loop of the rotor.
    assert found.worst < 0.03
    clipped = generated(results.clipped)
    assert clipped is not None
    assert clipped.worst < 0.03


def test_energy_is_at_least_that_of_the_amplifiers_at_rest(finished: Path):
    found = cost(json.loads((finished / "results.json").read_text()))
    # 60 trans-impedance amplifiers, 28 rectifiers and 2 integrators; 1.5 mA from rail to rail each.
    assert found.energy["±2.75 V"] > 90 * 5.5 * 1.5e-3 * found.time
    assert found.total == sum(found.energy.values())


def test_a_run_goes_on_where_it_was(finished: Path, tmp_path: Path):
    for path in finished.glob("*"):
        if path.name not in ("results.json", "report.html", "robustness-leaks.json") and path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    again = study.run(study.TINY, tmp_path, Silent())
    assert again.robustness == Results.of(finished).robustness
    with pytest.raises(ValueError, match="holds a run with other settings"):
        study.run(replace(study.TINY, seed=1), tmp_path, Silent())


def test_report_holds_the_numbers(finished: Path):
    page = study.report(finished).read_text()
    results = json.loads((finished / "results.json").read_text())
    assert f"{results['quality']['twin, ode']['mean']:.3f} ±" in page
    assert len(figures.robustness(results).axes) == 5


def test_marginal_solves_the_forward_equation():
    t = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    m, sigma = sde.marginal(t)
    # d(σ²)/dt = β(1 - σ²), integrated by the trapezoidal rule: h² is 1e-8.
    change = torch.trapezoid(sde.beta(t) * (1 - sigma**2), t)
    assert float(sigma[-1] ** 2) == pytest.approx(float(change), rel=1e-6, abs=0)
    assert float(m[-1]) == pytest.approx(0.882, abs=5e-4)


def test_exact_score_of_a_normal_distribution_is_inverted_by_the_ode():
    """For data N(0, 1) the score is -x at all times: the ODE stands still and the SDE keeps the distribution."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 2, generator=generator, dtype=torch.float64)

    for how, tolerance in ((sde.controls(100, "ode", 2.0), 1e-12), (sde.controls(100, "sde", 2.0), 0.05)):
        end = x
        for k in range(100):
            end = end + how.ds * (how.drift[k] - how.score[k]) * end
            end = end + how.ds * how.noise[k] * torch.randn(x.shape, generator=generator, dtype=torch.float64)
        # The variance of 8,000 numbers is known to 1.6 %, that of an Euler step to b ds/4.
        assert float(end.var()) == pytest.approx(float(x.var()), rel=tolerance)


def test_layers_of_the_circuit_are_the_network():
    net = ScoreNet(torch.Generator().manual_seed(1))
    x, t = torch.tensor([[0.3, -0.8]]), torch.tensor([0.4])
    rows = x[0].double().numpy()
    for depth, layer in enumerate(layers(*net.arrays())):
        driven = net.embedding(t)[0].double().numpy() if layer.inputs else []
        rows = np.concatenate([rows, [1.0], driven]) @ layer.rows
        rows = np.maximum(rows, 0) if depth < 2 else 5 * rows
    expected = net(x, net.embedding(t))[0].detach().numpy()
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


def test_divergence_counts_what_is_missing():
    generator = torch.Generator().manual_seed(0)
    points = ring.ring(5000, generator).numpy()
    assert ring.kl(points, points) == 0
    # Half of the ring: each full bin is twice as likely, log 2.
    assert ring.kl(points[points[:, 0] > 0], points) == pytest.approx(np.log(2), abs=0.05)
    assert ring.radius(points)["mean"] == pytest.approx(0.7, abs=4 * 0.04 / 5000**0.5)


def test_converters_step_and_saturate():
    net = ScoreNet(torch.Generator().manual_seed(1))
    solver = Solver(p=study.TINY.circuit(), net=net, weights=net.arrays(), bits=4)
    embedding = solver.held(study.TINY.controls("ode"))[:, 0, :14]
    steps = embedding / (0.2 / 8)
    np.testing.assert_allclose(steps, steps.round(), rtol=0, atol=1e-9)
    fine = replace(solver, bits=12).held(study.TINY.controls("ode"))[:, 0, :14]
    assert float((embedding - fine).abs().max()) <= 0.2 / 16 + 0.2 / 4096


def test_written_weights_differ_by_the_error():
    weights = ([np.ones((200, 100))], [np.ones(100)])
    found = written(weights, 0.1, torch.Generator().manual_seed(0))
    # The deviation of 20,000 numbers is known to 0.5 %.
    assert found[0][0].std() == pytest.approx(0.1, rel=0.03)


def test_crossing_is_the_first_count_of_equal_quality():
    rows = [{"count": 20, "kl": 0.7}, {"count": 5, "kl": 0.9}, {"count": 10, "kl": 0.8}]
    assert crossing(rows, 0.85) == rows[2]
    assert crossing(rows, 0.1) is None


def test_clipped_network_is_another_one():
    generator = torch.Generator().manual_seed(0)
    net, x = ScoreNet(generator), torch.randn(50, 2, generator=generator)
    how = study.TINY.controls("ode")
    free = sample(net, x, how, generator)
    assert torch.equal(free, sample(net, x, how, generator, limit=1e3))
    assert not torch.equal(free, sample(net, x, how, generator, limit=0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": (5,)}, r"counts must be two or more positive numbers, got \(5,\)"),
        ({"errors": (2.0,)}, r"errors must lie above 0 and up to 1, got \(2.0,\)"),
        ({"samples": 0}, "samples must be positive, got 0"),
    ],
)
def test_bad_configuration_is_named(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(study.TINY, **change)
