"""Sweeps: closed forms over the grid, seeds that depend on nothing else, failures that stay visible."""

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
import xarray as xr

from cosim.engines import Op, SimulationError, Tran
from cosim.runs import Cache
from cosim.sweeps import Lognormal, Measure, Normal, Uniform, generator, plot, save, sweep
from cosim.waveforms import Waveforms
from devicemodels.units import POSITIVE, Ohm, Volt, validate
from netlists.spice import R, V
from tests.bench.soak import RcParams, killed, monte_carlo, step_response
from tests.cosim.runs.stubs import Actor
from tests.reference_circuits import netlist


@dataclass(frozen=True, kw_only=True)
class Lower:
    r: Annotated[Ohm, POSITIVE] = 1e3

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class DividerParams:
    v: Volt = 1.0
    upper: Annotated[Ohm, POSITIVE] = 1e3
    lower: Lower = Lower()

    def __post_init__(self) -> None:
        validate(self)


def divider(p: DividerParams, rng: np.random.Generator):
    elements = V("1", "a", "0", p.v), R("1", "a", "b", p.upper), R("2", "b", "0", p.lower.r)
    return netlist("divider", *elements, probes=("v(b)", "i(v1)")), Op()


class Solver(Actor):
    """Solves the divider; refuses an upper resistor above 1 MΩ."""

    def run(self, netlist, analysis):
        source, upper, lower = netlist.elements
        assert isinstance(source, V) and isinstance(upper, R) and isinstance(lower, R)
        if upper.r > 1e6:
            raise SimulationError("too much")
        current = source.dc / (upper.r + lower.r)
        signals = {"v(b)": np.array([current * lower.r]), "i(v1)": np.array([-current])}
        return Waveforms("point", np.zeros(1), signals, netlist.digest, self.name, analysis)


GRID = {"v": [1.0, 2.0], "lower.r": [1e3, 2e3, 5e3]}
BASE = DividerParams()
VARY = {"upper": Normal(sigma=0.1), "lower.r": Lognormal(sigma=0.2)}


def test_every_point_of_the_grid_is_where_its_coordinates_say(ngspice):
    found = sweep(divider, GRID, engine=ngspice, base=BASE)
    assert found["v(b)"].dims == ("v", "lower.r")
    v, r = found["v"], found["lower.r"]
    # Linear and well conditioned: the last of 16 digits.
    xr.testing.assert_allclose(found["v(b)"], v * r / (r + 1e3), rtol=1e-14)
    xr.testing.assert_allclose(found["i(v1)"], -v / (r + 1e3), rtol=1e-14)


def test_units_and_provenance_are_with_the_numbers():
    found = sweep(divider, GRID, engine=Solver(), base=BASE, samples=2, vary={"upper": Normal(sigma=0.1)}, seed=5)
    units = {name: found[name].attrs["units"] for name in ("v", "lower.r", "v(b)", "i(v1)", "drawn upper")}
    assert units == {"v": "V", "lower.r": "Ω", "v(b)": "V", "i(v1)": "A", "drawn upper": "Ω"}
    assert found.attrs["engine"] == "actor" and found.attrs["seed"] == 5 and found.attrs["failed"] == 0
    assert json.loads(found.attrs["parameters"]) == {"v": 1.0, "upper": 1e3, "lower.r": 1e3}
    assert json.loads(found.attrs["varied"]) == {"upper": "Normal(sigma=0.1)"}
    params = DividerParams(v=2.0, upper=float(found["drawn upper"][1, 0, 1]))
    assert found["digest"][1, 0, 1].item() == divider(params, generator(5, 1))[0].digest


def test_samples_depend_on_seed_and_number_and_on_nothing_else():
    def run(grid, samples, **options):
        return sweep(divider, grid, engine=Solver(), base=BASE, samples=samples, vary=VARY, **options)

    one, four = (run(GRID, 6, seed=3, workers=workers) for workers in (1, 4))
    assert one.identical(four)
    assert one.isel(sample=slice(4))["v(b)"].equals(run(GRID, 4, seed=3)["v(b)"])
    assert one.sel({"v": 2.0})["v(b)"].drop_vars("v").equals(run({"lower.r": GRID["lower.r"]}, 6, seed=3)["v(b)"] * 2)
    assert not one["v(b)"].equals(run(GRID, 6, seed=4)["v(b)"])


def test_random_numbers_are_those_of_spawned_seed_sequences():
    children = np.random.SeedSequence(11).spawn(5)
    for k, child in enumerate(children):
        assert generator(11, k).random() == np.random.default_rng(child).random()


@pytest.mark.parametrize(
    ("variation", "mean", "std"),
    [
        (Normal(sigma=0.1), 1.0, 0.1),
        (Lognormal(sigma=0.1), np.exp(0.005), np.sqrt(np.expm1(0.01)) * np.exp(0.005)),
        (Uniform(width=0.3), 1.0, 0.3 / np.sqrt(3)),
    ],
)
def test_variations_have_the_moments_of_their_distribution(variation, mean, std):
    n = 20_000
    drawn = np.array([variation.draw(2.0, generator(1, k)) for k in range(n)]) / 2
    # Five standard errors: a false alarm in two million.
    assert abs(drawn.mean() - mean) < 5 * std / np.sqrt(n)
    assert abs(drawn.std() - std) < 5 * std / np.sqrt(n)


def test_failures_are_nan_with_their_reason_and_everything_else_stands():
    grid = {"upper": [1e3, 2e6, 3e3]}
    found = sweep(divider, grid, engine=Solver(), base=BASE)
    np.testing.assert_array_equal(np.isnan(found["v(b)"]), [False, True, False])
    assert found["error"].values.tolist() == ["", "too much", ""]
    assert found.attrs["failed"] == 1


