"""Many simulations at once: one answer or one error per job, in the order of the jobs."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from contextvars import copy_context

from cosim.engines.base import Analysis, Engine, SimulationError
from cosim.engines.process import CHILDREN, Children
from cosim.waveforms import Waveforms
from netlists.spice import Netlist

Job = tuple[Netlist, Analysis]


def run_many(
    jobs: Iterable[Job],
    engine: Engine,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
) -> list[Waveforms | SimulationError]:
    """Run every (netlist, analysis) with `engine`; item `i` of the answer belongs to job `i`.

    A job that fails, for whatever reason, gives a SimulationError in its place. `workers` simulations run at a time, by
    default one per available processor. `progress` is called with (done, all); True draws a bar. Ctrl-C ends every
    simulator that this call has started.
    """
    todo = list(jobs)
    count = available_cpus() if workers is None else workers
    if count < 1:
        raise ValueError(f"run_many needs at least one worker, got workers={workers!r}")
    with _reporter(progress, len(todo)) as report:
        return _run(todo, engine, min(count, max(1, len(todo))), report)


def available_cpus() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(
    todo: Sequence[Job], engine: Engine, workers: int, report: Callable[[int, int], None]
) -> list[Waveforms | SimulationError]:
    children = Children()
    token = CHILDREN.set(children)
    try:
        with ThreadPoolExecutor(workers, "memspice") as pool:
            try:
                futures = [pool.submit(copy_context().run, _one, engine, job) for job in todo]
                for done in _completed(futures):
                    report(done, len(todo))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                children.kill()
                raise
        return [future.result() for future in futures]
    finally:
        CHILDREN.reset(token)


def _one(engine: Engine, job: Job) -> Waveforms | SimulationError:
    try:
        return engine.run(*job)
    except SimulationError as error:
        return error
    except Exception as error:
        failed = SimulationError(f"the job could not be run: {type(error).__name__}: {error}")
        failed.__cause__ = error
        return failed


def _completed(futures: Sequence[Future]) -> Iterator[int]:
    pending = set(futures)
    while pending:
        _, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield len(futures) - len(pending)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("simulations"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as bar:
        task = bar.add_task("simulations", total=total)
        yield lambda done, _: bar.update(task, completed=done)


def _reporter(progress: Callable[[int, int], None] | bool | None, total: int):
    if progress is True:
        return _bar(total)
    return nullcontext(progress if callable(progress) else lambda done, _: None)
