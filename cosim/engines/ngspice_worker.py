"""The process behind engine `ngspice-shared`: PySpice's libngspice, fed with decks through a connection.

A program of its own, started by `ngspice_shared.py`; it imports nothing of memspice, and nothing there imports it, so
PySpice (GPL) is loaded in this process only. PySpice 1.5 takes every line on stderr for an error and forgets the
circuits it has run; the subclass and `remcirc` correct that. What the log says is judged by `trust.py` in the parent.

Two kinds of work: a whole deck at once, or the steps of a `session.Session`, a transient that stops and goes on.
"""

import gc
import os
import resource
import sys
import threading
import time
from ctypes.util import find_library
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Literal

from PySpice.Spice.NgSpice.Shared import NgSpiceCircuitError, NgSpiceCommandError, NgSpiceShared, ffi, ffi_string_utf8


class Library(NgSpiceShared):
    """libngspice with the whole log, and with the request to exit kept instead of ignored."""

    exit_status: int | None = None
    drives: "Drives | None" = None

    def get_vsrc_data(self, voltage: Any, time: float, node: str, ngspice_id: int) -> Literal[0]:
        assert self.drives is not None
        voltage[0] = self.drives.value(node, time)
        return 0

    def get_isrc_data(self, current: Any, time: float, node: str, ngspice_id: int) -> Literal[0]:
        return self.get_vsrc_data(current, time, node, ngspice_id)

    @staticmethod
    def _send_data(data, number_of_vectors, ngspice_id, user_data) -> int:
        drives = ffi.from_handle(user_data).drives
        if drives is not None:
            values = (data.vecsa[k] for k in range(number_of_vectors))
            drives.accepted = {_label(str(ffi_string_utf8(value.name))): value.creal for value in values}
        return 0

    @staticmethod
    def _send_char(message_c, ngspice_id, user_data) -> int:
        library = ffi.from_handle(user_data)
        line = str(ffi_string_utf8(message_c)).partition(" ")[2]
        library._stdout.append(line)
        return 0

    @staticmethod
    def _exit(exit_status, immediate_unloding, quit_exit, ngspice_id, user_data) -> int:
        ffi.from_handle(user_data).exit_status = exit_status
        return exit_status


def simulate(library: Library, deck: str, osdi: list[str], plot: str) -> dict[str, Any]:
    """Run one deck; answers with the log, the vectors of the last plot of kind `plot`, and the exit status if any."""
    log: list[str] = []

    def say(command: str) -> None:
        try:
            library.exec_command(command)
        except (NgSpiceCommandError, NameError) as error:
            log.append(f"error: {error}")
        log.extend(library._stdout)

    for path in osdi:
        say(f"osdi {path}")
    before = set(library.plot_names)
    try:
        library.load_circuit(deck)
    except (NgSpiceCircuitError, NameError) as error:
        library._stdout.append(f"error: {error}")
    log += library._stdout
    vectors: dict[str, Any] = {}
    if library.exit_status is None:
        say("run")
        fresh = [name for name in library.plot_names if name not in before and name.startswith(plot)]
        if fresh:
            vectors = _vectors(library, min(fresh))
    if library.exit_status is None:
        library.exec_command("destroy all")
        library.exec_command("remcirc")
    return {"log": "\n".join(log), "vectors": vectors, "exit": library.exit_status}


def _vectors(library: Library, name: str) -> dict[str, Any]:
    """Vectors under the names they have in a raw file: v(node), i(source)."""
    found: dict[str, Any] = {}
    for vector in library.plot(None, name).values():
        label = vector._name.lower()
        if label.endswith("#branch"):
            label = f"i({label.removesuffix('#branch')})"
        elif str(vector._type).endswith("voltage") and not label.endswith("-sweep") and label[0] != "@":
            label = f"v({label})"
        found[label] = vector._data
    return found


def _label(vector: str) -> str:
    """The name that a real vector of a transient has in a raw file."""
    name = vector.lower()
    if name.endswith("#branch"):
        return f"i({name.removesuffix('#branch')})"
    return name if name == "time" or name[0] == "@" else f"v({name})"


