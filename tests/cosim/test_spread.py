"""Monte Carlo of circuits: the spread of a fit against that of what was drawn, and instances drawn from a spread."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cosim.calibration import Record, Spread, load
from cosim.circuits import CIRCUITS
from cosim.cli import monte_carlo
from cosim.engines import ENGINES, Analysis, Engine, Op
from cosim.mismatch import MISMATCH
from cosim.runs import Cache
from cosim.settings import field_at
from cosim.spread import AtTemperature, MonteCarlo, spread
from cosim.sweeps.variation import Normal, Shift
from cosim.twins.base import Twin
from cosim.twins.integrator import Integrator, flow
from cosim.twins.lif import Lif, step
from cosim.twins.tia import Tia
from cosim.waveforms import Waveforms
from netlists.mosfet import NMOS_180NM, M
from netlists.spice import Netlist, V

PLAN = MonteCarlo(samples=4, vary={"r": Normal(sigma=0.02)})


class Refusing(Engine):
    """Has the version of ngspice and simulates nothing."""

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        raise AssertionError(f"{netlist.title} was simulated again")

    def version(self) -> str:
        return ENGINES["ngspice"]().version()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def record(ngspice: Engine, cache: Cache) -> Record:
    return spread(CIRCUITS["integrator"], PLAN, ngspice, workers=1, cache=cache)


def test_spread_of_the_gain_is_that_of_the_drawn_resistors(record: Record) -> None:
    assert record.spread is not None and record.spread.failed == 0
    nominal = CIRCUITS["integrator"].params
    ratios = np.array([nominal.r / PLAN.draw(nominal, k).r for k in range(PLAN.samples)])
    # gain = r_nominal / (r + r_on) less the amplifier's 0.2 %, which is common to all samples: 1 % of the spread.
    assert record.spread.std()["gain"] == pytest.approx(ratios.std(ddof=1), rel=0.01)
    assert record.spread.mean[record.spread.names.index("gain")] == pytest.approx(ratios.mean(), rel=0.005)


def test_nominal_record_is_the_usual_one(record: Record) -> None:
    assert replace(record, spread=None).fit == pytest.approx(dict(load("integrator").fit), rel=1e-3)


def test_a_finished_run_is_answered_from_the_cache_alone_whatever_the_workers(record: Record, cache: Cache) -> None:
    assert spread(CIRCUITS["integrator"], PLAN, Refusing(), workers=2, cache=cache) == record


def test_record_with_a_spread_survives_being_written_and_read(record: Record) -> None:
    assert Record.from_json(record.to_json()) == record


def test_a_parameter_of_the_bench_cannot_vary(ngspice: Engine, tmp_path: Path) -> None:
    plan = MonteCarlo(samples=2, vary={"g_col": Normal(sigma=0.1)})
    with pytest.raises(ValueError, match="g_col is a value of the test bench"):
        spread(CIRCUITS["tia"], plan, ngspice, cache=Cache(tmp_path))


def test_drawn_parameters_have_the_asked_moments_and_correlation() -> None:
    vary = {"r": Normal(sigma=0.02), "c": Normal(sigma=0.05), "opamp.v_offset": Shift(sigma=1e-3)}
    plan = MonteCarlo(samples=4000, vary=vary, correlation={("r", "c"): -0.8}, seed=5)
    nominal = CIRCUITS["integrator"].params
    drawn = [plan.draw(nominal, k) for k in range(plan.samples)]
    values = np.array([(p.r / nominal.r, p.c / nominal.c, p.opamp.v_offset) for p in drawn])
    # Standard errors at 4000 samples: 1.1 % of a standard deviation, 0.006 and 0.016 of a correlation; four of them.
    np.testing.assert_allclose(values.std(axis=0), [0.02, 0.05, 1e-3], rtol=0.045)
    found = np.corrcoef(values.T)
    assert found[0, 1] == pytest.approx(-0.8, abs=0.024) and found[0, 2] == pytest.approx(0.0, abs=0.064)


def test_impossible_correlations_are_refused() -> None:
    vary = {name: Normal(sigma=0.1) for name in ("r", "c", "r_ic")}
    impossible = {("r", "c"): -0.9, ("c", "r_ic"): -0.9, ("r", "r_ic"): -0.9}
    with pytest.raises(ValueError, match="no numbers have the correlations"):
        MonteCarlo(samples=2, vary=vary, correlation=impossible)


@pytest.mark.parametrize("name", MISMATCH)
def test_default_mismatch_names_fields_of_the_circuit(name: str) -> None:
    for path in MISMATCH[name]:
        owner, field = field_at(CIRCUITS[name].params, path)
        assert isinstance(getattr(owner, field), float)


def given(name: str, share: float) -> Twin:
    """The shipped twin with a spread: `share` of each parameter, the first two, by the alphabet, correlated."""
    circuit, shipped = CIRCUITS[name], load(name)
    shipped = replace(shipped, fit=dict(sorted(shipped.fit.items())))
    std = np.array([share * abs(value) for value in shipped.fit.values()])
    correlation = np.eye(len(std))
    correlation[0, 1] = correlation[1, 0] = 0.6
    covariance = tuple(map(tuple, (correlation * std * std[:, None]).tolist()))
    found = Spread(
        names=tuple(shipped.fit), mean=tuple(shipped.fit.values()), covariance=covariance,
        samples=2, failed=0, seed=0, vary={}, worst=0.0,
    )  # fmt: skip
    return circuit.twin(circuit.params, replace(shipped, spread=found))


def test_drawn_instances_have_the_covariance_of_the_spread() -> None:
    twin = given("lif", 0.02).draw(torch.Generator().manual_seed(1), 20_000)
    shipped = load("lif").fit
    delay, r = (getattr(twin.fit, name) / shipped[name] for name in ("delay", "r"))
    # Standard errors at 20 000: 1.4e-4 of a mean, 0.5 % of a standard deviation, 0.0045 of the correlation; four each.
    assert delay.mean().item() == pytest.approx(1.0, abs=6e-4) and delay.std().item() == pytest.approx(0.02, rel=0.02)
    assert torch.corrcoef(torch.stack([delay, r]))[0, 1].item() == pytest.approx(0.6, abs=0.018)


def single(twin: Twin, k: int) -> Twin:
    """Instance k of drawn ones, as a twin of its own."""
    fit = type(twin.fit)(**{name: value[k].item() for name, value in vars(twin.fit).items()})
    return type(twin)(twin.p, fit)


def test_drawn_neurons_step_like_each_of_them_alone() -> None:
    twin = given("lif", 0.02).draw(torch.Generator().manual_seed(2), 5)
    assert isinstance(twin, Lif)
    i = torch.full((5,), 3 * twin.p.i_rheobase, dtype=torch.float64)
    state = twin.initial(i)
    alone = [(single(twin, k), single(twin, k).initial(i[k])) for k in range(5)]  # pyright: ignore
    for _ in range(60):
        fired, state = step(twin.fit, state, i, twin.p.tau / 20, 5.0)
        for k, (one, before) in enumerate(alone):
            out, after = step(one.fit, before, i[k], one.p.tau / 20, 5.0)
            alone[k] = one, after
            assert out == fired[k]
            torch.testing.assert_close(after.v, state.v[k], rtol=1e-12, atol=0)
    assert state.v.std() > 0


def test_drawn_integrators_and_amplifiers_answer_like_each_of_them_alone() -> None:
    integrator, tia = (given(name, 0.01).draw(torch.Generator().manual_seed(3), 4) for name in ("integrator", "tia"))
    assert isinstance(integrator, Integrator) and isinstance(tia, Tia)
    w, u = torch.zeros(4, dtype=torch.float64), torch.full((4,), 0.3, dtype=torch.float64)
    long = torch.full_like(w, 5 * integrator.p.tau)  # into a rail
    found = flow(integrator.fit, integrator.p.tau, w, u, long)
    i = tia.p.i_max * torch.tensor([0.5, -0.9, 1.2, -1.5], dtype=torch.float64)
    for k in range(4):
        one = flow(single(integrator, k).fit, integrator.p.tau, w[k], u[k], long[k])
        torch.testing.assert_close(one, found[k], rtol=1e-12, atol=0)
        torch.testing.assert_close(single(tia, k)(i)[k], tia(i)[k], rtol=1e-12, atol=0)


def test_without_a_spread_nothing_is_drawn() -> None:
    circuit = CIRCUITS["relu"]
    twin = circuit.twin(circuit.params, replace(load("relu"), spread=None))
    with pytest.raises(ValueError, match="--monte-carlo"):
        twin.draw(torch.Generator(), 2)


def test_a_transistor_is_weaker_when_hot(ngspice: Engine) -> None:
    card = replace(NMOS_180NM, lam_l=0.0)
    elements = [V("d", "d", "0", 1.8), V("a", "a", "0", 0.8), V("b", "b", "0", 1.2), V("d2", "e", "0", 1.8)]
    pair = (M("1", "d", "a", "0", "0", card, 1e-6, 1e-6), M("2", "e", "b", "0", "0", card, 1e-6, 1e-6))
    netlist = Netlist("pair", (*elements, *pair), ("i(vd)", "i(vd2)"))

    def kp(engine: Engine) -> float:
        waves = engine.run(netlist, Op())
        low, high = (np.sqrt(-2 * waves.value(name)) for name in ("i(vd)", "i(vd2)"))
        return float(((high - low) / 0.4) ** 2)  # whatever the threshold

    assert kp(ngspice) == pytest.approx(card.kp, rel=1e-4)
    # Level 1: kp falls with T^-1.5. Junctions leak some 1e-12 A of 1e-5 A.
    assert kp(AtTemperature(ngspice, 85.0)) == pytest.approx(card.kp * (358.15 / 300.15) ** -1.5, rel=1e-4)


def test_record_at_a_corner_says_its_temperature(ngspice: Engine) -> None:
    circuit = CIRCUITS["opamp_cmos"]
    hot = circuit.calibrate(circuit.params, AtTemperature(ngspice, 85.0))
    assert "temp=85.0" in hot.analysis and "temp" not in load("opamp_cmos").analysis
    assert hot.fit["leak"] > 1.1 * load("opamp_cmos").fit["leak"]


def test_options_of_the_command_line_are_read() -> None:
    assert monte_carlo.corner("temp=85, v_dd=1.62") == (["v_dd=1.62"], 85.0)
    params = CIRCUITS["integrator"].params
    found = monte_carlo.mismatches("c=0.01,opamp.v_offset=+2e-3", params)
    assert found == {"c": Normal(sigma=0.01), "opamp.v_offset": Shift(sigma=2e-3)}
    with pytest.raises(ValueError, match="is 0 and has no relative deviation"):
        monte_carlo.mismatches("opamp.v_offset=0.1", params)
