"""Jobs in threads of this process: nothing to start, so the place for a few."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice

from cosim.engines.process import CHILDREN, Children
from cosim.runs.jobs import Done, Task, Work


def available_cpus() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(tasks: Iterator[Task], work: Work, workers: int, enough: Callable[[], bool]) -> Iterator[Done]:
    """Answers as they come. When `enough()`, no more tasks are taken from `tasks`, and those begun are finished.

    When the iterator is closed or interrupted, every simulator it has started is killed.
    """
    children = Children()

    def run(task: Task) -> Done:
        CHILDREN.set(children)
        return work.do(task)

    with ThreadPoolExecutor(workers, "memspice") as pool:
        running: set[Future[Done]] = set()
        try:
            while True:
                room = 0 if enough() else workers - len(running)
                running |= {pool.submit(copy_context().run, run, task) for task in islice(tasks, room)}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.kill()
            raise