class Drives:
    """Values of external sources, asked from the parent once for each time at which the solver wants them."""

    def __init__(self, connection: Connection) -> None:
        self.accepted: dict[str, float] = {}
        self._connection, self._known = connection, {}

    def value(self, source: str, time: float) -> float:
        asked = (time, self.accepted.get("time", 0.0))
        if self._known.get(source, (None, 0.0))[0] != asked:
            self._connection.send({"source": source, "time": time, "accepted": self.accepted})
            self._known[source] = (asked, float(self._connection.recv()))
        return self._known[source][1]


class Stepped:
    """A transient that runs from stop to stop."""

    def __init__(self, library: Library, connection: Connection) -> None:
        self._library, self._connection = library, connection
        self._plot, self._points, self._log = "", 0, []

    def open(self, deck: str, osdi: list[str]) -> dict[str, Any]:
        """Load the deck."""
        for path in osdi:
            self._say(f"osdi {path}")
        self._library.drives = Drives(self._connection)
        try:
            self._library.load_circuit(deck)
        except (NgSpiceCircuitError, NameError) as error:
            self._log.append(f"error: {error}")
        self._log += self._library._stdout
        return self._answer({})

    def advance(self, changes: dict[str, float], stops: list[str]) -> dict[str, Any]:
        """Set sources, run until one of the `stops` ("time = 1e-6", "v(out) > 0.9") or the end; answers what is new."""
        self._say("delete all")
        for source, value in changes.items():
            self._say(f"alter {source} = {value!r}")
        for stop in stops:
            self._say(f"stop when {stop}")
        if self._plot:
            self._say("resume")
        else:
            before = set(self._library.plot_names)
            self._say("run")
            fresh = [name for name in self._library.plot_names if name not in before and name.startswith("tran")]
            self._plot = fresh[0] if fresh else ""
        return self._answer(self._fresh() if self._plot and self._library.exit_status is None else {})

    def _fresh(self) -> dict[str, Any]:
        import numpy as np

        library: Any = ffi
        shared: Any = self._library._ngspice_shared
        found: dict[str, Any] = {}
        vectors, k = shared.ngSpice_AllVecs(self._plot.encode()), 0
        while vectors[k] != library.NULL:
            name: bytes = library.string(vectors[k])
            info = shared.ngGet_Vec_Info(self._plot.encode() + b"." + name)
            start = library.cast("double *", info.v_realdata) + self._points
            whole = np.frombuffer(library.buffer(start, 8 * (info.v_length - self._points)), dtype=float)
            found[_label(name.decode())] = whole.copy()
            k += 1
        self._points += len(found["time"])
        return found

    def _say(self, command: str) -> None:
        try:
            self._library.exec_command(command)
        except (NgSpiceCommandError, NameError) as error:
            self._log.append(f"error: {error}")
        self._log.extend(self._library._stdout)

    def _answer(self, vectors: dict[str, Any]) -> dict[str, Any]:
        log, self._log = "\n".join(self._log), []
        return {"log": log, "vectors": vectors, "exit": self._library.exit_status}


def serve(connection: Connection, *, watch: bool) -> None:
    """Answer decks until the other end closes; the first message is the version. `watch` is needed by `Drives`."""
    # Debian installs the library without the development link that PySpice looks for.
    Library.LIBRARY_PATH = os.environ.get("NGSPICE_LIBRARY_PATH") or find_library("ngspice") or "libngspice.so.0"
    library = Library.new_instance(send_data=watch)
    library.exec_command("set num_threads=1")
    # ngspice reads /proc/meminfo at every time point otherwise; the limit on memory stands in for it.
    library.exec_command("set no_mem_check")
    gc.freeze()
    connection.send({"version": library.ngspice_version, "extensions": library._extensions})
    stepped = Stepped(library, connection)
    while True:
        try:
            kind, *work = connection.recv()
        except EOFError:
            return
        do = {"whole": partial(simulate, library), "open": stepped.open, "advance": stepped.advance}[kind]
        connection.send(packed(do(*work)))


def packed(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with its vectors as (kind, bytes), which take a tenth of the time of pickled arrays."""
    vectors = {name: (values.dtype.str, values.tobytes()) for name, values in answer["vectors"].items()}
    return {**answer, "vectors": vectors}


def die_with(parent: int) -> None:
    """End this process, in whatever it is doing, when the parent has gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def bound_memory(size: int) -> None:
    """Limit the address space of this process to `size` bytes, unless it is less already."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [size, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))


if __name__ == "__main__":
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    bound_memory(int(sys.argv[2]))
    serve(Connection(int(sys.argv[1])), watch="watch" in sys.argv[3:])
