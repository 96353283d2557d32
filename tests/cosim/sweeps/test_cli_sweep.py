"""The command `memspice sweep`: values, samples, files, JSON and clear errors."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from cosim.circuits import CIRCUITS
from cosim.cli import app
from cosim.engines import Tran

pytestmark = pytest.mark.usefixtures("ngspice")

QUICK = ["sweep", "tia", "--over", "r_f=400,500", "--over", "opamp.gbw=1e7:4e7:2:log"]


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_grid_samples_files_and_a_second_run_from_the_cache(tmp_path):
    more = ["--samples", "2", "--vary", "r_f=0.1", "--seed", "4", "--cache", str(tmp_path / "cache")]
    first = run(*QUICK, *more, "-o", str(tmp_path / "a.nc"), "--plot", str(tmp_path / "a.png"))
    assert first.exit_code == 0, first.output
    assert "8 runs, 0 failed" in first.output
    assert (tmp_path / "a.png").stat().st_size > 10_000
    second = run(*QUICK, *more, "--json")
    told = json.loads(second.output)
    with xr.open_dataset(tmp_path / "a.nc") as kept:
        assert kept["opamp.gbw"].values.tolist() == [1e7, 4e7] and kept["r_f"].attrs["units"] == "Ω"
        np.testing.assert_array_equal(told["data_vars"]["v(outfull) max"]["data"], kept["v(outfull) max"])
        assert len(list((tmp_path / "cache").glob("*/*.run"))) == 8


def test_waveforms_at_points():
    found = json.loads(run("sweep", "tia", "--points", "5", "--json", "--no-cache").output)
    analysis = CIRCUITS["tia"].analysis(CIRCUITS["tia"].params)
    assert isinstance(analysis, Tran)
    np.testing.assert_allclose(found["coords"]["time"]["data"], np.linspace(0, analysis.stop, 5)[1:])
    assert len(found["data_vars"]["v(outfull)"]["data"]) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "amplifier"], "unknown circuit 'amplifier'"),
        (["sweep", "tia", "--over", "r"], "name=values"),
        (["sweep", "tia", "--over", "r_f=1:2"], "start:stop:number"),
        (["sweep", "tia", "--over", "r_f=-1:2:3:log"], "positive ones for log"),
        (["sweep", "tia", "--over", "r_f=ten"], "'ten' is not a number"),
        (["sweep", "tia", "--over", "opamp.gwb=1"], "no field 'gwb'"),
        (["sweep", "tia", "--vary", "r"], "name=sigma"),
        (["sweep", "tia", "--engine", "ngspice,spice3"], "unknown engine 'spice3'"),
    ],
)
def test_bad_input_is_one_line_and_a_failure(arguments, words, capfd):
    done = run(*arguments)
    assert done.exit_code == 1
    assert words in done.output + capfd.readouterr().err


def test_a_failed_run_is_null_in_json_and_an_exit_code():
    done = run("sweep", "tia", "--vary", "r_f=3", "--samples", "6", "--seed", "1", "--json", "--no-cache")
    found = json.loads(done.output)
    failed = [why != "" for why in found["data_vars"]["error"]["data"]]
    assert done.exit_code == 1 and 0 < sum(failed) < 6
    assert [value is None for value in found["data_vars"]["v(outfull) max"]["data"]] == failed
