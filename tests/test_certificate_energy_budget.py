"""The page on certificate, energy and error budget is true: its code runs as written."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = (Path(__file__).parent.parent / "docs" / "certificate_energy_budget.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_code_of_the_page_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for block in BLOCKS:
            exec(compile(block, "certificate_energy_budget.md", "exec"), names)
    finally:
        torch.set_num_threads(threads)
    certificate, ledger, budget = names["certificate"], names["ledger"], names["budget"]
    assert certificate.holds and certificate.worst < 1e-9
    assert ledger.gap > 1 and ledger.energy("records", part="amplifiers") > 0.9 * ledger.energy("records")
    assert budget.accuracy_without > 0.7 and budget.everything.error > 0
    assert Path("energy.png").exists() and Path("budget.png").exists()
    printed = capsys.readouterr().out
    assert "certificate        holds" in printed and "records / table" in printed and "interaction" in printed
