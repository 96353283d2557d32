"""An engine without a simulator that does, in whatever process, what the title of the netlist says."""

import os
import signal
import sys
import time

import numpy as np

from cosim.engines import Analysis, Engine, Op, SimulationError
from cosim.engines.base import Limits
from cosim.runs import Job
from cosim.waveforms import Waveforms
from netlists.spice import Netlist, R
from tests.reference_circuits import netlist

HOARD: list[bytes] = []


class Actor(Engine):
    """Answers with the value of the first resistor as v(b) after `delay` (s); the log is the number of the process."""

    def __init__(self, *, delay: float = 0.0, timeout: float = 60.0, name: str = "actor") -> None:
        self.delay, self.limits, self.name = delay, Limits(timeout=timeout), name

    def version(self) -> str:
        return self.name

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        time.sleep(self.delay)
        match netlist.title:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once" if not os.path.exists(netlist.probes[0][2:-1]):
                open(netlist.probes[0][2:-1], "x").close()
                os.kill(os.getpid(), signal.SIGKILL)
            case "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hoard":
                HOARD.append(b"x" * 10**6)
            case "refused":
                raise SimulationError("refused", deck="the deck", hint="the hint")
            case "torch?":
                return self._answer(netlist, analysis, float("torch" in sys.modules))
        first = netlist.elements[0]
        assert isinstance(first, R)
        return self._answer(netlist, analysis, first.r)

    def _answer(self, netlist, analysis: Analysis, value: float) -> Waveforms:
        signals = {"v(b)": np.array([value])}
        return Waveforms("point", np.zeros(1), signals, netlist.digest, self.name, analysis, log=str(os.getpid()))


def job(title: str = "x", r: float = 1.0, probe: str = "v(b)") -> Job:
    return netlist(title, R("1", "b", "0", r), probes=(probe,)), Op()
