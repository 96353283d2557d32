"""Exact twin of the crossbar: what `netlists.crossbar` describes, as fast differentiable torch functions.

Ohmic cells: `read`, `effective_conductance`, `node_voltages`, `first_order`, with gradients of the line resistances by
`LineResistances`; `step_response` for line capacitance. Any cells: `solve` for currents, `transient` for states,
`write` and `disturb` for write schemes.
"""

from cosim.twins.crossbar.array.access import AccessCells
from cosim.twins.crossbar.array.cells import DeviceCells, SeriesCells
from cosim.twins.crossbar.disturb import Disturb, Written, disturb, write
from cosim.twins.crossbar.effective import effective_conductance
from cosim.twins.crossbar.first_order import first_order
from cosim.twins.crossbar.lines import LineResistances
from cosim.twins.crossbar.nonlinear import ArrayRead, solve
from cosim.twins.crossbar.reading import NodeVoltages, node_voltages, read
from cosim.twins.crossbar.settling import StepResponse, step_response
from cosim.twins.crossbar.transient import transient

__all__ = [
    "AccessCells",
    "ArrayRead",
    "DeviceCells",
    "Disturb",
    "LineResistances",
    "NodeVoltages",
    "SeriesCells",
    "StepResponse",
    "Written",
    "disturb",
    "effective_conductance",
    "first_order",
    "node_voltages",
    "read",
    "solve",
    "step_response",
    "transient",
    "write",
]
