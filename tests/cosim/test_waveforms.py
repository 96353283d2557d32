"""Waveforms do not change, do not extrapolate, and keep every digit on the way out; `compare` finds the worst point."""

import numpy as np
import pytest
import xarray as xr

from cosim.engines import Op, Tran
from cosim.waveforms import Waveforms, compare

TIME = np.linspace(0.0, 1.0, 11)


def waves(axis=TIME, name: str = "time", **signals) -> Waveforms:
    return Waveforms(name, axis, signals, "digest", "stub-1", Tran(stop=1.0, max_step=0.1))


def test_nothing_of_waveforms_can_be_changed():
    w = waves(a=np.sin(TIME))
    with pytest.raises(ValueError, match="read-only"):
        w["a"][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        w.axis[0] = 1.0
    with pytest.raises(TypeError):
        w.signals["b"] = TIME  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        w.digest = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_changing_the_arrays_they_were_made_of_does_not_change_them():
    source, axis = np.sin(TIME), TIME.copy()
    w = waves(axis, a=source)
    source[:] = 7.0
    axis[:] = 7.0
    np.testing.assert_array_equal(w["a"], np.sin(TIME))
    np.testing.assert_array_equal(w.axis, TIME)


def test_signal_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"signal a must have shape \(11,\), got \(3,\)"):
        waves(a=np.zeros(3))


def test_unknown_signal_is_answered_with_the_known_ones():
    with pytest.raises(KeyError, match=r"no signal 'b'; there are \['a'\]"):
        waves(a=TIME)["b"]


def test_time_is_refused_over_another_axis():
    with pytest.raises(ValueError, match="over frequency"):
        _ = waves(name="frequency", a=TIME).time


def test_interpolation_is_linear_and_exact_at_the_points():
    w = waves(a=TIME**2)
    np.testing.assert_array_equal(w.at("a", TIME), TIME**2)
    assert w.at("a", np.array([0.05]))[0] == pytest.approx(0.005)


def test_interpolation_of_complex_signals_keeps_both_parts():
    w = waves(a=TIME + 2j * TIME)
    assert w.at("a", np.array([0.25]))[0] == pytest.approx(0.25 + 0.5j)


@pytest.mark.parametrize("point", [-1e-9, 1.0 + 1e-9, np.nan])
def test_extrapolation_is_refused(point):
    with pytest.raises(ValueError, match="outside the simulated"):
        waves(a=TIME).at("a", np.array([point]))


def test_value_is_the_number_of_an_operating_point_only():
    assert Waveforms("point", np.zeros(1), {"v": np.array([0.5])}, "d", "e", Op()).value("v") == 0.5
    with pytest.raises(ValueError, match="11 values"):
        waves(a=TIME).value("a")


def test_compare_finds_the_worst_signal_point_and_rms():
    other = np.zeros(11)
    other[3] = 0.2
    difference = compare(waves(a=np.zeros(11), b=np.zeros(11)), waves(a=np.full(11, 0.1), b=other))
    assert (difference.signal, difference.at, difference.worst) == ("b", pytest.approx(0.3), pytest.approx(0.2))
    assert difference.rms == pytest.approx(0.2 / np.sqrt(11))
    assert "b: worst 0.2 at 0.3" in str(difference)


def test_compare_of_waveforms_with_themselves_is_zero():
    w = waves(a=np.sin(TIME))
    assert compare(w, w).worst == 0.0


def test_compare_reads_the_other_one_delay_later():
    fine = np.linspace(0.0, 2.0, 2001)
    late = waves(fine, a=np.sin(fine - 0.25))
    assert compare(waves(a=np.sin(TIME)), late, delay=0.25).worst < 1e-6  # h²/8 of linear interpolation
    assert compare(waves(a=np.sin(TIME)), late).worst > 0.1


def test_compare_skips_the_beginning():
    start = np.where(TIME < 0.25, 1.0, 0.0)
    assert compare(waves(a=np.zeros(11)), waves(a=start)).worst == 1.0
    assert compare(waves(a=np.zeros(11)), waves(a=start), skip=0.25).worst == 0.0


def test_compare_leaves_out_points_that_the_other_one_has_not():
    short = waves(TIME[:6], a=TIME[:6])
    assert compare(waves(a=TIME), short).worst == 0.0


@pytest.mark.parametrize(
    "other", [waves(b=TIME), waves(TIME + 5.0, a=TIME)], ids=["no shared signal", "no shared part of the axis"]
)
def test_compare_of_nothing_is_refused(other):
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(waves(a=TIME), other)


def test_compare_over_different_axes_is_refused():
    with pytest.raises(ValueError, match="time and frequency"):
        compare(waves(a=TIME), waves(name="frequency", a=TIME))


def test_complex_signals_are_compared_by_distance():
    assert compare(waves(a=TIME * 1j), waves(a=TIME * 1j + 0.3 + 0.4j)).worst == pytest.approx(0.5)


def test_xarray_keeps_values_and_origin():
    w = Waveforms(
        "time",
        TIME,
        {"v(b)": np.sin(TIME), "i(v1)": np.exp(1j * TIME)},
        "digest",
        "stub-1",
        Tran(stop=1.0, max_step=0.1),
    )
    data = w.to_xarray()
    np.testing.assert_array_equal(data["time"], TIME)
    np.testing.assert_array_equal(data["i(v1)"], w["i(v1)"])
    assert data.attrs["engine"] == "stub-1" and data.attrs["digest"] == "digest" and "Tran" in data.attrs["analysis"]
    xr.testing.assert_identical(data, w.to_xarray())


def test_csv_keeps_every_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal(11) * 10.0 ** np.arange(-5, 6)
    w = Waveforms(
        "time",
        TIME,
        {"v(b)": values, "z": values + 1j * values[::-1]},
        "digest",
        "stub-1",
        Tran(stop=1.0, max_step=0.1),
    )
    w.to_csv(tmp_path / "w.csv")
    header = [line for line in (tmp_path / "w.csv").read_text().splitlines() if line.startswith("#")]
    table = np.loadtxt(tmp_path / "w.csv", delimiter=",")
    np.testing.assert_array_equal(table, np.column_stack([TIME, values, values, values[::-1]]))
    assert header[-1] == "# time,v(b),re z,im z"
    assert "engine stub-1" in header[0] and "digest" in header[1]
