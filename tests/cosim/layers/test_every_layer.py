"""What every layer can: be saved, loaded, pickled, copied, compiled, used by workers, compute in both precisions."""

import sys
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pickle import dumps, loads
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cosim import program, set_fidelity
from cosim.controls import analog_layers
from cosim.hardware import IDEAL
from cosim.layers import (
    AnalogConv1d,
    AnalogConv2d,
    AnalogLinear,
    AnalogODE,
    AnalogRNN,
    CircuitNeuron,
    LifLayer,
    OverTime,
    RetentionNeuron,
    SemanticMemory,
)
from devicemodels.statistics import ProgrammingError
from netlists.crossbar import CrossbarParams

HARDWARE = replace(
    IDEAL,
    rows=4,
    cols=6,
    g_min=1e-6,
    crossbar=CrossbarParams(r_wl=3.0, r_bl=5.0),
    programming=ProgrammingError(absolute=1e-6),
    dac_bits=6,
    adc_bits=10,
)


class Rate(nn.Module):
    def __init__(self, seed: int):
        super().__init__()
        self.a = AnalogLinear(5, 5, HARDWARE, seed=seed)

    def forward(self, h, u, t):
        return torch.tanh(self.a(h)) - h


class Solved(nn.Module):
    """The equation with its times."""

    def __init__(self, seed: int):
        super().__init__()
        self.ode = AnalogODE(Rate(seed), step=0.25)

    def forward(self, h):
        return self.ode(h, torch.tensor([0.0, 0.5, 1.0], dtype=h.dtype, device=h.device))


def keys(seed: int) -> Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))


NEURON = RetentionNeuron(retention=0.5, threshold=0.3)
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda seed: AnalogLinear(5, 3, HARDWARE, seed=seed), (2, 5)),
    "conv1d": (lambda seed: AnalogConv1d(2, 3, 3, HARDWARE, padding=1, seed=seed), (2, 2, 7)),
    "conv2d": (lambda seed: AnalogConv2d(2, 3, 2, HARDWARE, seed=seed), (2, 2, 4, 4)),
    "rnn": (lambda seed: AnalogRNN("RNN_TANH", 5, 3, HARDWARE, seed=seed), (4, 2, 5)),
    "lstm": (lambda seed: AnalogRNN("LSTM", 5, 3, HARDWARE, num_layers=2, seed=seed), (4, 2, 5)),
    "gru": (lambda seed: AnalogRNN("GRU", 5, 3, HARDWARE, bidirectional=True, seed=seed), (4, 2, 5)),
    "memory": (lambda seed: SemanticMemory(keys(seed), HARDWARE, ternary=True, seed=seed), (2, 5)),
    "ode": (Solved, (2, 5)),
    "spiking": (
        lambda seed: nn.Sequential(OverTime(AnalogLinear(5, 3, HARDWARE, seed=seed)), LifLayer(NEURON)),
        (4, 2, 5),
    ),
    "neurons": (lambda _: LifLayer(CircuitNeuron(conductance=2e-6, step=2e-6), fidelity="twin"), (20, 2, 5)),
}


@pytest.fixture(params=list(LAYERS))
def case(request):
    return LAYERS[request.param]


def made(case, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    layer = case[0](seed).to(dtype).eval()
    if list(analog_layers(layer)):
        program(layer, torch.Generator().manual_seed(seed))
        set_fidelity(layer, "exact")
    return layer


def inputs(case, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(case[1], generator=torch.Generator().manual_seed(3), dtype=torch.float64).abs().to(dtype)


def first(out: Any) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


class Outputs(Dataset):
    """Computed where the workers are."""

    def __init__(self, layer: nn.Module, x: Tensor):
        self.layer, self.x = layer, x

    def __len__(self) -> int:
        return 3

    def __getitem__(self, k: int) -> Tensor:
        with torch.no_grad():
            return first(self.layer((k + 1) * self.x))


def test_a_copy_a_pickle_and_a_loaded_state_are_the_layer(case):
    layer, x = made(case), inputs(case)
    wanted = first(layer(x))
    assert wanted.abs().max() > 0
    file = BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = made(case, seed=1)
    other.load_state_dict(torch.load(file, weights_only=True))
    for copy in (other, deepcopy(layer), loads(dumps(layer))):
        assert torch.equal(first(copy(x)), wanted)
    if list(layer.parameters()):
        assert not torch.equal(first(made(case, seed=1)(x)), wanted)


def test_both_precisions_give_the_same_and_stay_what_they_are(case):
    wanted = first(made(case)(inputs(case)))
    single = made(case)
    single = loads(dumps(single)).to(torch.float32)
    got = first(single(inputs(case, torch.float32)))
    assert got.dtype == torch.float32 and wanted.dtype == torch.float64
    # A rounding of 10 bits or a spike may fall to the other side in single precision, but hardly any do.
    assert ((got - wanted).abs() > 2e-4 * wanted.abs().max()).double().mean() < 0.05


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
def test_a_compiled_layer_gives_what_the_layer_gives(case):
    layer, x = made(case), inputs(case)
    if list(analog_layers(layer)):
        # Solved lines have loops over arrays of many shapes and run as they are.
        set_fidelity(layer, "ideal")
    torch.compiler.reset()
    with torch.no_grad():
        # Traced and run without a compiler of C++: what can fail is the tracing.
        compiled = torch.compile(layer, backend="eager")
        assert torch.equal(first(compiled(x)), first(layer(x)))


def test_workers_of_a_data_loader_compute_the_same(case):
    layer, x = made(case), inputs(case)
    data = Outputs(layer, x)
    for k, y in enumerate(DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context="fork")):
        assert torch.equal(y, data[k])


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "ode"])
def test_no_layer_computes_on_a_device_of_its_own(name, monkeypatch):
    # Without converters nothing depends on values, so a device without values shows any tensor made elsewhere.
    monkeypatch.setattr(sys.modules[__name__], "HARDWARE", IDEAL)
    layer, x = LAYERS[name][0](0).double().to("meta"), inputs(LAYERS[name]).to("meta")
    assert first(layer(x)).device.type == "meta"
