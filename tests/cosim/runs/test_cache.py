"""The cache: what makes two simulations the same, damage, sharing, the limit."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cosim.engines import Dc, Op, Options, SimulationError
from cosim.runs import Answer, Cache, CacheWarning, run_many
from cosim.runs.entries import CorruptEntry, decode, encode
from cosim.runs.jobs import Task, Work
from cosim.waveforms import Waveforms
from tests.cosim.runs.stubs import Actor, job
from tests.reference_circuits import NOISE, RC_AC, RC_STEP, VERILOG_A

ROOT = Path(__file__).parents[3]
KEY = {"netlist": "a digest", "engine": "an engine"}


class Counter(Actor):
    """Counts its runs."""

    runs = 0

    def run(self, netlist, analysis):
        self.runs += 1
        return super().run(netlist, analysis)


def value(answer: Answer) -> float:
    assert isinstance(answer, Waveforms), answer
    return answer.value("v(b)")


def ask(cache: Cache, engine: Actor, one=None):
    return Work((engine,), cache).do(Task(0, one or job())).answer


def entries(cache: Cache) -> list[Path]:
    return sorted(cache.folder.glob("*/*"))


def test_the_second_time_nothing_is_simulated(tmp_path):
    cache, engine = Cache(tmp_path), Counter()
    first, second = (run_many([job(r=float(i + 1)) for i in range(5)], engine, cache=cache) for _ in range(2))
    assert engine.runs == 5
    assert [value(a) for a in first] == [value(a) for a in second] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("engine", "one"),
    [
        (Counter(name="another version"), job()),
        (Counter(), job(r=1.0000000000000002)),
        (Counter(), job(probe="v(c)")),
        (Counter(), (job()[0], Op(options=Options(reltol=1e-4)))),
        (Counter(), (job()[0], Dc(source="V1", start=0, stop=1, step=1))),
    ],
    ids=["engine", "value", "probe", "option", "analysis"],
)
def test_another_question_is_another_entry(tmp_path, engine, one):
    cache = Cache(tmp_path)
    ask(cache, Counter())
    before = engine.runs
    ask(cache, engine, one)
    assert engine.runs == before + 1 and len(entries(cache)) == 2


def test_a_suspect_answer_is_not_given_to_an_engine_that_refuses_them(tmp_path):
    cache, lenient, strict = Cache(tmp_path), Counter(), Counter()
    lenient.allow_suspect = True
    ask(cache, lenient)
    ask(cache, strict)
    assert strict.runs == 1


def test_a_failure_is_not_kept(tmp_path):
    cache, engine = Cache(tmp_path), Counter()
    for _ in range(2):
        assert isinstance(ask(cache, engine, job("refused")), SimulationError)
    assert engine.runs == 2 and entries(cache) == []


@pytest.mark.parametrize("reference", [RC_STEP, RC_AC, NOISE, VERILOG_A], ids=lambda r: r.netlist.title)
def test_what_was_kept_is_what_the_simulator_said_to_the_bit(tmp_path, ngspice, reference):
    work = Work((ngspice,), Cache(tmp_path))
    task = Task(0, (reference.netlist, reference.analysis))
    said, kept = work.do(task), work.do(task)
    assert said.seconds is not None and kept.seconds is None
    assert isinstance(said.answer, Waveforms) and isinstance(kept.answer, Waveforms)
    np.testing.assert_array_equal(kept.answer.axis, said.answer.axis)
    for name, values in said.answer.signals.items():
        assert kept.answer[name].dtype == values.dtype
        np.testing.assert_array_equal(kept.answer[name], values)
    for field in ("axis_name", "digest", "engine", "analysis", "suspicions", "log"):
        assert getattr(kept.answer, field) == getattr(said.answer, field)


def test_damage_anywhere_is_detected():
    waves = Waveforms("point", np.zeros(1), {"v(b)": np.array([1.5])}, "a digest", "an engine", Op())
    data = encode(waves, KEY)
    assert decode(data, KEY, Op()).value("v(b)") == 1.5
    for place in range(len(data)):
        with pytest.raises(CorruptEntry):
            decode(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], KEY, Op())
        with pytest.raises(CorruptEntry):
            decode(data[:place], KEY, Op())
    with pytest.raises(CorruptEntry, match="another simulation"):
        decode(data, KEY | {"engine": "another"}, Op())


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: b"", lambda data: data[:60] + b"\0" + data[61:]]
)
def test_a_corrupt_entry_is_reported_and_simulated_again(tmp_path, damage):
    cache, engine = Cache(tmp_path), Counter()
    ask(cache, engine)
    (path,) = entries(cache)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.warns(CacheWarning, match="is corrupt"):
        assert value(ask(cache, engine)) == 1.0
    assert engine.runs == 2 and path.read_bytes() == whole


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path):
    cache = Cache(tmp_path)
    for i in range(10):
        ask(cache, Actor(), job(r=float(i + 1)))
    for age, path in enumerate(entries(cache)):
        os.utime(path, (1e9 + age, 1e9 + age))
    oldest, *rest = entries(cache)
    size = cache.size()
    small = Cache(tmp_path, limit=size * 6 // 10)
    small.shrink()
    assert small.size() <= 0.9 * small.limit and small.size() > 0.4 * size
    assert entries(cache) == rest[-len(entries(cache)) :] and oldest not in entries(cache)


def test_use_protects_an_entry(tmp_path):
    cache = Cache(tmp_path)
    for i in range(4):
        ask(cache, Actor(), job(r=float(i + 1)))
    for path in entries(cache):
        os.utime(path, (1e9, 1e9))
    engine = Counter()
    ask(cache, engine, job(r=3.0))
    Cache(tmp_path, limit=cache.size() // 3).shrink()
    ask(cache, engine, job(r=3.0))
    assert engine.runs == 0 and len(entries(cache)) == 1


def test_the_limit_holds_while_writing(tmp_path):
    cache = Cache(tmp_path, limit=20_000)
    sizes = []
    for i in range(100):
        ask(cache, Actor(), job(r=float(i + 1)))
        sizes.append(cache.size())
    assert max(sizes) <= 20_000 * (1 + 1 / 16) + 1000
    assert sizes[-1] > 10_000


def test_abandoned_parts_are_removed_and_fresh_ones_left_alone(tmp_path):
    cache = Cache(tmp_path)
    (tmp_path / "ab").mkdir()
    old, fresh = tmp_path / "ab" / "old.part", tmp_path / "ab" / "fresh.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    cache.shrink()
    assert not old.exists() and fresh.exists()


def test_a_folder_that_cannot_be_written_costs_a_warning_and_no_answer(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    engine = Counter()
    with pytest.warns(CacheWarning, match="could not be kept"):
        answer = ask(Cache(tmp_path / "file"), engine)
    assert value(answer) == 1.0


SHARER = """
import sys
from cosim.runs import Cache
from cosim.runs.jobs import Task, Work
from tests.cosim.runs.stubs import Actor, job
work = Work((Actor(),), Cache(sys.argv[1], limit=40_000))
for i in list(range(100)) * 2:
    assert work.do(Task(0, job(r=i + 1.0))).answer.value("v(b)") == i + 1.0
"""


def test_two_processes_share_a_folder_even_while_both_evict(tmp_path):
    command = [sys.executable, "-W", "error", "-c", SHARER, str(tmp_path)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert not list(tmp_path.glob("*/*.part"))


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"Cache\.limit .* got 0"):
        Cache(limit=0)


def test_the_default_folder_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().folder == tmp_path / "memspice" / "runs"
