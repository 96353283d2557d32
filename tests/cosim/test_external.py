"""A circuit of somebody else in a simulation of ours, and the options of the command line for it."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cosim.calibration import load
from cosim.engines import Engine, SimulationError, Tran
from cosim.external import Substituted
from cosim.layers.amplifier import calibrated
from netlists import tia
from netlists.external import from_file
from netlists.opamp import PORTS, build
from netlists.tia import TiaParams
from studies.cli import app

P = TiaParams()


def memspice(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def copy_of_our_op_amp(folder: Path) -> Path:
    """A file with our op-amp, behind 1 µΩ in each lead."""
    leads = [f"Rlead{k} {k} {port} 1u" for k, port in enumerate(PORTS, 1)]
    text = ["* amplifier", ".subckt AMP 1 2 3 4 5", *leads, *build(P.opamp).lines()[1:-1], ".ends AMP"]
    path = folder / "amp.lib"
    path.write_text("\n".join(text) + "\n")
    return path


def test_error_of_the_simulator_names_the_line_of_the_user(tmp_path: Path, ngspice: Engine) -> None:
    (tmp_path / "a.sub").write_text(".subckt amp p n out vp vm\nR1 p n 1k\nB1 out 0 v = nosuch(v(p))\n.ends\n")
    found = from_file(tmp_path / "a.sub", build(P.opamp), {port: port for port in PORTS})
    with pytest.raises(SimulationError, match=r"^a.sub:3: "):
        Substituted(ngspice, found).run(tia.testbench(P, 1e-4), Tran(stop=1e-7, max_step=1e-9))


def test_op_amp_of_a_user_inside_our_tia_gives_a_record_that_layers_take(tmp_path: Path) -> None:
    path, output = copy_of_our_op_amp(tmp_path), tmp_path / "tia.json"
    ports = "p=1,n=2,out=3,vp=4,vm=5"
    done = memspice("calibrate", "tia", "--external", str(path), "--map", ports, "--as", "opamp", "-o", str(output))
    assert done.exit_code == 0, done.output
    mine, shipped = load("tia", output), load("tia")
    assert mine.digest != shipped.digest
    # It is our amplifier with 1 µΩ in each lead: the fit is that of the shipped record to the solver's 1e-4.
    np.testing.assert_allclose(mine.fit["gbw"], shipped.fit["gbw"], rtol=1e-3)
    assert calibrated(P, str(output)).fit.gbw == mine.fit["gbw"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name one circuit"),
        (["-o", "x.json"], "say which port of yours"),
        (["-o", "x.json", "--map", "p:1"], "--map looks like name=value"),
        (["-o", "x.json", "--map", "p=1,n=2,out=3,vp=4,vm=-", "--tie", "5=low"], "--tie: could not convert"),
        (["-o", "x.json", "--as", "amp"], "--as names no subcircuit of the bench; there are opamp"),
        (
            ["-o", "x.json", "--subckt", "OTHER"],
            "amp.lib:1: there is no 'OTHER'; the subcircuits of this file are: AMP",
        ),
    ],
)
def test_bad_option_is_named(arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = memspice("calibrate", "opamp", "--external", str(copy_of_our_op_amp(tmp_path)), *arguments)
    assert done.exit_code == 1 and says in done.output
    assert not (tmp_path / "x.json").exists()
