"""The report: whole, self-contained, and its sentences follow the numbers."""

import base64
import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from studies import report
from studies.edge_pruning import findings, study
from studies.edge_pruning.study import Results

HEADINGS = (
    "Who wins",
    "Training",
    "Read noise and line resistance",
    "How well must weights be written?",
    "Conductances",
    "Line drop in one tile",
    "Twin against ngspice: currents",
    "Twin against ngspice: LIF neuron and integrator",
    "Certificate",
    "What is modelled, what is not",
    "Provenance",
)


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return study.report(finished).read_text(encoding="utf-8")


def test_every_section_is_there_in_order(page: str):
    assert re.findall(r"<h2>(.*?)</h2>", page) == list(HEADINGS)


def test_nothing_is_fetched_and_nothing_runs(page: str):
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert set(re.findall(r'src="(.{10})', page)) == {"data:image"}


def test_figures_are_images_with_a_caption_each(page: str):
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(images) == 8
    assert all(base64.b64decode(image).startswith(b"\x89PNG") for image in images)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert len(captions) == 8
    assert all(caption.endswith((".", ".)")) for caption in captions)


def test_numbers_of_the_results_are_on_the_page(page: str, finished: Path):
    results = Results.of(finished)
    found = results.evaluation["mlp"]["pruning_reference"]
    assert findings.percent(found["headline"]) in page
    assert results.provenance["engine"] in page
    assert "subset" in page
    assert f"{results.training['mlp']['arms']['pruning_reference'][-1]['cell_writes']:,}" in page


def test_report_can_be_written_again_from_the_folder_to_the_byte(page: str, finished: Path):
    assert study.report(finished).read_text(encoding="utf-8") == page


def with_headlines(results: dict, pruning: float, in_place: float, once: float) -> dict:
    data = json.loads(json.dumps(results))
    for arm, value in (("pruning_reference", pruning), ("weights_in_place", in_place), ("weights_once", once)):
        data["evaluation"]["mlp"][arm]["headline"] = value
    return data


@pytest.mark.parametrize(
    ("headlines", "verb"),
    [((0.8, 0.5, 0.4), "beats"), ((0.4, 0.5, 0.8), "loses to"), ((0.80, 0.79, 0.1), "is not told apart from")],
)
def test_verdict_follows_the_numbers(finished: Path, headlines: tuple[float, float, float], verb: str):
    results = with_headlines(asdict(Results.of(finished)), *headlines)
    (sentence,) = findings.verdicts(results)
    assert f"and {verb} " in sentence
    assert f"{100 * (headlines[0] - max(headlines[1:])):+.1f} points" in sentence


def test_crossing_is_interpolated_and_absent_when_there_is_none(finished: Path):
    results = with_headlines(asdict(Results.of(finished)), 0.8, 0.5, 0.4)
    results["config"]["errors"] = [0.0, 1e-6, 3e-6]
    results["evaluation"]["mlp"]["pruning_reference"]["clean"] = 0.7
    results["evaluation"]["mlp"]["errors"] = [0.9, 0.8, 0.6]
    assert findings.crossing(results, "mlp") == pytest.approx(2e-6, rel=1e-12)
    results["evaluation"]["mlp"]["errors"] = [0.6, 0.5, 0.4]
    assert findings.crossing(results, "mlp") is None


def test_text_is_escaped():
    assert "<b>" not in report.paragraph("<b>")
    assert "<b>" not in report.table(("<b>",), [("<b>",)])
