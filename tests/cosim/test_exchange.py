"""NIR graphs: a round trip gives the same spikes, and imported neurons are those of NIR's equations."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

from cosim import convert_to_analog, program
from cosim.exchange import from_nir, to_nir
from cosim.hardware import IDEAL
from cosim.layers import LifLayer, OverTime, RetentionNeuron, Surrogate
from devicemodels.statistics import ProgrammingError

nir = pytest.importorskip("nir", reason="the extra 'spiking' is not installed")

NEURON = RetentionNeuron(retention=0.6, threshold=0.25)
STEP = 1e-3


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        OverTime(nn.Conv2d(2, 4, 3, stride=2, padding=1)),
        LifLayer(NEURON),
        OverTime(nn.AvgPool2d(2, divisor_override=1)),
        OverTime(nn.Flatten()),
        OverTime(nn.Linear(16, 8, bias=False)),
        LifLayer(replace(NEURON, retention=1.0)),
        nn.Linear(8, 3),
    ).double()


def frames() -> torch.Tensor:
    return torch.rand(12, 2, 2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_file_brings_back_the_network_with_every_spike(tmp_path):
    model, path = network(), tmp_path / "net.nir"
    nir.write(path, to_nir(model, (2, 8, 8), STEP))
    back = from_nir(path, STEP, dtype=torch.float64)
    wanted = model[:6](frames())
    assert torch.equal(back[:6](frames()), wanted) and 0.05 < wanted.mean() < 0.95
    torch.testing.assert_close(back(frames()), model(frames()), rtol=0, atol=1e-13)
    for got, layer in ((back[1], model[1]), (back[5], model[5])):
        assert isinstance(got, LifLayer) and isinstance(got.neuron, RetentionNeuron)
        assert isinstance(layer, LifLayer) and isinstance(layer.neuron, RetentionNeuron)
        assert got.neuron.retention == pytest.approx(layer.neuron.retention, rel=1e-12)
        assert got.neuron.threshold == pytest.approx(layer.neuron.threshold, rel=1e-12)


def test_analogue_layers_give_their_weights_or_those_programmed():
    model = network()
    analog = convert_to_analog(model, replace(IDEAL, g_min=1e-6, programming=ProgrammingError(absolute=2e-6)))
    program(analog, torch.Generator().manual_seed(0))
    assert isinstance(analog, nn.Sequential)
    ideal, written = (to_nir(analog, (2, 8, 8), STEP, as_programmed=flag) for flag in (False, True))
    np.testing.assert_array_equal(ideal.nodes["0"].weight, model.get_parameter("0.module.weight").detach().numpy())
    back = from_nir(written, STEP, dtype=torch.float64)
    torch.testing.assert_close(back[:1](frames()), analog[:1](frames()), rtol=0, atol=1e-12)
    assert np.abs(written.nodes["0"].weight - ideal.nodes["0"].weight).max() > 1e-3


def test_an_imported_neuron_is_that_of_the_equations():
    tau, r, v_leak, v_threshold = 5e-3, 2.0, 0.1, 0.6
    values = {"tau": tau, "r": r, "v_leak": v_leak, "v_threshold": v_threshold, "v_reset": v_leak}
    graph = nir.NIRGraph(
        {
            "input": nir.Input({"input": np.array([3])}),
            "lif": nir.LIF(**{name: np.full(3, value) for name, value in values.items()}),
            "output": nir.Output({"output": np.array([3])}),
        },
        [("input", "lif"), ("lif", "output")],
    )
    i = torch.rand(60, 1, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spikes = from_nir(graph, STEP, surrogate=Surrogate(shape="atan"))(i)
    # tau dv/dt = v_leak - v + r i by an ODE solver, and the threshold at the end of each step.
    v, wanted = np.full(3, v_leak), []
    for now in i[:, 0].numpy():
        solved = solve_ivp(lambda _, v, now=now: (v_leak - v + r * now) / tau, (0, STEP), v, rtol=1e-10, atol=1e-12)
        v = solved.y[:, -1]
        fired = v >= v_threshold
        wanted.append(fired.astype(float))
        v = np.where(fired, v_leak, v)
    assert spikes[:, 0].numpy().tolist() == np.array(wanted).tolist() and 20 < spikes.sum() < 160


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (LifLayer(replace(NEURON, reset="soft")), "layer '0': NIR's neurons reset hard"),
        (LifLayer(replace(NEURON, negative_slope=0.1)), "layer '0': NIR's neurons reset hard, have a linear membrane"),
        (nn.Tanh(), "layer '0': NIR has no counterpart of Tanh"),
    ],
)
def test_what_nir_does_not_know_is_named(layer, message):
    with pytest.raises(ValueError, match=message):
        to_nir(nn.Sequential(layer), (3,), STEP)


def test_graphs_that_cannot_be_built_are_named():
    ends = {"input": nir.Input({"input": np.array([2])}), "output": nir.Output({"output": np.array([2])})}
    ones = np.ones(2)

    def graph(node):
        return nir.NIRGraph(ends | {"x": node}, [("input", "x"), ("x", "output")])

    uneven = nir.LIF(tau=np.array([1.0, 2.0]), r=ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)
    with pytest.raises(ValueError, match=r"node 'x': tau must be the same for all neurons, got 1.0 to 2.0"):
        from_nir(graph(uneven), STEP)
    below = nir.LIF(tau=ones, r=ones, v_leak=0 * ones, v_threshold=ones, v_reset=-ones)
    with pytest.raises(ValueError, match=r"node 'x': v_reset must be the resting voltage 0.0, got -1.0"):
        from_nir(graph(below), STEP)
    with pytest.raises(ValueError, match="node 'x': Threshold has no counterpart here"):
        from_nir(graph(nir.Threshold(ones)), STEP)
    loop = nir.NIRGraph(
        ends | {"x": nir.Linear(np.eye(2))}, [("input", "x"), ("x", "output"), ("x", "x")], type_check=False
    )
    with pytest.raises(ValueError, match=r"node 'x': the graph must be a chain, got the edges to \['output', 'x'\]"):
        from_nir(loop, STEP)