def test_a_sample_that_cannot_be_built_or_measured_is_a_failure_too():
    wild = sweep(divider, {}, engine=Solver(), base=BASE, samples=40, vary={"upper": Normal(sigma=1.0)}, seed=1)
    refused = wild["drawn upper"].values <= 0
    assert 0 < refused.sum() < 40
    np.testing.assert_array_equal(np.isnan(wild["v(b)"]), refused)
    assert all("must be positive" in text for text in wild["error"].values[refused])
    nan = sweep(divider, {}, engine=Solver(), base=BASE, measure={"never": Measure(lambda waves: np.nan)})
    assert "measure 'never' gave nan" in nan["error"].item()
    assert "v(b)" not in nan and np.isnan(nan["never"].item())


def test_transients_are_read_at_the_points_asked_for(ngspice):
    points = np.linspace(1e-7, 1e-6, 10)
    found = sweep(step_response, {"r": [1e3, 2e3]}, engine=ngspice, base=RcParams(), points=points)
    amplitude = 1 + 0.01 * generator(0, 0).standard_normal()
    tau: xr.DataArray = found["r"] * 1e-9
    # The ramp of 1 ns counts as a step in its middle; what is left is below (1 ns/τ)²/24, the rest ngspice's reltol.
    expected: xr.DataArray = amplitude * (1 - xr.ufuncs.exp(-(found["time"] - 0.5e-9) / tau))
    assert found["v(out)"].dims == ("r", "time") and found["v(out)"].attrs["units"] == "V"
    xr.testing.assert_allclose(found["v(out)"], expected.transpose("r", "time"), rtol=0, atol=1e-3)


def test_a_measure_with_its_unit_and_the_standard_ones(ngspice):
    late = {"end": Measure(lambda waves: waves["v(out)"][-1], "V")}
    found = sweep(step_response, {"c": [1e-9, 2e-9]}, engine=ngspice, base=RcParams(), measure=late)
    standard = sweep(step_response, {"c": [1e-9, 2e-9]}, engine=ngspice, base=RcParams())
    assert found["end"].attrs["units"] == "V"
    np.testing.assert_array_equal(found["end"], standard["v(out) last"])
    assert set(standard.data_vars) >= {"v(out) min", "v(out) max", "v(out) last"}


def test_what_is_saved_is_what_is_read_again(tmp_path):
    found = sweep(divider, GRID, engine=Solver(), base=BASE, samples=3, vary=VARY, seed=1)
    save(found, tmp_path / "sweep.nc")
    with xr.open_dataset(tmp_path / "sweep.nc") as read:
        assert read.load().identical(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"params": {"lower.x": [1.0]}}, r"Lower has no field 'x' .*it has r"),
        ({"params": {"upper": [1.0, 1.0]}}, "different values of upper"),
        ({"params": {"upper": []}}, "one or more"),
        ({"params": {"upper": [0.0]}}, r"DividerParams\.upper must be positive, got 0\.0"),
        ({"params": {}, "vary": {"lower": Normal(sigma=0.1)}}, "only numbers can vary; lower is Lower"),
        ({"params": {}, "samples": 0}, "samples=0"),
        ({"params": {}, "measure": {}, "points": [0.0]}, "either measure or points"),
        ({"params": {}, "base": None}, "needs base"),
    ],
)
def test_bad_input_is_one_clear_error(options, words):
    with pytest.raises(ValueError, match=words):
        sweep(divider, **{"engine": Solver(), "base": BASE, **options})


def test_a_sweep_is_drawn_by_its_parameters(tmp_path):
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    grid = {"upper": [1e3, 1e4, 1e5], "v": [1.0, 2.0]}
    found = sweep(divider, grid, engine=Solver(), base=BASE, samples=4, vary={"lower.r": Normal(sigma=0.1)})
    original = Figure.savefig
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), original(self, *a, **k)))
        plot(found, tmp_path / "sweep.png")
    panels = drawn[0].axes[:2]
    assert [panel.get_ylabel() for panel in panels] == ["v(b) (V)", "i(v1) (A)"]
    assert panels[0].get_xlabel() == "upper (Ω)" and panels[0].get_xscale() == "log"
    for line, v in zip(panels[0].get_lines(), grid["v"], strict=True):
        np.testing.assert_allclose(np.asarray(line.get_ydata(), dtype=float), found["v(b)"].sel(v=v).mean("sample"))
    assert (tmp_path / "sweep.png").stat().st_size > 10_000


def test_a_killed_monte_carlo_resumes_to_the_same_bits_and_loses_only_runs_in_flight(tmp_path):
    output, seen = killed(200, 2, tmp_path, workers=2)
    assert all(after >= when for when, after in seen)
    whole = monte_carlo(200, workers=1, cache=Cache(tmp_path / "other"))
    assert whole.attrs["failed"] == 0
    with xr.open_dataset(output) as resumed:
        assert resumed.load().identical(whole)


def test_a_transient_analysis_may_depend_on_the_parameters(ngspice):
    def build(p: RcParams, rng):
        return step_response(p, rng)[0], Tran(stop=5 * p.r * p.c, max_step=p.r * p.c / 100)

    found = sweep(build, {"r": [1e3, 1e4]}, engine=ngspice, base=RcParams())
    amplitude = 1 + 0.01 * generator(0, 0).standard_normal()
    np.testing.assert_allclose(found["v(out) last"], amplitude * (1 - np.exp(-5)), rtol=0, atol=1e-3)
