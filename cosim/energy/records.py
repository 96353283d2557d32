"""What operations take by the calibration records, whose energies are integrals of supply currents over waveforms."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cosim import calibration
from cosim.calibration import Record
from cosim.energy.operations import Counts
from cosim.hardware import Hardware
from cosim.twins.lif import spike_energy
from devicemodels.units import Joule, Second


class Cost(NamedTuple):
    """A part's energy by a record, and what to know about it."""

    part: str
    name: str
    operations: float
    energy: Joule
    source: str


@dataclass(frozen=True)
class Records:
    """The records to price with: of converters, amplifier, neuron and memory; by default the shipped ones.

    `files` names a file instead, by circuit: {"adc": "my_adc.json"}.
    """

    files: dict[str, str] = field(default_factory=dict)

    def of(self, circuit: str) -> Record:
        """The record of one circuit."""
        return calibration.load(circuit, Path(self.files[circuit]) if circuit in self.files else None)

    def drive_time(self, counts: Counts) -> Second:
        """How long the word lines are driven in one read: until DAC and amplifier have settled."""
        settling = self.of("dac").extra["settling_to_half_lsb"] if counts.dac_conversions else 0.0
        return settling + self.of("tia").extra["read_time"]

    def latency(self, counts: Counts) -> Second:
        """Reads, searches and spiking steps one after the other; all lines of a read convert at once."""
        conversion = self.of("adc").extra["conversion_time"] if counts.adc_conversions else 0.0
        reads = counts.reads * (self.drive_time(counts) + conversion) if counts.reads else 0.0
        search = counts.queries * self.of("tcam").extra["t_sense"] if counts.queries else 0.0
        return reads + search + counts.spiking_time

    def costs(self, counts: Counts) -> Iterator[Cost]:
        """The energy of every part that the counts name and a record knows."""
        if counts.reads:
            length = self.drive_time(counts)
            source = f"power of the drivers into the cells as programmed, for {length:.3g} s"
            yield Cost("array", "cells and lines", counts.reads, counts.array_power * length, source)
            yield self._each("amplifiers", "tia", counts.amplifier_readings, "energy_per_read")
        if counts.dac_conversions:
            yield self._each("inputs", "dac", counts.dac_conversions, "energy_per_conversion")
        if counts.adc_conversions:
            yield self._each("outputs", "adc", counts.adc_conversions, "energy_per_conversion")
        if counts.spike_counts and counts.spikes:
            record = self.of("lif")
            pairs = zip(counts.spike_currents, counts.spike_counts, strict=True)
            energy = sum(float((spike_energy(record, np.abs(i)) * n).sum()) for i, n in pairs if i.size)
            yield Cost("neurons", "lif", counts.spikes, energy, f"{record.engine}, at each neuron's mean current")
        if counts.searches:
            record = self.of("tcam")
            words = counts.searches * ceil(counts.search_cells / record.params["cells"])
            each = record.extra["energy_per_search"] + record.extra["energy_per_sense"]
            yield Cost("searches", "tcam", words, words * each, f"{record.engine}, words of {record.params['cells']:g}")

    def _each(self, part: str, circuit: str, operations: int, energy: str) -> Cost:
        record = self.of(circuit)
        each = record.extra[energy]
        return Cost(part, circuit, operations, operations * each, f"{record.engine}, {each:.3g} J each")

    def notes(self, counts: Counts, hardware: Hardware | None) -> Iterator[str]:
        """What has no record, and where a record is of another circuit than the hardware's."""
        if hardware is not None and counts.reads:
            yield from self._converters(counts, hardware)
            if hardware.tia is None:
                yield "the hardware names no amplifier; that of the record tia is assumed, and its settling time"
            yield "bit lines are taken to be at ground and cells to be ohmic for the power of a read"
        if counts.spikes and not counts.spike_counts:
            yield "spikes of neurons that are no circuit have no record"
        if counts.integrations:
            yield "integrators have no energy in their record"
        if counts.writes:
            yield "writes of cells have no record"

    def _converters(self, counts: Counts, hardware: Hardware) -> Iterator[str]:
        for name, count, bits in (
            ("dac", counts.dac_conversions, hardware.dac_bits),
            ("adc", counts.adc_conversions, hardware.adc_bits),
        ):
            known = self.of(name).params["bits"] if count else None
            if known is not None and known != bits:
                yield f"the record {name} is of {known:g} bits, the hardware has {bits}; not scaled"
        if counts.line_drives:
            yield "switches of the word lines have no record"
        if hardware.dac_bits is None:
            yield "the hardware has no DAC"
        if hardware.adc_bits is None:
            yield "the hardware has no ADC"
