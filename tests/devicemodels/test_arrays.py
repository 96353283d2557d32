"""Every device that switches, in an array with line resistance, through one period of its example.

The engine raises where the time step becomes too small. The states of the first and of the last cell are compared with
torch under the voltage that the lines left them, taken at the engine's own time points.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from cosim.engines import Engine, Options, Tran
from cosim.waveforms import Waveforms
from devicemodels import DEVICES, Device
from netlists import crossbar
from netlists.crossbar import CrossbarParams
from netlists.spice import Netlist, Pwl, V
from tests.devicemodels.benches import bounds, loop

LINE = 2.0
# Of the swing of the state: the trapezoidal steps, and the straight lines between the recorded voltages.
STATE_ERROR = 2e-3


def moves(d: Device) -> bool:
    x = torch.tensor([getattr(d.params(), d.state)], dtype=torch.float64)
    return any(float(d.model.rate(d.params(), x, x.new_tensor([v]))) for v in (d.drive.v_plus, d.drive.v_minus))


@dataclass(frozen=True)
class Array:
    """n × n default cells, 5 % apart; row i is driven by (1 + i/n)/2 of the example, the columns are at ground."""

    d: Device
    n: int

    def conductances(self) -> np.ndarray:
        nominal = float(self.d.model.conductance(self.d.params(), torch.tensor(getattr(self.d.params(), self.d.state))))
        return nominal * np.random.default_rng(5).uniform(0.96, 1.04, (self.n, self.n))

    def corners(self) -> tuple[tuple[int, int], ...]:
        return ((self.n - 1, 0), (self.n - 1, self.n - 1))

    def netlist(self, view: str) -> Netlist:
        p = CrossbarParams(r_wl=LINE, r_bl=LINE, device=self.d.params())
        dut = crossbar.build(p, self.conductances(), view=view)
        rows = [
            V(
                f"in{i}",
                f"in{i}",
                "0",
                0.0,
                Pwl(tuple((t, v * (1 + (i + 1) / self.n) / 2) for t, v in loop(self.d).points)),
            )
            for i in range(self.n)
        ]
        columns = [V(f"sense{j}", f"out{j}", "0") for j in range(self.n)]
        currents = [f"i(vin{i})" for i in range(self.n)] + [f"i(vsense{j})" for j in range(self.n)]
        cells = [f"v({node}{i}_{j})" for i, j in self.corners() for node in "wbx"]
        elements = (*rows, *columns, *dut.elements)
        return Netlist(f"array of {self.d.name}", elements, (*currents, *cells), dut.subckts, dut.veriloga)

    def run(self, engine: Engine, view: str, steps: int) -> Waveforms:
        step = self.d.drive.duration / steps
        return engine.run(
            self.netlist(view), Tran(stop=self.d.drive.duration, max_step=step, options=Options(reltol=1e-4))
        )


def follow(d: Device, x0: float, time: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The state at the times under the voltage that is straight between them."""

    def rate(t: float, x: np.ndarray) -> np.ndarray:
        return d.model.rate(d.params(), torch.from_numpy(x), torch.tensor([np.interp(t, time, v)])).numpy()

    span = (float(time[0]), float(time[-1]))
    found = solve_ivp(rate, span, [x0], "LSODA", time, rtol=1e-7, atol=1e-10, max_step=d.drive.duration / 400)
    assert found.success, found.message
    return found.y[0]


@pytest.mark.parametrize(("view", "n"), [("spice", 2), ("veriloga", 8)], ids=["spice", "veriloga"])
@pytest.mark.parametrize("d", [d for d in DEVICES.values() if moves(d)], ids=lambda d: d.name)
def test_array_with_lines_runs_a_period(d, view, n, ngspice):
    """B-sources take much longer, so their array is small."""
    array = Array(d, n)
    waves = array.run(ngspice, view, 200 if d.abrupt and n > 2 else 400)
    low, high = bounds(d)
    into = sum(waves[f"i(vin{i})"] for i in range(n))
    out = sum(waves[f"i(vsense{j})"] for j in range(n))
    np.testing.assert_allclose(into, -out, rtol=0, atol=1e-3 * np.abs(out).max())
    for i, j in array.corners():
        x, v = waves[f"v(x{i}_{j})"], waves[f"v(w{i}_{j})"] - waves[f"v(b{i}_{j})"]
        assert x.min() >= low - 0.01 and x.max() <= high + 0.01 and np.ptp(x) > 0.05
        if not d.abrupt:
            np.testing.assert_allclose(x, follow(d, float(x[0]), waves.time, v), rtol=0, atol=STATE_ERROR)
