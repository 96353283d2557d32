"""The command line: what it writes, what it says, and how it fails."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cosim.circuits import CIRCUITS
from devicemodels import DEVICES
from studies.cli import app


def memspice(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


SETTINGS = {
    "adc": "v_ref=1.2",
    "axon_hillock": "c_m=3e-13",
    "comparator": "c_load=3e-14",
    "crossbar": "r_wl=3.5",
    "dac": "v_ref=1.2",
    "encoder": "v_read=0.2",
    "integrator": "c=3e-12",
    "lif": "c=3e-12",
    "multiplier": "core.scale=9.0",
    "ode_loop": "network.unit=0.2",
    "opamp": "gbw=1.5e6",
    "opamp_cmos": "c_c=3e-12",
    "relu": "r_f=9e3",
    "shift_add": "ratio=2.0",
    "similarity": "v_read=0.2",
    "tcam": "c_cell=2e-15",
    "tia": "r_f=123.0",
    "wta": "c_node=2e-14",
}
"""A parameter of each circuit that its bench shows."""


@pytest.mark.parametrize("name", [*CIRCUITS, "crossbar"])
def test_netlist_writes_a_deck_that_changes_with_its_parameters(name: str, tmp_path: Path) -> None:
    assert memspice("netlist", name, "-o", str(tmp_path / "a.cir")).exit_code == 0
    assert memspice("netlist", name, "-s", SETTINGS[name], "-o", str(tmp_path / "b.cir")).exit_code == 0
    assert (tmp_path / "a.cir").read_text() != (tmp_path / "b.cir").read_text()


def test_simulate_crossbar_agrees_with_ohms_law_without_lines(tmp_path: Path) -> None:
    g = np.array([[1e-5, 2e-5], [3e-5, 4e-5]])
    np.savetxt(tmp_path / "g.csv", g, delimiter=",")
    np.savetxt(tmp_path / "v.csv", [0.1, 0.2], delimiter=",")
    arguments = ["--conductances", str(tmp_path / "g.csv"), "--inputs", str(tmp_path / "v.csv"), "--json"]
    done = memspice("simulate", "crossbar", "-s", "r_wl=0", "-s", "r_bl=0", *arguments)
    signals = json.loads(done.stdout)["signals"]
    # Ohm's law; ngspice's gmin of 1e-15 S at four nodes is 1e-10 of a cell.
    np.testing.assert_allclose([signals[f"i(vsense{j})"]["last"] for j in range(2)], [7e-6, 1e-5], rtol=1e-9, atol=0)


def test_simulate_draws_and_saves_what_it_simulated(tmp_path: Path) -> None:
    done = memspice("simulate", "tia", "--csv", str(tmp_path / "t.csv"), "--plot", str(tmp_path / "t.png"))
    assert done.exit_code == 0, done.output
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert "ngspice" in (tmp_path / "t.csv").read_text().splitlines()[0]


@pytest.mark.parametrize("name", DEVICES)
def test_device_shows_every_set(name: str) -> None:
    sets = json.loads(memspice("device", name, "--json").stdout)
    assert set(sets) == set(DEVICES[name].published)
    assert memspice("device", name, "--text", "spice").stdout.lstrip().startswith("*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["netlist", "lyf"], "unknown circuit 'lyf'; there are"),
        (["netlist", "lif", "-s", "c=-1"], "LifParams.c must be positive, got -1.0"),
        (["netlist", "lif", "-s", "cc=1"], "LifParams has no field 'cc'"),
        (["simulate", "lif", "-e", "hspice"], "unknown engine 'hspice'"),
        (["device", "flux"], "unknown device 'flux'"),
        (["calibrate"], "name one circuit"),
        (["calibrate", "tia", "-s", "r_f=1e3"], "also --output"),
        (["study", "nothing"], "unknown study 'nothing'"),
        (["report", "no/such/run"], "no/such/run"),
    ],
)
def test_a_mistake_is_one_clear_line_and_a_failure(arguments: list[str], message: str) -> None:
    done = memspice(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr and "Traceback" not in done.output


def test_every_command_explains_itself_with_an_example() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        text = memspice(name, "--help").stdout
        assert f"memspice {name}" in text, name
