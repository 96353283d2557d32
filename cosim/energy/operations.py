"""What a layer does when it runs, as numbers of operations."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from devicemodels.units import Watt


@dataclass
class Counts:
    """Operations of one layer in all its calls. A vector is one input of the array, read once for each of its bits."""

    vectors: int = 0
    """Input vectors: samples, times positions of a convolution or steps of a recurrent layer."""
    reads: int = 0
    """Reads of the whole array one after the other: vectors, times bits of each sign where those are applied so."""
    macs: int = 0
    """Products of an input and a weight."""
    inputs: int = 0
    """Values of the input vectors."""
    outputs: int = 0
    mac_bits: int = 0
    """Products, times the bits of an input."""
    output_bits: int = 0
    layer_output_bits: int = 0
    """Outputs of the layer, times the bits of an input, whatever the number of vectors."""
    cell_reads: int = 0
    """Cells times reads."""
    line_drives: int = 0
    """Word lines of all tiles times reads, where lines are switched on or off instead of driven by a DAC."""
    dac_conversions: int = 0
    """One for each word line of each tile and vector."""
    adc_conversions: int = 0
    amplifier_readings: int = 0
    """One for each bit line of each tile and read."""
    array_power: Watt = 0.0
    """Power that the drivers give to the arrays, summed over the reads; times the length of a read it is an energy."""
    spikes: int = 0
    spike_currents: list[Float[np.ndarray, " neuron"]] = field(default_factory=list)
    """Mean current (A) into each neuron that fired, and in `spike_counts` how often."""
    spike_counts: list[Float[np.ndarray, " neuron"]] = field(default_factory=list)
    spiking_time: float = 0.0
    """Time (s) that spiking neurons ran for, over all calls."""
    searches: int = 0
    """Words of an associative memory compared with a query."""
    queries: int = 0
    """Searches of the whole memory, all words at once."""
    search_cells: int = 0
    """Cells of one word."""
    integrations: float = 0.0
    """State variables times the time they were integrated for, in the unit of time of the equations."""
    writes: int = 0
    """Writes of cells."""
