"""Counts what the layers of a model do while it runs, by hooks on them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim.energy.operations import Counts
from cosim.layers import AnalogODE, CircuitNeuron, LifLayer, SemanticMemory
from cosim.layers.base import AnalogLayer
from cosim.layers.core import AnalogCore
from cosim.layers.lines import from_planes
from cosim.layers.programming import Writes
from cosim.twins.crossbar.effective import row_admittance


@torch.no_grad()
def count(model: nn.Module, *inputs: Any, writes: Mapping[str, Writes] | None = None) -> dict[str, Counts]:
    """Operations of every analogue part of the model for these inputs, by the name of the layer.

    The model runs once at the fidelities it has; `writes` is what `program` returned. Layers that it does not call are
    left out. Digital work (biases, activations, normalisation) is not counted.
    """
    found: dict[str, Counts] = {}
    with ExitStack() as stack:
        for name, module in model.named_modules():
            hook = _hook(module)
            if hook is not None:
                counts = found.setdefault(name, Counts())
                stack.callback(module.register_forward_hook(partial(hook, counts)).remove)
        model(*inputs)
    for name, written in (writes or {}).items():
        if name not in found:
            raise ValueError(f"writes names the layer {name!r}, which the model has not; it has {list(found)}")
        found[name].writes += written.writes
    return {name: one for name, one in found.items() if _used(one)}


def _used(counts: Counts) -> bool:
    ran = counts.vectors or counts.spikes or counts.spiking_time or counts.queries or counts.integrations
    return bool(ran or counts.writes)


def _hook(module: nn.Module) -> Callable[..., None] | None:
    match module:
        case AnalogLayer():
            return _array
        case LifLayer():
            return _spikes
        case SemanticMemory() if module.matcher is not None:
            return _search
        case AnalogODE():
            return _integrate
    return None


def _array(counts: Counts, layer: nn.Module, arguments: tuple[Any, ...], _: Any) -> None:
    assert isinstance(layer, AnalogLayer)
    core, hardware = layer.core, layer.hardware
    x = layer.rows(arguments[0])
    drive = core.drive(x, core._range(x))
    v = drive.rows.flatten(0, 1) * hardware.v_read
    bits = len(drive.rows)
    bands, groups, lines = len(core.tiling.rows), len(core.tiling.cols), 2 * core.pair_count
    rows, cols, vectors, reads = core.row_count, core.col_count, len(x), len(v)
    counts.vectors += vectors
    counts.reads += reads
    counts.macs += vectors * rows * cols
    counts.inputs += vectors * rows
    counts.outputs += vectors * cols
    counts.mac_bits += vectors * rows * cols * bits
    counts.output_bits += vectors * cols * bits
    counts.layer_output_bits = max(counts.layer_output_bits, cols * bits)
    counts.cell_reads += reads * rows * lines
    counts.amplifier_readings += reads * bands * lines
    if hardware.bit_serial:
        counts.line_drives += reads * rows * groups
    elif hardware.dac_bits is not None:
        counts.dac_conversions += vectors * rows * groups
    if hardware.adc_bits is not None:
        counts.adc_conversions += reads * bands * (lines if hardware.adc_of == "line" else core.pair_count)
    counts.array_power += array_power(core, v)


def array_power(core: AnalogCore, v: Float[Tensor, "read row"]) -> float:
    """Power (W) from the drivers, summed over reads, the cells as they are in the frame in force.

    At the fidelity "ideal" v² g, else with the lines solved. Cells are ohmic and bit lines at ground here.
    """
    g, power = from_planes(core._seen()[0]).double(), 0.0
    for place in core.tiling.places():
        tile, drive = core.tiling.tile(g, place), v[:, core.tiling.rows[place[0]]].double()
        if core.fidelity == "ideal":
            power += float((drive.square() @ tile.sum(1)).sum())
        else:
            power += float(((drive @ row_admittance(tile, core.hardware.crossbar)) * drive).sum())
    return power


def _spikes(counts: Counts, layer: nn.Module, arguments: tuple[Any, ...], spikes: Tensor) -> None:
    assert isinstance(layer, LifLayer)
    counts.spikes += int(spikes.sum())
    if not isinstance(layer.neuron, CircuitNeuron):
        return
    fired = spikes.sum(0).flatten()
    mean = (arguments[0].mean(0) * layer.neuron.unit).flatten()
    counts.spike_currents.append(mean[fired > 0].double().cpu().numpy())
    counts.spike_counts.append(fired[fired > 0].double().cpu().numpy())
    counts.spiking_time += layer.neuron.step * len(spikes)


def _search(counts: Counts, memory: nn.Module, arguments: tuple[Any, ...], _: Any) -> None:
    assert isinstance(memory, SemanticMemory)
    words, cells = memory.keys.shape
    counts.queries += len(arguments[0])
    counts.searches += len(arguments[0]) * words
    counts.search_cells = cells


def _integrate(counts: Counts, _: nn.Module, arguments: tuple[Any, ...], states: Tensor) -> None:
    times = arguments[1]
    counts.integrations += states[0].numel() * float(times[-1] - times[0])
