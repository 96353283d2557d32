"""A worker process: answers batches of tasks until its parent closes the connection, or has gone.

It is started as a new program and never forked, so threads of the parent (torch's, for one) cannot harm it. SIGTERM
ends it in order: the simulators it runs are killed and their folders removed.
"""

import gc
import os
import pickle
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import NoReturn

from cosim.engines.process import resident
from cosim.runs.jobs import Done, Task, Work

FLUSH = 0.05
"""Seconds for which answers may be gathered before they are sent."""
LOOK = 100
"""Runs between two looks at the own memory."""
ORPHAN = 5.0
"""Seconds after which a worker whose parent has gone gives up ending in order."""


class Age:
    """Whether a worker is to be replaced: too many runs, or too much more memory than after its first hundred."""

    def __init__(self, recycle: int, growth: int) -> None:
        self._recycle, self._growth = recycle, growth
        self._runs, self._first = 0, 0
        self.old = False

    def add(self) -> None:
        """Count one run."""
        self._runs += 1
        if self._runs % LOOK == 0:
            now = resident(os.getpid()) or 0
            self._first = self._first or now
            self.old = self._runs >= self._recycle or now > self._first + self._growth


def serve(connection: Connection) -> None:
    """The first message is (Work, recycle, growth); each further one is a list of tasks.

    Every message back is (list of Done, whether this worker wants to be replaced).
    """
    work, recycle, growth = pickle.loads(connection.recv_bytes())
    age = Age(recycle, growth)
    connection.send(([], False))
    while True:
        try:
            tasks: list[Task] = connection.recv()
        except EOFError:
            return
        _answer(connection, work, tasks, age)


def _answer(connection: Connection, work: Work, tasks: list[Task], age: Age) -> None:
    ready: list[Done] = []
    sent = time.monotonic()
    for task in tasks:
        ready.append(work.do(task))
        age.add()
        if time.monotonic() - sent > FLUSH:
            connection.send((ready, False))
            ready, sent = [], time.monotonic()
    connection.send((ready, age.old))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN)
    os._exit(1)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main() -> None:
    """Entry point: the argument is the file descriptor of the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    # What was imported stays for good; the collector need not look at it again and again.
    gc.freeze()
    try:
        serve(Connection(int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        pass
