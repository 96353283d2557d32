"""Missing and old programs, full disks, limits, Ctrl-C: one error each, and nothing left behind."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim.engines import Op, SimulationError, Tran
from cosim.engines.base import Limits
from cosim.engines.ngspice_batch import NgspiceBatch, program_version
from cosim.engines.vacask import Vacask
from netlists.spice import B, C, I, Ic, R
from tests.reference_circuits import DIVIDER, RC_RAMP, VERILOG_A, netlist

pytestmark = pytest.mark.usefixtures("ngspice")

ROOT = Path(__file__).parents[3]
SPEAKS = '[ "$1" = --version ] && exec ngspice --version\n'


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files of this test, to see what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def program(tmp_path):
    """Makes an executable shell script."""

    def make(body: str) -> str:
        path = tmp_path / "fake-ngspice"
        path.write_text("#!/bin/sh\n" + body)
        path.chmod(0o755)
        program_version.cache_clear()
        return str(path)

    return make


def test_missing_ngspice_says_how_to_install_it():
    with pytest.raises(SimulationError, match="no no-such-ngspice on the PATH") as caught:
        NgspiceBatch(executable="no-such-ngspice").run(DIVIDER.netlist, Op())
    assert "apt install" in caught.value.hint and "brew install" in caught.value.hint


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("** ngspice-36 : Circuit level simulation program", "ngspice-36 without KLU"),
        ("** ngspice-42 : x\\n** Compiled with KLU Direct Linear Solver", "ngspice-42 with KLU, which is too old"),
        ("** ngspice-46 : x\\n** Compiled with SPARSE", "ngspice-46 without KLU"),
        ("hello", "an unknown version"),
    ],
)
def test_old_ngspice_says_what_is_too_old(program, says, words):
    with pytest.raises(SimulationError, match=words) as caught:
        NgspiceBatch(executable=program(f"printf '{says}\\n'")).run(DIVIDER.netlist, Op())
    assert "44 or newer" in caught.value.hint


def test_ngspice_without_osdi_says_so(program):
    body = (
        SPEAKS + "sed -i '/pre_osdi/d' deck.cir\necho osdi: no such command available in ngspice\nexec ngspice \"$@\"\n"
    )
    with pytest.raises(SimulationError, match=r"built without OSDI") as caught:
        NgspiceBatch(executable=program(body)).run(VERILOG_A.netlist, Op())
    assert "KLU and OSDI" in caught.value.hint


def test_ngspice_that_reads_fewer_devices_than_written_is_caught(program):
    body = SPEAKS + "sed -i 's/^R1 /* R1 /' deck.cir\nexec ngspice \"$@\"\n"
    with pytest.raises(SimulationError, match="read 2 devices of 3"):
        NgspiceBatch(executable=program(body)).run(DIVIDER.netlist, Op())


def test_ngspice_that_does_not_use_klu_is_caught(program):
    body = SPEAKS + "sed -i 's/ klu / sparse /' deck.cir\nexec ngspice \"$@\"\n"
    with pytest.raises(SimulationError, match="did not use KLU"):
        NgspiceBatch(executable=program(body)).run(DIVIDER.netlist, Op())


def test_ngspice_starts_with_one_thread_and_our_start_up_file(program):
    body = SPEAKS + 'grep -qx "set num_threads=1" "$SPICE_SCRIPTS/spinit" || exit 9\nexec ngspice "$@"\n'
    NgspiceBatch(executable=program(body)).run(DIVIDER.netlist, Op())


def test_crash_is_an_error(program, scratch):
    with pytest.raises(SimulationError, match="exit code -11"):
        NgspiceBatch(executable=program(SPEAKS + "kill -SEGV $$")).run(DIVIDER.netlist, Op())
    assert not list(scratch.iterdir())


def test_full_disk_while_the_answer_is_written_is_an_error(program, scratch):
    """A file limit with its signal ignored gives short writes, as a full disk does."""
    body = SPEAKS + "trap '' XFSZ\nulimit -f 8\nexec ngspice \"$@\"\n"
    with pytest.raises(SimulationError) as caught:
        NgspiceBatch(executable=program(body)).run(RC_RAMP.netlist, RC_RAMP.analysis)
    assert "disk" in caught.value.hint, caught.value
    assert not list(scratch.iterdir())


def test_full_disk_while_the_deck_is_written_is_an_error(scratch):
    program_version("ngspice")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(SimulationError, match="File too large") as caught:
            NgspiceBatch().run(DIVIDER.netlist, Op())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "disk" in caught.value.hint
    assert not list(scratch.iterdir())


def test_temporary_folder_that_does_not_exist_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SimulationError, match="no folder for the run") as caught:
        NgspiceBatch().run(DIVIDER.netlist, Op())
    assert "TMPDIR" in caught.value.hint


@pytest.mark.parametrize("engine", [NgspiceBatch, Vacask])
def test_file_limit_ends_the_run(engine, scratch):
    with pytest.raises(SimulationError, match="grew beyond 20480 bytes") as caught:
        engine(file_limit=20480).run(RC_RAMP.netlist, RC_RAMP.analysis)
    assert "file_limit" in caught.value.hint
    assert not list(scratch.iterdir())


def test_runaway_in_vacask_is_ended_by_the_limits(scratch):
    runaway = netlist(
        "current source into a capacitor for too long",
        I("1", "0", "b", 1.0),
        C("1", "b", "0", 1e-9),
        R("1", "b", "0", 1e3),
    )
    with pytest.raises(SimulationError, match=r"did not finish within 0\.5 s|grew beyond"):
        Vacask(timeout=0.5, file_limit=10**8).run(runaway, Tran(stop=1.0, max_step=1e-9))
    assert not list(scratch.iterdir())


def test_nothing_is_left_after_success_or_failure(scratch):
    engine = NgspiceBatch(timeout=20.0)
    engine.run(DIVIDER.netlist, Op())
    blow_up = netlist(
        "dv/dt = v²", C("1", "b", "0", 1e-9), B("1", "0", "b", "i", "v(b)*v(b)"), R("1", "b", "0", 1e9), Ic({"b": 1.0})
    )
    with pytest.raises(SimulationError):
        engine.run(blow_up, Tran(stop=1e-8, max_step=1e-11))
    assert not list(scratch.iterdir())


def test_kept_folder_has_deck_log_and_answer(tmp_path):
    NgspiceBatch(keep=tmp_path).run(DIVIDER.netlist, Op())
    (folder,) = tmp_path.iterdir()
    assert {"deck.cir", "log.txt", "out.raw"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_bad_timeout_is_refused(value):
    with pytest.raises(ValueError, match=r"Limits\.timeout must be positive"):
        Limits(timeout=value)


LONG_RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parallel test runner ignores it, and so would we
from cosim.engines import ENGINES, Tran
from cosim.runs import many, run_many
from tests.reference_circuits import RC_RAMP
engine = ENGINES[sys.argv[1]]()
engine.version()
job = (RC_RAMP.netlist, Tran(stop=1.0, max_step=1e-7))
print("started", flush=True)
if sys.argv[2] == "one":
    engine.run(*job)
elif sys.argv[2] == "many":
    run_many([job] * 3, engine, workers=2)
else:  # short ones that show that they can be run, then long ones in worker processes
    short = (RC_RAMP.netlist, Tran(stop=1e-6, max_step=1e-9))
    print(len(run_many([short] * 3, engine, workers=2)), flush=True)
    many.LOOK = many.WORTH = 0.0
    run_many([short] * 2 + [job] * 100, engine, workers=2)
"""


