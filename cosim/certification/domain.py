"""Whether the twins of a model stay inside the ranges that their calibrations have seen."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from cosim.layers.core import AnalogCore, Read
from cosim.layers.records import record_of
from cosim.layers.spiking import CircuitNeuron, LifLayer

Outside = Literal["raise", "report"]


class OutsideDomain(ValueError):
    """A twin was used where its calibration says nothing."""


@dataclass
class Domain:
    """One quantity of one layer's twin: its calibrated range, what it came to, and the share that was outside."""

    layer: str
    quantity: str
    low: float
    high: float
    least: float = float("inf")
    most: float = float("-inf")
    outside: int = 0
    count: int = 0

    def see(self, values: Tensor) -> None:
        """Count values of the quantity."""
        self.least, self.most = min(self.least, float(values.min())), max(self.most, float(values.max()))
        self.outside += int(((values < self.low) | (values > self.high)).sum())
        self.count += values.numel()

    def __str__(self) -> str:
        share = f"{self.outside} of {self.count} outside"
        span = f"{self.low:.3g} … {self.high:.3g}"
        return f"{self.layer}: {self.quantity} was {self.least:.3g} … {self.most:.3g}, calibrated for {span} ({share})"


class Domains:
    """The quantities of all twins, looked at in every read; raises OutsideDomain at the first that leaves its range."""

    def __init__(self, outside: Outside) -> None:
        if outside not in ("raise", "report"):
            raise ValueError(f"outside must be 'raise' or 'report', got {outside!r}")
        self.outside, self.found = outside, dict[tuple[str, str], Domain]()

    def read(self, name: str, core: AnalogCore, read: Read) -> None:
        """A read of an array: the currents and the conductances that its amplifiers see."""
        if core.hardware.tia is None:
            return
        p, file = core.hardware.tia, core.hardware.tia_record
        domain = record_of("tia", p, "Hardware.tia", own={"g_col", "c_col"}, file=file).domain
        columns = torch.stack([read.g[rows].sum(0) for rows in core.tiling.rows])
        self._see(name, "current of the amplifiers (A)", domain["i"], read.currents)
        self._see(name, "conductance of their columns (S)", domain["g_col"], columns)

    def spikes(self, name: str, layer: LifLayer, x: Float[Tensor, "time *neuron"]) -> None:
        """Inputs of spiking neurons; a fit that the user gave has no domain."""
        neuron = layer.neuron
        if isinstance(neuron, CircuitNeuron) and (domain := neuron.twin().domain):
            self._see(name, "current into the neurons (A)", domain["i"], x * neuron.unit)

    def _see(self, name: str, quantity: str, span: tuple[float, float], values: Tensor) -> None:
        one = self.found.setdefault((name, quantity), Domain(name, quantity, *span))
        one.see(values)
        if one.outside and self.outside == "raise":
            raise OutsideDomain(
                f"{one}; calibrate for this range and give the record to the layer, or pass outside='report'"
            )

    def rows(self) -> Iterator[dict[str, Any]]:
        """The quantities as plain data."""
        return (asdict(one) for one in self.found.values())
