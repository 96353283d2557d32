"""The page of all circuits: its table is that of the records, its figures show circuit and twin."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.calibration import Residual, load
from cosim.circuits import CIRCUITS
from cosim.engines import Engine
from cosim.twins.base import Overlay
from studies import circuits

ROOT = Path(__file__).parent.parent.parent


def test_docs_are_those_of_the_shipped_records() -> None:
    stale = "run: memspice circuits --docs docs/circuits.md"
    assert (ROOT / "docs" / "circuits.md").read_text() == circuits.markdown(), stale


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_circuit_has_a_sentence_and_a_drawing(name: str) -> None:
    assert circuits.title(CIRCUITS[name]).endswith(".")
    assert any(sign in circuits.drawing(CIRCUITS[name]) for sign in "─┴┬│⌇├")


def test_a_missed_aim_is_called_missed() -> None:
    record = load("tia")
    assert circuits.meets(record) == "met"
    assert circuits.meets(replace(record, unseen=Residual(worst=0.011, rms=0.0001))) == "missed"
    assert circuits.meets(replace(record, unseen=Residual(worst=0.001, rms=0.0021))) == "missed"


def test_energies_are_those_of_one_operation() -> None:
    assert set(circuits.energies(load("lif"))) == {"spike_supply", "spike_input", "spike_reset"}


def test_page_has_a_section_and_a_figure_per_circuit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ngspice: Engine
) -> None:
    monkeypatch.setattr(circuits, "CIRCUITS", {name: CIRCUITS[name] for name in ("integrator", "lif")})
    said: list[str] = []
    page = circuits.report(tmp_path / "circuits.html", ngspice, said.append).read_text()
    assert said == ["simulating integrator", "simulating lif"]
    assert page.count("data:image/png") == 2 and "<h2>lif</h2>" in page


def test_figure_shows_the_difference() -> None:
    x = np.linspace(0, 1, 200)
    panels = circuits.figure(Overlay(x, x, 2 * x, 2 * x + 0.1), "line").axes
    np.testing.assert_allclose(np.array(panels[2].lines[0].get_ydata(), dtype=float), 0.1, atol=1e-12)
