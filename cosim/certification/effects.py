"""What a certificate says about effects: solved by the simulator, modelled alike on both sides, or not there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cosim.layers.base import AnalogLayer
from cosim.layers.mapping import slice_weights
from cosim.layers.spiking import CircuitNeuron, LifLayer

ALWAYS_ABSENT: tuple[str, ...] = (
    "settling and line capacitance of the arrays (reads are at rest)",
    "circuits of the converters (levels and codes only)",
    "transistors of the digital part (exact arithmetic)",
)


@dataclass(frozen=True)
class Effects:
    """`simulated` differ where the twins are wrong; `shared` are the same on both sides; `absent` are not looked at."""

    simulated: tuple[str, ...]
    shared: tuple[str, ...]
    absent: tuple[str, ...]

    def __str__(self) -> str:
        named = ("in the simulator", self.simulated), ("on both sides", self.shared), ("not in", self.absent)
        return "\n".join(f"{name.ljust(19)}{'; '.join(texts) or 'nothing'}" for name, texts in named)


def effects(layers: Mapping[str, AnalogLayer], spiking: Sequence[LifLayer], reference: str) -> Effects:
    """What is in and what is not, over all of these layers."""
    simulated, shared = dict[str, None](), dict[str, None]()
    absent: dict[str, None] = dict.fromkeys(ALWAYS_ABSENT)
    for layer in layers.values():
        simulated |= dict.fromkeys(_simulated(layer))
        for text, active, known in _modelled(layer, reference):
            if active:
                shared[text] = None
            elif known:
                absent[f"{text}: the hardware has it, but it is not in force"] = None
    if any(isinstance(layer.neuron, CircuitNeuron) for layer in spiking):
        simulated["circuits of the neurons over time"] = None
    # What one layer has in force is not absent, even if another lacks it.
    return Effects(tuple(simulated), tuple(shared), tuple(text for text in absent if text.split(":")[0] not in shared))


def _simulated(layer: AnalogLayer) -> Iterator[str]:
    p = layer.hardware.crossbar
    yield f"cells ({type(p.device).__name__.removesuffix('Params').lower()})"
    if p.r_wl or p.r_bl:
        yield "line resistance"
    if p.r_source or p.r_sense:
        yield "driver and sense resistance"


def _modelled(layer: AnalogLayer, reference: str) -> Iterator[tuple[str, bool, bool]]:
    """Name of each effect, whether it is in force, and whether the hardware knows it."""
    core, hardware = layer.core, layer.hardware
    cells = core.cells
    yield "programming error", cells.error is not None, hardware.programming is not None
    yield "stuck cells", cells.stuck is not None, hardware.stuck is not None
    yield "ageing of the cells", cells.time is not None, hardware.drift is not None
    noisy = hardware.read_noise is not None
    yield "read noise, one frame", layer.frame is not None and noisy, noisy
    yield "levels of the DAC", hardware.dac_bits is not None, True
    yield "codes of the ADC", hardware.adc_bits is not None, True
    yield "amplifiers, by their twin", hardware.tia is not None and reference != "ideal", hardware.tia is not None
    yield "slices of weights", slice_weights(core.cells.mapping) is not None, False
