"""Trainable layers whose products run on modelled analogue arrays."""

from cosim.layers.conv import AnalogConv2d
from cosim.layers.linear import AnalogLinear
from cosim.layers.lines import LineRefresh
from cosim.layers.mapping import PairConductances, WeightMapping

__all__ = ["AnalogConv2d", "AnalogLinear", "LineRefresh", "PairConductances", "WeightMapping"]
