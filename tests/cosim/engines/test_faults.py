"""What happens to a machine under simulations: killed, frozen, out of memory, disk, cache folder and file handles."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cosim.engines import SimulationError, Tran
from cosim.engines.ngspice_batch import NgspiceBatch
from cosim.engines.ngspice_shared import NgspiceShared
from cosim.runs import Cache, run_each
from tests.cosim.engines.test_bad_decks import children, nothing_left  # noqa: F401 - a fixture
from tests.cosim.engines.test_ngspice import fine
from tests.cosim.runs.stubs import Actor, job
from tests.reference_circuits import RC_RAMP

LONG = Tran(stop=1.0, max_step=1e-9)
ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("ngspice")


def hit(number: signal.Signals, before: set[str]) -> None:
    """Send a signal to the first new process below this one, once it has run for a moment."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if new := children() - before:
            time.sleep(0.3)
            os.kill(int(min(new, key=int)), number)
            return
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "-9|has ended"), (signal.SIGSTOP, "did not finish")])
@pytest.mark.parametrize("make", [NgspiceBatch, NgspiceShared])
@pytest.mark.usefixtures("nothing_left")
def test_a_simulator_that_is_killed_or_frozen_is_an_error_and_the_next_run_is_right(make, number, words):
    engine, before = make(timeout=3.0), children()
    hitter = threading.Thread(target=hit, args=(number, before))
    hitter.start()
    try:
        with pytest.raises(SimulationError, match=words):
            engine.run(RC_RAMP.netlist, LONG)
        hitter.join()
        assert fine(engine)
    finally:
        hitter.join()
        if isinstance(engine, NgspiceShared):
            engine.close()


@pytest.mark.usefixtures("nothing_left")
def test_a_simulator_that_asks_for_too_much_memory_is_an_error():
    engine = NgspiceShared(timeout=60.0, memory=350 * 1024**2)
    try:
        with pytest.raises(SimulationError):
            engine.run(RC_RAMP.netlist, Tran(stop=1e-2, max_step=1e-9))
        assert fine(engine)
    finally:
        engine.close()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root can mount a small disk")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with pytest.raises(SimulationError) as caught:
            NgspiceBatch(timeout=20.0).run(RC_RAMP.netlist, Tran(stop=1e-5, max_step=1e-9))
        assert "TMPDIR" in caught.value.hint
        assert not list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_cache_folder_that_is_removed_while_it_is_used_costs_no_answer(tmp_path):
    cache = Cache(tmp_path / "cache")
    answers = {}
    for index, answer in run_each([job(r=1.0 + k) for k in range(20)], Actor(), workers=1, cache=cache):
        answers[index] = answer
        if index == 7:
            shutil.rmtree(cache.folder)
    assert [answers[k].value("v(b)") for k in range(20)] == [1.0 + k for k in range(20)]


HANDLES = """
import resource, sys
from cosim.engines import ENGINES, SimulationError
from cosim.runs import run_many
from tests.reference_circuits import DIVIDER
engine = ENGINES[sys.argv[1]]()
one = (DIVIDER.netlist, DIVIDER.analysis)
held = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
(answer,) = run_many([one], engine)
print(isinstance(answer, SimulationError), answer.what)
for file in held:
    file.close()
print(run_many([one], engine)[0].value("v(b)"))
"""


@pytest.mark.parametrize("engine", ["ngspice", "ngspice-shared"])
def test_without_file_handles_a_run_is_an_error_and_later_ones_are_right(engine, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HANDLES, engine]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    first, second = done.stdout.splitlines()
    assert first.startswith("True") and "open files" in first, done
    assert float(second) == pytest.approx(0.5, abs=1e-12)


def test_limits_of_this_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
