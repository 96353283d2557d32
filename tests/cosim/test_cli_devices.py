"""The commands lint, fit and device --plot."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cosim.cli import app
from devicemodels import DEVICES
from tests.devicemodels.lint.models import MENDED, STICKY


def memspice(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_lint_fails_on_hidden_state_and_passes_what_it_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "model.va"
    path.write_text(STICKY)
    refused = memspice("lint", str(path))
    assert refused.exit_code == 1 and f"{path}:" in refused.stdout and "[hidden-state]" in refused.stdout
    (found,) = json.loads(memspice("lint", str(path), "--json").stdout)
    assert found["rule"] == "hidden-state" and found["line"] > 5 and found["instead"]
    path.write_text(MENDED)
    assert memspice("lint", str(path)).exit_code == 0


def test_fit_finds_the_conductance_and_writes_it(tmp_path: Path) -> None:
    v = np.linspace(-1, 1, 101)
    i = 3e-5 * v * (1 + 0.02 * np.random.default_rng(0).standard_normal(101))
    data = tmp_path / "iv.csv"
    data.write_text("V,I (uA)\n" + "".join(f"{float(a)!r},{float(1e6 * b)!r}\n" for a, b in zip(v, i, strict=True)))
    arguments = ["-o", str(tmp_path / "out"), "--plot", str(tmp_path / "f.png"), "--json"]
    done = memspice("fit", "ohmic", str(data), *arguments)
    assert done.exit_code == 0, done.output
    low, high = json.loads(done.stdout)["interval95"]["g"]
    # Twice the 95 % interval around its middle; the truth is beyond it with probability 1e-4, and the seed is fixed.
    assert abs(3e-5 - (low + high) / 2) < high - low < 1e-6
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"params.py", "model.sp", "model.va", "fit.json"}
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "picture"), [("vteam", "loop"), ("vteam", "staircase"), ("pershin", "levels"), ("pcm", "drift")]
)
def test_device_draws_its_picture(tmp_path: Path, name: str, picture: str) -> None:
    done = memspice("device", name, "--plot", str(tmp_path / "d.png"), "--picture", picture)
    assert done.exit_code == 0 and (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint", "no/such.va"], "no/such.va"),
        (["lint", "bad.va"], "bad.va:1: expected 'module'"),
        (["fit", "ohmic", "bad.csv"], "bad.csv:3: column 'i' holds 'x'"),
        (["fit", "flux", "bad.csv"], "unknown device 'flux'"),
        (["fit", "ohmic", "bad.csv", "--pulse", "1:2"], "--pulse looks like"),
        (["fit", "ohmic", "bad.csv", "--columns", "V"], "--columns looks like"),
        (["fit", "jart", "good.csv"], "jart would take hours"),
        (["device", "vteam", "--plot", "d.png", "--picture", "drift"], "vteam has no law of drift"),
        (["device", "ohmic", "--plot", "d.png", "--picture", "staircase"], "ohmic has no dynamic state"),
        (["device", "vteam", "--plot", "d.png", "--picture", "moon"], "unknown picture 'moon'"),
        (["device", "vteam", "--plot", "d.png", "--params", "none"], "unknown parameter set 'none'"),
    ],
)
def test_a_mistake_is_one_clear_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.va").write_text("garbage")
    Path("bad.csv").write_text("V,I\n1,2\n3,x\n")
    Path("good.csv").write_text("V,I,t\n" + "".join(f"{k},{k},{k}\n" for k in range(5)))
    done = memspice(*arguments)
    assert done.exit_code == 1 and message in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_every_device_has_a_name_for_the_command() -> None:
    assert set(memspice("device").stdout.split()) == set(DEVICES)
