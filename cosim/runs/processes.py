"""Jobs in worker processes: each has its own interpreter and its own engines, so nothing is waited for.

A worker is replaced when it ends, says nothing for longer than a run may take, or is old. What it had not yet answered
is given to another one, alone; a job that has ended two workers that had nothing else to do is answered with an error.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from cosim.engines.base import SimulationError
from cosim.engines.process import Children, end
from cosim.runs.jobs import Done, Task, Work

BATCH = 0.05
"""Seconds of simulation sent at a time; a worker with shorter jobs has the next batch already."""
LONGEST = 256
"""Jobs sent at a time, at most."""
GRACE = 10.0
"""Seconds that a worker may be silent beyond the time limit of a run."""
LEAVE = 1.0
"""Seconds in which workers may end in order before they are killed."""
RECYCLE = 5000
GROWTH = 512 * 1024**2
START = "import sys; sys.path[:] = sys.argv[2:]; from cosim.runs.worker import main; main()"


class Worker:
    """One process and what it has been given and not yet answered."""

    def __init__(self, hello: bytes) -> None:
        self.connection, theirs = Pipe()
        self.given: deque[Task] = deque()
        self.greeted, self.old, self.heard = False, False, time.monotonic()
        with theirs:
            self.process: subprocess.Popen[Any] = Children().start(
                [sys.executable, "-P", "-c", START, str(theirs.fileno()), *sys.path],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        try:
            self.connection.send_bytes(hello)
        except OSError:
            pass  # it has ended already; the end of the connection will tell

    def give(self, tasks: list[Task]) -> None:
        """Send tasks; raises whatever pickling raises, and then nothing was sent."""
        if not self.given:
            self.heard = time.monotonic()
        try:
            self.connection.send(tasks)
        except OSError:
            pass
        self.given.extend(tasks)

    def hear(self) -> list[Done]:
        """Answers that have arrived; raises EOFError or OSError when the worker has ended."""
        answers, self.old = self.connection.recv()
        self.greeted, self.heard = True, time.monotonic()
        found = {done.index for done in answers}
        self.given = deque(task for task in self.given if task.index not in found)
        return answers

    def kill(self) -> None:
        """End the process, and what it has started, at once."""
        self.connection.close()
        family = _descendants(self.process.pid)
        end(self.process)
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def in_processes(
    tasks: Iterator[Task], work: Work, workers: int, *, recycle: int = RECYCLE, growth: int = GROWTH
) -> Generator[Done, None, None]:
    """Answers as they come; when the iterator is closed or interrupted, every process is ended within 2 s."""
    crew = Crew(tasks, work, workers, (recycle, growth))
    try:
        yield from crew.answers()
    finally:
        crew.end()


class Crew:
    """Worker processes and the tasks that wait for them."""

    def __init__(self, tasks: Iterator[Task], work: Work, workers: int, age: tuple[int, int]) -> None:
        self._tasks = tasks
        self._again: deque[Task] = deque()
        self._lost: dict[int, int] = {}
        self._hello = pickle.dumps((work, *age))
        self._patience = max(engine.limits.timeout for engine in work.engines) * len(work.engines) + GRACE
        self._seconds = BATCH
        self._failed_starts = 0
        self._size = workers
        self._workers: list[Worker] = []

    def answers(self) -> Iterator[Done]:
        """Every answer, until there is nothing left to do."""
        self._workers = [Worker(self._hello) for _ in range(self._size)]
        while True:
            for worker in self._workers:
                yield from self._feed(worker)
            if self._finished():
                return
            ready = wait([worker.connection for worker in self._workers], timeout=1.0)
            for place, worker in enumerate(self._workers):
                if worker.connection in ready:
                    yield from self._hear(place, worker)
                elif worker.given and time.monotonic() - worker.heard > self._patience:
                    yield from self._replace(place, "did not answer")
                if self._workers[place].old and not self._workers[place].given:
                    yield from self._replace(place, "")

    def _finished(self) -> bool:
        """Whether nothing is left: a worker that could take a task was offered none."""
        free = any(worker.greeted and not worker.old for worker in self._workers)
        return free and not self._again and not any(worker.given for worker in self._workers)

    def _hear(self, place: int, worker: Worker) -> Iterator[Done]:
        before = worker.heard
        try:
            answers = worker.hear()
        except (EOFError, OSError, pickle.UnpicklingError):
            yield from self._replace(place, "ended")
            return
        if answers:
            each = (worker.heard - before) / len(answers)
            self._seconds += 0.3 * (each - self._seconds)
        yield from answers

    def _feed(self, worker: Worker) -> Iterator[Done]:
        """Keep a worker in work: one batch and the next for short jobs, one job at a time for long ones."""
        if worker.old or not worker.greeted or (worker.given and worker.given[0].index in self._lost):
            return
        while batch := self._batch(len(worker.given)):
            try:
                worker.give(batch)
                return
            except Exception as error:
                if len(batch) > 1:
                    self._again.extend(batch)
                    continue
                failed = SimulationError(f"the job could not be sent to a worker: {type(error).__name__}: {error}")
                yield Done(batch[0].index, failed)

    def _batch(self, given: int) -> list[Task]:
        """What to send to a worker that has `given` tasks."""
        size = max(1, min(LONGEST, int(BATCH / max(self._seconds, 1e-9))))
        if self._again:
            return [] if given else [self._again.popleft()]
        return list(islice(self._tasks, size)) if given <= (size if size > 1 else 0) else []

    def _replace(self, place: int, why: str) -> Iterator[Done]:
        """A new worker in the place of one that is old (`why` is empty) or lost."""
        worker = self._workers[place]
        worker.kill()
        if why and not worker.greeted:
            self._failed_starts += 1
            if self._failed_starts >= 3:
                raise SimulationError("worker processes cannot be started; what they said is on stderr")
        alone = len(worker.given) == 1
        for task in worker.given:
            self._lost[task.index] = self._lost.get(task.index, 0) + alone
            if self._lost[task.index] >= 2:
                yield Done(task.index, SimulationError(f"the worker process {why} during this job, twice"))
            else:
                self._again.append(task)
        self._workers[place] = Worker(self._hello)

    def end(self) -> None:
        """End every process in order, and by force what has not ended in time."""
        for worker in self._workers:
            worker.connection.close()  # one that is idle takes this for the end
            if worker.given:
                worker.process.terminate()
        deadline = time.monotonic() + LEAVE
        for worker in self._workers:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()


def _descendants(pid: int) -> list[int]:
    """Processes below one, as far as /proc tells."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *_descendants(child))]
