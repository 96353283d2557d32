"""The effects that can be switched on and off in a model, and how."""

from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from cosim.controls import analog_layers
from cosim.hardware import Hardware
from cosim.layers import CircuitNeuron, LifLayer
from cosim.layers.core import AnalogCore
from devicemodels.ohmic.params import OhmicParams
from netlists.crossbar import CrossbarParams


@dataclass(frozen=True)
class Effect:
    """`known` says whether the hardware of a layer has it; with `random` it differs from seed to seed."""

    random: bool
    known: Callable[[AnalogCore], bool]


def _lines(p: CrossbarParams) -> bool:
    return any((p.r_wl, p.r_bl, p.r_source, p.r_sense))


NEURONS = "neuron circuit"
EFFECTS: dict[str, Effect] = {
    "programming error": Effect(True, lambda core: core.hardware.programming is not None),
    "stuck cells": Effect(True, lambda core: core.hardware.stuck is not None),
    "drift": Effect(True, lambda core: core.cells.time is not None),
    "read noise": Effect(True, lambda core: core.hardware.read_noise is not None),
    "line resistance": Effect(False, lambda core: _lines(core.hardware.crossbar)),
    "DAC": Effect(False, lambda core: core.hardware.dac_bits is not None or core.input_range is not None),
    "amplifier": Effect(False, lambda core: core.hardware.tia is not None),
    "ADC": Effect(False, lambda core: core.hardware.adc_bits is not None),
    NEURONS: Effect(False, lambda _: False),
}
"""By name, in the order of the signal chain. The neuron circuit is that of LifLayer: its calibrated twin, or ideal."""


def active_effects(model: nn.Module) -> tuple[str, ...]:
    """The effects that some layer of the model has."""
    cores = [layer.core for _, layer in analog_layers(model)]
    found = [name for name, effect in EFFECTS.items() if any(effect.known(core) for core in cores)]
    return (*found, NEURONS) if list(_neurons(model)) else tuple(found)


class Switches:
    """The model with any set of effects; it must be a copy, as its layers are changed in place.

    `switch` after each programming keeps what it drew, so that a seed means the same draws whatever is switched off.
    """

    def __init__(self, model: nn.Module, fidelity: str) -> None:
        self.model, self.fidelity = model, fidelity
        self.cores = [(layer.core, _State.of(layer.core)) for _, layer in analog_layers(model)]
        self.neurons = list(_neurons(model))

    def program(self, generator: torch.Generator) -> None:
        """Draw programming errors, stuck cells and ageing of all layers."""
        for core, before in self.cores:
            core.hardware = core.cells.hardware = before.hardware
            core.cells.error = core.cells.stuck = core.cells.ageing = None
            core.cells.program(generator)
            before.drawn = core.cells.error, core.cells.stuck, core.cells.ageing

    def switch(self, active: Set[str], frame: int) -> None:
        """Let the effects `active` be in force, and no other; read noise is that of `frame`."""
        for core, before in self.cores:
            before.apply(core, active, frame, self.fidelity)
        for layer in self.neurons:
            layer.fidelity = "twin" if NEURONS in active else "ideal"


@dataclass
class _State:
    """What a layer has with all effects on."""

    hardware: Hardware
    time: float | None
    buffers: tuple[torch.Tensor | None, ...]
    drawn: tuple[torch.Tensor | None, ...] = (None, None, None)

    @staticmethod
    def of(core: AnalogCore) -> "_State":
        return _State(core.hardware, core.cells.time, (core.input_range, core.adc_range, core.drift_scale))

    def apply(self, core: AnalogCore, active: Set[str], frame: int, fidelity: str) -> None:
        changes: dict[str, Any] = {}
        if "line resistance" not in active:
            changes["crossbar"] = CrossbarParams(r_wl=0.0, r_bl=0.0, device=OhmicParams())
        if "DAC" not in active:
            changes |= {"dac_bits": None, "bit_serial": False}
        if "amplifier" not in active:
            changes["tia"] = None
        if "ADC" not in active:
            changes["adc_bits"] = None
        if "read noise" not in active:
            changes["read_noise"] = None
        core.hardware = core.cells.hardware = replace(self.hardware, **changes)
        # Without lines and amplifier there is nothing to solve, and the layer is a product.
        plain = "line resistance" not in active and core.hardware.tia is None
        core.arrays.p, core.arrays._solved = core.hardware.crossbar, None
        core.fidelity = "ideal" if plain else fidelity
        core.frame = frame if "read noise" in active else None
        error, stuck, core.cells.ageing = self.drawn
        core.cells.error = error if "programming error" in active else None
        core.cells.stuck = stuck if "stuck cells" in active else None
        core.cells.time = self.time if "drift" in active else None
        input_range, core.adc_range, scale = self.buffers
        core.input_range = input_range if "DAC" in active else None
        core.drift_scale = scale if "drift" in active else None


def _neurons(model: nn.Module) -> list[LifLayer]:
    layers = (module for module in model.modules() if isinstance(module, LifLayer))
    return [layer for layer in layers if isinstance(layer.neuron, CircuitNeuron)]
