"""The page on a user's own ODE is true: its code runs as written, from the CSV file to ngspice."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = (Path(__file__).parent.parent / "docs" / "your_own_ode.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def test_data_of_the_page_becomes_a_circuit_that_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    names: dict[str, Any] = {"__name__": "page"}
    for kind, block in BLOCKS:
        assert kind == "python"
        exec(compile(block, "your_own_ode.md", "exec"), names)
    torch.set_num_threads(threads)
    # A page's small network: a tenth of the range is far below what an untrained one gives (more than all of it).
    assert names["error"] < 0.1
    # The aim of the loop against its twin over the whole waveform.
    assert names["off"]["calibrated twin"] < 0.02
    assert Path("pendulum.cir").stat().st_size > 10_000
    assert capsys.readouterr().out.count("of the swing") == 3
