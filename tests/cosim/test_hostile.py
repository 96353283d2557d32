"""Files and netlists that are broken or meant to harm: one error of the right kind, nothing run, nothing believed."""

import hashlib
import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.calibration import Record
from cosim.engines import Op, SimulationError, rawfile
from cosim.engines.deck import deck
from cosim.engines.process import run_folder
from cosim.runs.cache import Cache, CacheWarning
from cosim.runs.entries import MAGIC, decode, encode
from cosim.waveforms import Waveforms
from netlists.external import ExternalError, from_file
from netlists.spice import Netlist, Subckt, SubcktText, V, X
from tests.cosim.runs.stubs import Actor, job
from tests.reference_circuits import DIVIDER

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
POINTS = np.array([[0.0, 1.0], [1e-9, 0.5], [2e-9, 0.25]])
RAW = (
    b"Title: t\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: 3       \nVariables:\n"
    b"\t0\ttime\ttime\n\t1\tv(b)\tvoltage\nBinary:\n" + POINTS.tobytes()
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, overwritten, repeated, or with a number of its header replaced by another."""
    kind = draw(st.sampled_from(["cut", "overwrite", "insert", "number"]))
    at = draw(st.integers(0, len(whole) - 1))
    more = draw(st.binary(min_size=1, max_size=20))
    if kind == "number":
        digits = draw(st.sampled_from([b"-1", b"0", b"99999999999999999999", b"nan", b"1e9", b"2.5", b""]))
        return whole.replace(draw(st.sampled_from([b": 3", b": 2"])), b": " + digits)
    return {"cut": whole[:at], "overwrite": whole[:at] + more + whole[at + len(more) :],
            "insert": whole[:at] + more + whole[at:]}[kind]  # fmt: skip


@MANY
@given(data=st.one_of(damaged(RAW), st.binary(max_size=200)))
def test_a_damaged_raw_file_is_refused_or_has_the_shape_it_announces(tmp_path, data):
    path = tmp_path / "x.raw"
    path.write_bytes(data)
    try:
        plots = rawfile.read(path)
    except rawfile.RawfileError:
        return
    assert all(values.size > 0 for plot in plots for values in plot.vectors.values())
    assert sum(v.nbytes for plot in plots for v in plot.vectors.values()) <= len(data)


def test_the_whole_raw_file_is_read(tmp_path):
    (tmp_path / "x.raw").write_bytes(RAW)
    assert np.array_equal(rawfile.read(tmp_path / "x.raw")[0].vectors["v(b)"], POINTS[:, 1])


RECORD = json.dumps(
    {"circuit": "c", "params": {}, "fit": {}, "digest": "", "engine": "", "analysis": "", "extra": {},
     "bench": {"worst": 0.1, "rms": 0.1}, "unseen": {"worst": 0.1, "rms": 0.1}, "domain": {"u": [0.0, 1.0]}}
)  # fmt: skip


@MANY
@given(data=st.one_of(damaged(RECORD.encode()), st.binary(max_size=100), st.just(b"[" * 100_000)))
def test_a_damaged_record_is_one_clear_error_or_a_record(data):
    try:
        assert isinstance(Record.from_json(data.decode("utf-8", "replace")), Record)
    except ValueError as error:
        assert "not a calibration record" in str(error)


KEY = {"netlist": "n", "engine": "e"}
ENTRY = encode(Waveforms("time", POINTS[:, 0], {"v(b)": POINTS[:, 1]}, "n", "e", None), KEY)


def resealed(rest: bytes) -> bytes:
    """An entry whose checksum is right whatever it holds: made by hand, not by accident."""
    return MAGIC + hashlib.sha256(rest).digest() + rest


@MANY
@given(data=st.one_of(damaged(ENTRY[40:]).map(resealed), st.binary(max_size=60).map(resealed)))
def test_a_cache_entry_made_by_hand_is_refused_and_simulated_again(tmp_path, data):
    cache, engine = Cache(tmp_path), Actor()
    one = job(r=3.0)
    cache.put(one, engine, engine.run(*one))
    (path,) = tmp_path.glob("*/*.run")
    path.write_bytes(data)
    with pytest.warns(CacheWarning, match="corrupt"):
        assert cache.get(one, engine, one[0].digest) is None


def test_a_cache_entry_executes_nothing():
    """Its arrays are named kinds of plain numbers: object arrays, which unpickle, are refused."""
    rest = ENTRY[40:].replace(b"<f8", b"|O8")
    with pytest.raises(Exception, match="kind"):
        decode(resealed(rest), KEY, None)
    assert struct.unpack_from("<Q", rest)[0] < len(rest)


COMMANDS = [".control\nshell touch {0}\n.endc", "*# shell touch {0}", ".include {0}", ".INC '{0}'", " .lib {0} tt",
            ".control\nsource {0}\n.endc"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_files_never_reach_the_simulator(tmp_path, command):
    target = tmp_path / "touched"
    part = SubcktText("part", f".subckt part p n\nR1 p n 1e3\n{command.format(target)}\n.ends part")
    bad = Netlist("bad", (V("1", "a", "0", 1.0), X("1", ("a", "0"), "part")), ("v(a)",), (part,))
    with pytest.raises(SimulationError, match="runs commands or reads files"):
        deck(bad, Op(), [])
    assert not target.exists()


WORDS = [
    ".subckt part a b",
    ".ends",
    "R1 a b 1e3",
    "R1 a b {x}",
    ".param x=1",
    ".model d d",
    "D1 a b d",
    "X1 a b part",
    "B1 a 0 v=v(b)*",
    "+ ic=1",
    "*# shell id",
    ".control",
    ".include ../../etc/passwd",
    ".lib /etc/passwd x",
    "\0",
    ".func f(x) {x*x}",
    "V1 a 0 PWL file=/etc/passwd",
    "a1 [a] [b] d",
    "`id`",
    ".if (1)",
    "é\u2028",
    "=" * 50,
]
OURS = Subckt("part", ("p", "n"), ())


@MANY
@given(lines=st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=30)), max_size=12))
def test_a_users_netlist_is_refused_with_its_line_or_becomes_a_circuit_without_commands(tmp_path, lines):
    path = tmp_path / "user.cir"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    try:
        found = from_file(path, OURS, {"p": "a", "n": "b"})
    except ExternalError as error:
        assert "user.cir" in str(error)
        return
    except ValueError as error:
        assert "port" in str(error)
        return
    circuit = Netlist("user", (V("1", "a", "0", 1.0), X("1", ("a", "0"), "part")), ("v(a)",), (found.subckt,))
    text = deck(circuit, Op(), []).text.lower()
    assert text.count(".control") == 1 and "/etc/passwd" not in text and "*#" not in text and "`" not in text


def test_folders_of_runs_are_private(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with run_folder(None) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_reads_pickles_but_our_own_processes():
    root = Path(__file__).parents[2]
    users = {
        path.relative_to(root).as_posix()
        for package in ("devicemodels", "netlists", "cosim", "studies")
        for path in (root / package).rglob("*.py")
        if any(word in path.read_text() for word in ("pickle.load", "allow_pickle=True", "weights_only=False"))
    }
    assert users == {"cosim/runs/worker.py", "cosim/runs/cluster.py"}
    assert DIVIDER.netlist.digest
