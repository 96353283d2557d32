"""The page on a user's own circuit is true: its file, its command and its code run as written."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from cosim.calibration import load
from studies.cli import app

PAGE = (Path(__file__).parent.parent / "docs" / "your_own_circuit.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def test_neuron_of_the_page_is_calibrated_trained_in_a_layer_and_sent_back_through_ngspice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert [kind for kind, _ in BLOCKS] == ["spice", "console", "python", "python"]
    (_, netlist), (_, command), *code = BLOCKS
    Path("neuron.net").write_text(netlist, "utf-8")
    program, *arguments = shlex.split(command)
    done = CliRunner().invoke(app, arguments)
    assert program == "memspice" and done.exit_code == 0, done.output
    assert "neuron.net:19: LTspice's own library" in done.output
    record = load("lif", Path("neuron.json"))
    # The aims for neurons: intervals within 1 %, none lost (a difference in the count would have raised).
    assert record.unseen.worst < 0.01 and record.extra["unseen_spikes"] > 20
    names: dict[str, Any] = {"__name__": "page"}
    for _, block in code:
        exec(compile(block, "your_own_circuit.md", "exec"), names)
    torch.set_num_threads(threads)
    assert (names["counts"] - names["wanted"]).abs().max() <= 2
    assert names["in_ngspice"] == int(names["counts"][3])
    assert "inside the calibrated range 1.0" in capsys.readouterr().out
