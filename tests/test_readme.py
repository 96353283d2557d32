"""The README is true: its examples run as written, and its test command is what CI runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_there_are_examples_of_a_neuron_and_of_a_model() -> None:
    assert len(EXAMPLES) == 2 and "lif.testbench" in EXAMPLES[0] and "convert_to_analog" in EXAMPLES[1]


@pytest.mark.parametrize("code", EXAMPLES, ids=["neuron", "model"])
def test_example_runs_as_written(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make test" in (ROOT / ".ci" / "run").read_text()
