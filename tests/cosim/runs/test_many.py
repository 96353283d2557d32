"""Many runs: order, errors per item, parallelism, progress. Ctrl-C is tested in engines/test_process.py."""

import threading
import time

import numpy as np
import pytest

from cosim.engines import Analysis, Engine, Op, SimulationError
from cosim.runs import available_cpus, run_many
from cosim.waveforms import Waveforms
from netlists.spice import Netlist, R, V
from tests.reference_circuits import DIVIDER, RC_STEP, netlist


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


def job(title: str, r: float = 1.0):
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
