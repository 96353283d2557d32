"""Sweeps and Monte Carlo of circuits: parameters in, one xarray Dataset out.

sweep       the grid of parameters, the samples, and the Dataset that they fill
variation   how a parameter of a sample differs from its nominal value
measures    the numbers that are taken from waveforms
plot        pictures of a Dataset, by parameter
"""

from cosim.sweeps.measures import Measure
from cosim.sweeps.plot import plot
from cosim.sweeps.sweep import save, sweep
from cosim.sweeps.variation import Lognormal, Normal, Uniform, Variation, generator

__all__ = ["Lognormal", "Measure", "Normal", "Uniform", "Variation", "generator", "plot", "save", "sweep"]
