"""The process behind engine `ngspice-shared`: PySpice's libngspice, fed with decks through a connection.

A program of its own, started by `ngspice_shared.py`; it imports nothing of memspice, and nothing there imports it, so
PySpice (GPL) is loaded in this process only. PySpice 1.5 takes every line on stderr for an error and forgets the
circuits it has run; the subclass and `remcirc` correct that. What the log says is judged by `trust.py` in the parent.
"""

import os
import sys
import threading
import time
from ctypes.util import find_library
from multiprocessing.connection import Connection
from typing import Any

from PySpice.Spice.NgSpice.Shared import NgSpiceCircuitError, NgSpiceCommandError, NgSpiceShared, ffi, ffi_string_utf8


class Library(NgSpiceShared):
    """libngspice with the whole log, and with the request to exit kept instead of ignored."""

    exit_status: int | None = None

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


def serve(connection: Connection) -> None:
    """Answer decks until the other end closes; the first message is the version."""
    # Debian installs the library without the development link that PySpice looks for.
    Library.LIBRARY_PATH = os.environ.get("NGSPICE_LIBRARY_PATH") or find_library("ngspice") or "libngspice.so.0"
    library = Library.new_instance()
    library.exec_command("set num_threads=1")
    connection.send({"version": library.ngspice_version, "extensions": library._extensions})
    while True:
        try:
            deck, osdi, plot = connection.recv()
        except EOFError:
            return
        connection.send(simulate(library, deck, osdi, plot))


def die_with(parent: int) -> None:
    """End this process, in whatever it is doing, when the parent has gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=die_with, args=(os.getppid(),), daemon=True).start()
    serve(Connection(int(sys.argv[1])))
