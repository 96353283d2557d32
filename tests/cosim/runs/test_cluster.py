"""The same call on Dask: two workers of its own, one of them killed."""

import os
import signal

import pytest

from cosim.engines import SimulationError
from cosim.runs import Cache, run_many
from cosim.runs.cluster import scheduler
from cosim.waveforms import Waveforms
from tests.cosim.runs.stubs import Actor, job

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

# Dask's processes leave sockets and loops to the garbage collector when one of them is killed.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


def test_answers_are_those_of_this_machine_and_errors_stay_in_their_place(client):
    jobs = [job("refused" if i == 7 else "x", float(i + 1)) for i in range(60)]
    there, here = (run_many(jobs, Actor(delay=0.01), cluster=where) for where in (client, None))
    assert isinstance(there[7], SimulationError) and there[7].what == "refused"
    values = [[a.value("v(b)") for a in answers if isinstance(a, Waveforms)] for answers in (there, here)]
    assert values[0] == values[1] and len(values[0]) == 59
    pids = {a.log for a in there if isinstance(a, Waveforms)}
    assert len(pids) == 2 and str(os.getpid()) not in pids


def test_jobs_of_a_killed_worker_are_run_again(client):
    victims = list(client.run(os.getpid).values())

    def kill(done: int, total: int) -> None:
        if victims and done > 30:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    answers = run_many([job(r=float(i + 1)) for i in range(100)], Actor(delay=0.02), cluster=client, progress=kill)
    assert [a.value("v(b)") for a in answers if isinstance(a, Waveforms)] == [i + 1.0 for i in range(100)]


def test_the_cache_is_kept_by_the_caller(client, tmp_path):
    jobs = [job(r=float(i + 1)) for i in range(20)]
    first = run_many(jobs, Actor(), cluster=client, cache=Cache(tmp_path))
    assert len(list(tmp_path.glob("*/*.run"))) == 20
    second = run_many(jobs, Actor(), cache=Cache(tmp_path))
    assert [a.log for a in first if isinstance(a, Waveforms)] == [a.log for a in second if isinstance(a, Waveforms)]


def test_address_comes_from_argument_then_environment(monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://from-environment:1")
    assert scheduler("tcp://argument:1") == "tcp://argument:1"
    assert scheduler(None) == "tcp://from-environment:1"
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS")
    assert scheduler(None) is None


def test_an_address_of_nothing_is_one_clear_error():
    with pytest.raises(SimulationError, match="no Dask scheduler answers at 'nonsense'"):
        run_many([job()], Actor(), cluster="nonsense")
