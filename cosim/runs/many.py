"""Many simulations at once: one answer or one error per job."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence, Sized
from itertools import chain
from typing import TYPE_CHECKING

from cosim.engines.base import Engine
from cosim.runs.cache import Cache
from cosim.runs.cluster import on_cluster, scheduler
from cosim.runs.jobs import Answer, Chooser, Done, Job, Work, sendable
from cosim.runs.processes import in_processes
from cosim.runs.progress import Report, reporter
from cosim.runs.threads import available_cpus, in_threads

if TYPE_CHECKING:
    from distributed import Client

LOOK = 0.2
"""Seconds after which the rate of the first jobs is known well enough."""
WORTH = 2.0
"""Seconds of remaining work from which on starting worker processes, about half a second each, is worth it."""


def run_many(
    jobs: Iterable[Job],
    engine: Engine | Sequence[Engine],
    *,
    workers: int | None = None,
    progress: Report | bool | None = None,
    cache: Cache | None = None,
    cluster: "str | Client | None" = None,
) -> list[Answer]:
    """Run every (netlist, analysis); item `i` of the answer belongs to job `i`.

    The options are those of `run_each`.
    """
    todo = list(jobs)
    answers: dict[int, Answer] = {}
    for index, answer in run_each(todo, engine, workers=workers, progress=progress, cache=cache, cluster=cluster):
        answers[index] = answer
    return [answers[index] for index in range(len(todo))]


def run_each(
    jobs: Iterable[Job],
    engine: Engine | Sequence[Engine],
    *,
    workers: int | None = None,
    progress: Report | bool | None = None,
    cache: Cache | None = None,
    cluster: "str | Client | None" = None,
    total: int | None = None,
) -> Generator[tuple[int, Answer], None, None]:
    """Run every (netlist, analysis) and give (its number, its answer) as they come; `jobs` is read as needed.

    A job that fails, for whatever reason, gives a SimulationError in its place; a run's time limit is its engine's. Of
    several engines the one that is measured to be the fastest runs the jobs of a kind (`jobs.Chooser`).

    `workers` simulations run at a time, by default one per available processor: in threads when there is little to do,
    else in worker processes. With `cluster` they run on Dask instead: "local", the address of a scheduler, or a Client;
    the environment variable DASK_SCHEDULER_ADDRESS is used without one. `cache` answers what it knows, and keeps every
    answer at once, so that a call that was killed resumes where it was. `progress` is called with (done, all); True
    draws a bar; `total` is the number of jobs where they cannot be counted. Ctrl-C ends every simulator that this call
    has started.
    """
    count = available_cpus() if workers is None else workers
    if count < 1:
        raise ValueError(f"run_many needs at least one worker, got workers={workers!r}")
    engines = (engine,) if isinstance(engine, Engine) else tuple(engine)
    if not engines:
        raise ValueError("run_many needs an engine, got none")
    number = total or (len(jobs) if isinstance(jobs, Sized) else 0)
    return _each(jobs, Work(engines, cache), min(count, number or count), number, progress, cluster)


def _each(
    jobs: Iterable[Job],
    work: Work,
    workers: int,
    total: int,
    progress: Report | bool | None,
    cluster: "str | Client | None",
) -> Generator[tuple[int, Answer], None, None]:
    if len(work.engines) > 1:
        for engine in work.engines:
            engine.version()  # one that is missing would look like one that is slow
    chooser = Chooser(len(work.engines))
    numbered = enumerate(jobs)
    where = scheduler(cluster)
    answers = (
        on_cluster(numbered, chooser, work, workers, where) if where else _here(numbered, chooser, work, workers, total)
    )
    with reporter(progress, total) as report:
        for number, done in enumerate(answers, 1):
            report(number, total)
            yield done.index, done.answer


def _here(
    numbered: Iterator[tuple[int, Job]], chooser: Chooser, work: Work, workers: int, total: int
) -> Iterator[Done]:
    """In threads, and once it is known that there is much to do, in processes."""
    tasks = (chooser.task(index, job) for index, job in numbered)
    start, answered = time.monotonic(), 0

    def enough() -> bool:
        spent = time.monotonic() - start
        remaining = spent / max(answered, 1) * (total - answered) if total else 10 * spent
        return can_leave and spent > LOOK and remaining > WORTH

    can_leave = sendable(work.engines)
    for done in in_threads(tasks, work, workers, enough):
        answered += 1
        chooser.learn(done)
        yield done
    for task in tasks:
        for done in in_processes(chain([task], tasks), work, workers):
            chooser.learn(done)
            yield done
