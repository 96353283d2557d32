"""Our netlists as PySpice circuits: the text of the object simulates to the same waveforms."""

from dataclasses import dataclass

import numpy as np
import pytest

from cosim.engines import Engine, Op, Tran
from cosim.engines.pyspice import to_pyspice
from netlists import axon_hillock, crossbar, lif, opamp
from netlists.axon_hillock import AxonHillockParams
from netlists.crossbar import CrossbarParams
from netlists.external import replaced
from netlists.lif import LifParams
from netlists.opamp import OpampParams
from netlists.spice import Netlist
from netlists.stimuli import held

pytest.importorskip("PySpice", reason="PySpice is not installed")

G = np.random.default_rng(0).uniform(1e-6, 1e-4, (3, 4))
STEP = held((0.0, 0.3), (0.0, 50e-9), 5e-9)
NEURON = lif.testbench(LifParams(), 400e-9)


@dataclass(frozen=True)
class Text:
    """Lines of SPICE as an element."""

    text: str

    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.mark.parametrize(
    ("netlist", "analysis"),
    [
        (opamp.testbench(OpampParams(), STEP), Tran(stop=0.5e-6, max_step=5e-9)),
        (NEURON, Tran(stop=2e-6, max_step=5e-9)),
        (replaced(NEURON, axon_hillock.build(AxonHillockParams())), Tran(stop=2e-6, max_step=5e-9)),
        (crossbar.testbench(CrossbarParams(r_wl=2.0, r_bl=2.0), G, np.array([0.1, 0.2, -0.1])), Op()),
    ],
    ids=["opamp", "lif", "axon_hillock", "crossbar"],
)
def test_pyspice_circuit_simulates_as_the_netlist_does(netlist: Netlist, analysis: Tran | Op, ngspice: Engine) -> None:
    circuit = to_pyspice(netlist)
    text = str(circuit).partition("\n")[2]  # without the title
    again = ngspice.run(Netlist("again", (Text(text),), netlist.probes), analysis)
    ours = ngspice.run(netlist, analysis)
    assert len(again.axis) == len(ours.axis)
    for probe in netlist.probes:
        # The order of the devices decides the last bits of the solver.
        np.testing.assert_allclose(again[probe], ours[probe], rtol=1e-6, atol=1e-9 * np.abs(ours[probe]).max())


def test_elements_are_objects_that_can_be_changed() -> None:
    circuit = to_pyspice(opamp.testbench(OpampParams(), 0.1))
    assert float(circuit["Rload"].resistance) == 10e3
    circuit["Rload"].resistance = 5e3
    assert "Rload out 0 5000.0" in str(circuit)


def test_verilog_a_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot carry Verilog-A \(lif\); build the SPICE view"):
        to_pyspice(lif.testbench(LifParams(), 1e-7, view="veriloga"))
