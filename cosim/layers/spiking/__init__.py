"""Spiking layers: the neuron per time step as one fused scan, and the circuit in continuous time."""

from cosim.layers.spiking.fused import Scanned, scan
from cosim.layers.spiking.layer import LifLayer, LifRun, OverTime
from cosim.layers.spiking.neuron import PRIME_CONV, PRIME_LINEAR, CircuitNeuron, RetentionNeuron, Surrogate
from cosim.layers.spiking.realisation import Realisation, discretise, realise

__all__ = [
    "PRIME_CONV",
    "PRIME_LINEAR",
    "CircuitNeuron",
    "LifLayer",
    "LifRun",
    "OverTime",
    "Realisation",
    "RetentionNeuron",
    "Scanned",
    "Surrogate",
    "discretise",
    "realise",
    "scan",
]
