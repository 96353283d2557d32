"""Worker processes: order of the world restored after death, frost, growth and old age, and nothing left behind."""

import os
import time

import pytest
import torch

from cosim.engines import SimulationError
from cosim.runs import processes
from cosim.runs.jobs import Done, Task, Work
from cosim.runs.processes import in_processes
from cosim.waveforms import Waveforms
from tests.cosim.runs.stubs import Actor, job


def answers(jobs, engine=None, workers: int = 2, **options) -> list[Done]:
    tasks = (Task(i, one) for i, one in enumerate(jobs))
    done = list(in_processes(tasks, Work((engine or Actor(),)), workers, **options))
    assert sorted(d.index for d in done) == list(range(len(jobs))), "each job has one answer"
    return sorted(done, key=lambda d: d.index)


def pids(done: list[Done]) -> list[str]:
    """Processes that answered, in order of appearance."""
    return list(dict.fromkeys(d.answer.log for d in done if isinstance(d.answer, Waveforms)))


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def test_every_job_gets_its_own_answer_from_either_of_two_processes():
    done = answers([job(r=float(i + 1)) for i in range(300)], Actor(delay=0.001))
    assert [d.answer.value("v(b)") for d in done if isinstance(d.answer, Waveforms)] == [i + 1.0 for i in range(300)]
    assert len(pids(done)) == 2 and str(os.getpid()) not in pids(done)
    assert not any(alive(pid) for pid in pids(done))


def test_errors_arrive_whole():
    (done,) = answers([job("refused")], workers=1)
    assert isinstance(done.answer, SimulationError)
    assert (done.answer.what, done.answer.deck, done.answer.hint) == ("refused", "the deck", "the hint")


def test_a_job_that_kills_its_worker_twice_is_an_error_and_no_other_job_suffers():
    done = answers([job()] * 20 + [job("die")] + [job()] * 20)
    failed = [d for d in done if isinstance(d.answer, SimulationError)]
    assert [d.index for d in failed] == [20]
    assert "the worker process ended during this job, twice" in str(failed[0].answer)


def test_a_job_whose_worker_was_killed_from_outside_is_run_again(tmp_path):
    done = answers([job()] * 5 + [job("die once", probe=f"v({tmp_path / 'seen'})")] + [job()] * 5)
    assert all(isinstance(d.answer, Waveforms) for d in done)
    assert (tmp_path / "seen").exists()


def test_a_frozen_worker_is_replaced(monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.3)
    done = answers([job()] * 10 + [job("freeze")] + [job()] * 10, Actor(timeout=0.2))
    assert [d.index for d in done if isinstance(d.answer, SimulationError)] == [10]
    assert "did not answer during this job, twice" in str(done[10].answer)


def test_workers_are_replaced_after_a_number_of_runs():
    done = answers([job()] * 500, workers=1, recycle=200)
    assert 2 <= len(pids(done)) <= 4


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc, which is Linux")
def test_workers_that_grow_are_replaced():
    jobs = [job("hoard")] * 350
    assert len(pids(answers(jobs, workers=1, growth=10**8))) >= 2
    assert len(pids(answers(jobs, workers=1, growth=10**10))) == 1


def test_workers_are_new_programs_and_not_forks_of_one_that_runs_torch():
    assert (torch.ones(100, 100) @ torch.ones(100, 100)).sum() == 1e6
    (done,) = answers([job("torch?")], workers=1)
    assert isinstance(done.answer, Waveforms) and done.answer.value("v(b)") == 0.0


def test_a_job_that_cannot_be_sent_is_an_error_in_its_place():
    net, analysis = job()
    object.__setattr__(net, "title", lambda: None)
    done = answers([job(), (net, analysis), job()])
    assert [isinstance(d.answer, SimulationError) for d in done] == [False, True, False]
    assert "could not be sent to a worker" in str(done[1].answer)


def test_closing_early_ends_every_process_within_two_seconds():
    stream = in_processes((Task(i, job()) for i in range(10**9)), Work((Actor(delay=0.01),)), 2)
    seen = [next(stream) for _ in range(20)]
    asked = time.monotonic()
    stream.close()
    assert time.monotonic() - asked < 2.0
    assert not any(alive(pid) for pid in pids(seen))


def test_workers_that_cannot_start_are_one_clear_error(monkeypatch):
    monkeypatch.setattr(processes, "START", "raise SystemExit(3)")
    with pytest.raises(SimulationError, match="worker processes cannot be started"):
        answers([job()])
