"""Trainable layers whose products run on modelled analogue arrays."""

from cosim.layers.conv import AnalogConv1d, AnalogConv2d
from cosim.layers.linear import AnalogLinear
from cosim.layers.lines import LineRefresh
from cosim.layers.mapping import PairConductances, SlicedWeightMapping, WeightMapping
from cosim.layers.matching import SimilarityMatcher, TcamMatcher
from cosim.layers.memory import Match, SemanticMemory
from cosim.layers.netlists import netlists
from cosim.layers.noise import TrainingNoise
from cosim.layers.ode import AnalogODE
from cosim.layers.programming import Verify
from cosim.layers.recurrent import AnalogRNN
from cosim.layers.spiking import CircuitNeuron, LifLayer, OverTime, RetentionNeuron, Surrogate

__all__ = [
    "AnalogConv1d",
    "AnalogConv2d",
    "AnalogLinear",
    "AnalogODE",
    "AnalogRNN",
    "CircuitNeuron",
    "LifLayer",
    "LineRefresh",
    "Match",
    "OverTime",
    "PairConductances",
    "RetentionNeuron",
    "SemanticMemory",
    "SimilarityMatcher",
    "SlicedWeightMapping",
    "Surrogate",
    "TcamMatcher",
    "TrainingNoise",
    "Verify",
    "WeightMapping",
    "netlists",
]
