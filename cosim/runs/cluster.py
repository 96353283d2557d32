"""Jobs on a Dask cluster: dask.distributed schedules, moves and repeats; this module only cuts the work into tasks."""

import os
import pickle
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from cosim.engines.base import SimulationError
from cosim.runs.jobs import Chooser, Done, Job, Task, Work

if TYPE_CHECKING:
    from distributed import Client

VARIABLE = "DASK_SCHEDULER_ADDRESS"
LOCAL = "local"
SECONDS = 0.5
"""Seconds of simulation that a Dask task should take: far above the millisecond that scheduling it costs."""
LONGEST = 1000
AHEAD = 3
"""Tasks with the scheduler per thread of the cluster."""


def scheduler(cluster: "str | Client | None") -> "str | Client | None":
    """The argument, or else what the environment says; None for no cluster."""
    return cluster if cluster is not None else os.environ.get(VARIABLE) or None


def on_cluster(
    numbered: Iterator[tuple[int, Job]], chooser: Chooser, work: Work, workers: int, cluster: "str | Client"
) -> Iterator[Done]:
    """Answers as they come. The cache is read and written here, so the workers need not share a file system.

    Tasks of workers that are lost are run again, by Dask; those it gives up are tried once more, job by job.
    """
    client, mine = _client(cluster, workers)
    flow = _Flow(client, pickle.dumps(work.engines))
    try:
        missing = iter(numbered)
        while True:
            for index, job in islice(missing, flow.room()):
                if (waves := work.known(job)) is not None:
                    yield Done(index, waves)
                else:
                    flow.add(chooser.task(index, job))
            flow.submit()
            if flow.idle():
                return
            for task, done in flow.finished():
                chooser.learn(done)
                if work.cache is not None and not isinstance(done.answer, SimulationError):
                    work.cache.put(task.job, work.engines[task.choice], done.answer)
                yield done
    finally:
        flow.cancel()
        for part in mine:
            part.close()


class _Flow:
    """Tasks on their way to the cluster and back; each future carries some jobs."""

    def __init__(self, client: "Client", engines: bytes) -> None:
        from distributed import as_completed

        self._client, self._engines = client, engines
        self._waiting: list[Task] = []
        self._out: dict[Any, list[Task]] = {}
        self._arrivals = as_completed()
        self._seconds = SECONDS

    def _size(self) -> int:
        return max(1, min(LONGEST, int(SECONDS / max(self._seconds, 1e-9))))

    def room(self) -> int:
        """How many more jobs the cluster should have."""
        threads = sum(self._client.nthreads().values())  # pyright: ignore[reportAttributeAccessIssue]
        return max(0, AHEAD * max(1, threads) - len(self._out)) * self._size()

    def add(self, task: Task) -> None:
        self._waiting.append(task)

    def submit(self) -> None:
        """Send what waits."""
        size = self._size()
        while self._waiting:
            self._send(self._waiting[:size])
            self._waiting = self._waiting[size:]

    def _send(self, tasks: list[Task]) -> None:
        future = self._client.submit(_answer, self._engines, tasks, pure=False)
        self._out[future] = tasks
        self._arrivals.add(future)

    def idle(self) -> bool:
        return not self._out

    def finished(self) -> Iterator[tuple[Task, Done]]:
        """The answers of the next future that is done."""
        future = next(self._arrivals)
        tasks = self._out.pop(future)
        try:
            answers, seconds = future.result()
        except Exception as error:  # also KilledWorker: Dask has tried it on several workers
            if len(tasks) > 1:
                for task in tasks:
                    self._send([task])
                return
            failed = SimulationError(f"the cluster could not run the job: {type(error).__name__}: {error}")
            yield tasks[0], Done(tasks[0].index, failed)
            return
        self._seconds += 0.5 * (seconds / len(tasks) - self._seconds)
        yield from zip(tasks, answers, strict=True)

    def cancel(self) -> None:
        if self._out and self._client.status == "running":
            self._client.cancel(list(self._out))


def _client(cluster: "str | Client", workers: int) -> "tuple[Client, list[Any]]":
    """A client, and what is to be closed afterwards."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise SimulationError("dask.distributed is not installed", hint="pip install 'memspice[cluster]'") from None
    if isinstance(cluster, Client):
        return cluster, []
    if cluster != LOCAL:
        try:
            client = Client(cluster, timeout="10s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise SimulationError(
                f"no Dask scheduler answers at {cluster!r}: {error}", hint="an address looks like tcp://host:8786"
            ) from None
        return client, [client]
    started = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0")
    client = Client(started, set_as_default=False)
    return client, [client, started]


def _answer(engines: bytes, tasks: list[Task]) -> tuple[list[Done], float]:
    """Runs on a worker: the answers, and the seconds they took."""
    start = time.perf_counter()
    work = Work(_engines(engines, threading.get_ident()))
    return [work.do(task) for task in tasks], time.perf_counter() - start


@lru_cache(maxsize=64)
def _engines(engines: bytes, thread: int) -> Any:
    """Engines live as long as the worker: one set per thread, because some run one simulation at a time."""
    return pickle.loads(engines)
