"""Many runs: order, errors per item, parallelism, progress. Ctrl-C is tested in engines/test_process.py."""

import os
import threading
import time

import numpy as np
import pytest

from cosim.engines import Analysis, Engine, Op, SimulationError
from cosim.engines.ngspice_shared import NgspiceShared
from cosim.runs import available_cpus, many, run_each, run_many
from cosim.twins import opamp
from cosim.waveforms import Waveforms
from netlists.opamp import OpampParams
from netlists.spice import Netlist, R, V
from tests.conftest import demand
from tests.cosim.runs.stubs import Actor
from tests.reference_circuits import DIVIDER, RC_AC, RC_STEP, SINE, VERILOG_A, netlist


class StubEngine(Engine):
    """Answers with the value of the first resistor after `delay` (s); fails as the title says."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay, self.running, self.most = delay, 0, 0
        self._lock = threading.Lock()

    def version(self) -> str:
        return "stub"

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.delay)
        with self._lock:
            self.running -= 1
        if netlist.title == "refused":
            raise SimulationError("refused")
        if netlist.title == "broken":
            raise ZeroDivisionError("a bug in an engine")
        resistor = netlist.elements[0]
        assert isinstance(resistor, R)
        return Waveforms("point", np.zeros(1), {"v(b)": np.array([resistor.r])}, netlist.digest, "stub", analysis)


def job(title: str = "x", r: float = 1.0):
    return netlist(title, R("1", "b", "0", r)), Op()


def test_answers_come_in_the_order_of_the_jobs():
    answers = run_many([job("x", float(i)) for i in range(1, 31)], StubEngine(0.002), workers=4)
    assert [a.value("v(b)") for a in answers if isinstance(a, Waveforms)] == [float(i) for i in range(1, 31)]


def test_a_failed_job_is_an_error_in_its_place_and_the_others_are_answered():
    answers = run_many([job("x"), job("refused"), job("broken"), job("x")], StubEngine(), workers=2)
    kinds = [type(answer) for answer in answers]
    assert kinds == [Waveforms, SimulationError, SimulationError, Waveforms]
    assert "ZeroDivisionError: a bug in an engine" in str(answers[2])


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_than_the_asked_number_run_at_a_time(workers):
    engine = StubEngine(0.02)
    run_many([job("x")] * 9, engine, workers=workers)
    assert engine.most == workers


def test_default_is_one_worker_per_available_processor():
    engine = StubEngine(0.02)
    run_many([job("x")] * 12, engine)
    assert engine.most == min(12, available_cpus())


def test_progress_reaches_the_end_and_never_goes_back():
    seen: list[tuple[int, int]] = []
    run_many([job("x"), job("refused"), job("x")], StubEngine(), workers=2, progress=lambda n, of: seen.append((n, of)))
    assert seen[-1] == (3, 3)
    assert seen == sorted(seen)


def test_progress_bar_can_be_drawn(capsys):
    run_many([job("x")] * 2, StubEngine(), progress=True)
    assert "2/2" in capsys.readouterr().out


def test_no_jobs_give_no_answers():
    assert run_many([], StubEngine()) == []


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="workers=0"):
        run_many([job("x")], StubEngine(), workers=0)


def test_interrupt_in_the_caller_is_passed_on():
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_many([job("x")] * 5, StubEngine(0.01), workers=1, progress=interrupt)


def test_engine_gives_the_same_answers_many_at_a_time(engine):
    jobs = [
        (netlist("divider", V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", float(r))), Op())
        for r in (100, 200, 400, 800)
    ]
    jobs += [(RC_STEP.netlist, RC_STEP.analysis), (netlist("bad", *DIVIDER.netlist.elements, probes=("v(q)",)), Op())]
    answers = run_many(jobs, engine, workers=3)
    assert isinstance(answers[-1], SimulationError)
    for (net, analysis), answer in zip(jobs[:-1], answers[:-1], strict=True):
        assert isinstance(answer, Waveforms), answer
        np.testing.assert_array_equal(answer["v(b)"], engine.run(net, analysis)["v(b)"])


def test_of_several_engines_the_one_that_is_measured_faster_runs_the_rest():
    slow, fast = Actor(delay=0.05, name="slow"), Actor(name="fast")
    answers = run_many([job() for _ in range(60)], [slow, fast], workers=2)
    engines = [a.engine for a in answers if isinstance(a, Waveforms)]
    assert len(engines) == 60
    assert 3 <= engines.count("slow") <= 6, "each is tried three times, and while the first results are awaited"


def test_each_kind_of_job_has_its_own_engine():
    small = [job(r=1.0)] * 30
    large = [(netlist("large", *(R(str(k), "b", "0", 1.0) for k in range(500))), Op())] * 30

    class ByLength(Actor):
        def __init__(self, name: str, likes_large: bool) -> None:
            super().__init__(name=name)
            self.likes_large = likes_large

        def run(self, netlist, analysis):
            time.sleep(0.0 if self.likes_large == (len(netlist.elements) > 1) else 0.03)
            return super().run(netlist, analysis)

    answers = run_many(small + large, [ByLength("small", False), ByLength("large", True)], workers=1)
    engines = [a.engine for a in answers if isinstance(a, Waveforms)]
    assert set(engines[10:30]) == {"small"} and set(engines[40:]) == {"large"}


def test_an_engine_that_fails_is_never_the_faster_one():
    class Broken(Actor):
        def run(self, netlist, analysis):
            raise SimulationError("broken")

    answers = run_many([job()] * 40, [Actor(delay=0.005), Broken()], workers=1)
    assert sum(isinstance(a, SimulationError) for a in answers) == 3


def test_process_and_library_agree_to_the_bit_so_that_the_choice_does_not_change_results(ngspice, request):
    demand("ngspice-shared", request)
    jobs = [(r.netlist, r.analysis) for r in (DIVIDER, RC_STEP, SINE, RC_AC, VERILOG_A)]
    jobs.append((opamp.bench(OpampParams()), opamp.analysis(OpampParams())))
    with NgspiceShared(timeout=60.0) as shared:
        ours, theirs = (run_many(jobs, engine) for engine in (ngspice, shared))
    for a, b in zip(ours, theirs, strict=True):
        assert isinstance(a, Waveforms) and isinstance(b, Waveforms)
        np.testing.assert_array_equal(a.axis, b.axis)
        for name, values in a.signals.items():
            np.testing.assert_array_equal(values, b[name])


def test_many_short_jobs_leave_this_process(monkeypatch):
    monkeypatch.setattr(many, "WORTH", 0.1)
    answers = run_many([job(r=i + 1.0) for i in range(400)], Actor(delay=0.005), workers=2)
    assert [a.value("v(b)") for a in answers if isinstance(a, Waveforms)] == [i + 1.0 for i in range(400)]
    pids = {a.log for a in answers if isinstance(a, Waveforms)}
    assert str(os.getpid()) in pids and len(pids) == 3


def test_jobs_are_read_as_needed_and_answers_do_not_pile_up():
    read = 0

    def jobs():
        nonlocal read
        while True:
            read += 1
            yield job()

    stream = run_each(jobs(), StubEngine(), workers=2)
    for _ in range(50):
        next(stream)
    stream.close()
    assert read < 60