def processes_below(folder: Path) -> list[str]:
    """Commands of the processes whose environment names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.fixture
def below(tmp_path) -> Iterator[Path]:
    """A TMPDIR for programs of their own; whatever still names it when the test ends is killed."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue


def await_simulators(folder: Path, how: str) -> None:
    """Wait until a simulator runs, or with `how` "processes" one below each of two workers."""
    number = 2 if how == "processes" else 1
    deadline, commands = time.monotonic() + 60, []
    while time.monotonic() < deadline:
        commands = processes_below(folder)
        simulators = [c for c in commands if c.startswith("ngspice") or "ngspice_worker" in c or "vacask\0" in c]
        workers = sum("cosim.runs.worker" in c for c in commands)
        if workers == (2 if how == "processes" else 0) and len(simulators) >= number:
            return
        time.sleep(0.05)
    pytest.fail(f"not {number} simulators ({how}): {commands}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for orphans in /proc, which is Linux")
@pytest.mark.parametrize(
    ("engine", "how"),
    [
        ("ngspice", "one"),
        ("ngspice", "many"),
        ("ngspice", "processes"),
        ("vacask", "one"),
        ("ngspice-shared", "one"),
        ("ngspice-shared", "many"),
        ("ngspice-shared", "processes"),
    ],
)
def test_ctrl_c_ends_everything_within_two_seconds(tmp_path, below, engine, how):
    env = {**os.environ, "TMPDIR": str(below), "PYTHONPATH": str(ROOT)}
    caller = subprocess.Popen(
        [sys.executable, "-c", LONG_RUN, engine, how],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert caller.stdout is not None and caller.stdout.readline() == "started\n"
    if how == "processes":
        assert caller.stdout.readline() == "3\n"
    await_simulators(below, how)
    caller.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, said = caller.communicate(timeout=60)
    assert time.monotonic() - asked < 2.0
    assert "KeyboardInterrupt" in said
    assert processes_below(below) == []
    assert list(below.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for orphans in /proc, which is Linux")
def test_shared_worker_ends_when_its_caller_is_killed(tmp_path, below):
    env = {**os.environ, "TMPDIR": str(below), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LONG_RUN, "ngspice-shared", "one"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None and caller.stdout.readline() == "started\n"
        await_simulators(below, "one")
        caller.kill()
    deadline = time.monotonic() + 3
    while processes_below(below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_below(below) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for orphans in /proc, which is Linux")
@pytest.mark.parametrize("engine", ["ngspice", "ngspice-shared"])
def test_worker_processes_and_their_simulators_end_when_their_caller_is_killed(tmp_path, below, engine):
    env = {**os.environ, "TMPDIR": str(below), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LONG_RUN, engine, "processes"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL) as caller:
        await_simulators(below, "processes")
        caller.kill()
    deadline = time.monotonic() + 5
    while (processes_below(below) or list(below.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_below(below) == []
    assert list(below.iterdir()) == [], "the folders of the runs are removed too"
