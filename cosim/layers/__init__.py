"""Trainable layers whose products run on modelled analogue arrays."""

from cosim.layers.conv import AnalogConv2d
from cosim.layers.linear import AnalogLinear
from cosim.layers.lines import LineRefresh
from cosim.layers.mapping import PairConductances, SlicedWeightMapping, WeightMapping
from cosim.layers.noise import TrainingNoise
from cosim.layers.programming import Verify

__all__ = [
    "AnalogConv2d",
    "AnalogLinear",
    "LineRefresh",
    "PairConductances",
    "SlicedWeightMapping",
    "TrainingNoise",
    "Verify",
    "WeightMapping",
]
