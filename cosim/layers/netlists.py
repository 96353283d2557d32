"""The netlists behind whole models: what each analogue part would simulate for an input of the model."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cosim.layers.base import AnalogLayer
from cosim.layers.spiking import LifLayer
from cosim.layers.spiking.neuron import CircuitNeuron
from cosim.runs import Job


@torch.no_grad()
def netlists(model: nn.Module, *inputs: Any) -> dict[str, dict[tuple[int, ...], Job]]:
    """Netlists and analyses of every analogue layer and circuit neuron in the model, by the name of the layer.

    The model runs once with these inputs; a layer that it calls several times, as a recurrent one does, has the reads
    of all calls, a layer that it does not call is left out.
    """
    calls: dict[str, list[Tensor]] = {}
    parts = {name: module for name, module in model.named_modules() if _is_circuit(module)}
    hooks = [module.register_forward_pre_hook(_recorder(calls.setdefault(name, []))) for name, module in parts.items()]
    try:
        model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    found: dict[str, dict[tuple[int, ...], Job]] = {}
    for name, module in parts.items():
        if isinstance(module, AnalogLayer) and calls[name]:
            found[name] = module.netlist(*calls[name])
        elif isinstance(module, LifLayer) and calls[name]:
            found[name] = module.netlist(torch.cat(calls[name]))
    return found


def _is_circuit(module: nn.Module) -> bool:
    spiking = isinstance(module, LifLayer) and isinstance(module.neuron, CircuitNeuron)
    return isinstance(module, AnalogLayer) or spiking


def _recorder(calls: list[Tensor]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def record(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        calls.append(arguments[0])

    return record
