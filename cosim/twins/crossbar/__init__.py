"""Exact twin of the crossbar: what `netlists.crossbar` describes, as fast differentiable torch functions."""

from cosim.twins.crossbar.effective import effective_conductance
from cosim.twins.crossbar.first_order import first_order
from cosim.twins.crossbar.lines import LineResistances
from cosim.twins.crossbar.reading import NodeVoltages, node_voltages, read

__all__ = ["LineResistances", "NodeVoltages", "effective_conductance", "first_order", "node_voltages", "read"]
