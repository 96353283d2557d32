"""AnalogRNN against torch's own recurrent layers, and its arrays read step by step."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cosim import calibrate_ranges, convert_to_analog, convert_to_digital, program, set_fidelity, set_frame
from cosim.controls import analog_layers
from cosim.convert import analog_summary
from cosim.engines import ENGINES, Dc
from cosim.hardware import IDEAL
from cosim.layers import AnalogRNN, netlists

KINDS = {
    "tanh": lambda **options: nn.RNN(5, 6, **options),
    "relu": lambda **options: nn.RNN(5, 6, nonlinearity="relu", **options),
    "lstm": lambda **options: nn.LSTM(5, 6, **options),
    "gru": lambda **options: nn.GRU(5, 6, **options),
}


def recurrent(kind: str, **options) -> nn.RNNBase:
    torch.manual_seed(0)
    return KINDS[kind](**options).double()


def analog(source: nn.Module, hardware, **options) -> AnalogRNN:
    made = convert_to_analog(source, hardware, **options)
    assert isinstance(made, AnalogRNN)
    return made


def inputs(steps=7, batch=3, seed=0) -> torch.Tensor:
    return torch.randn(steps, batch, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flat(out) -> list[torch.Tensor]:
    y, state = out
    return [y, *state] if isinstance(state, tuple) else [y, state]


@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2}, {"bidirectional": True, "num_layers": 2}, {"batch_first": True}, {"bias": False}],
    ids=str,
)
@pytest.mark.parametrize("kind", list(KINDS))
def test_on_ideal_hardware_it_is_the_layer_of_torch_and_the_way_back_too(kind, options):
    source, x = recurrent(kind, **options), inputs()
    layer = analog(source, replace(IDEAL, rows=4, cols=6))
    planes = (1 + options.get("bidirectional", False)) * options.get("num_layers", 1)
    start = torch.randn(planes, x.shape[0 if "batch_first" in options else 1], 6, dtype=torch.float64)
    for state in (None, (start, start.sin()) if kind == "lstm" else start):
        for got, wanted in zip(flat(layer(x, state)), flat(source(x, state)), strict=True):
            torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    back = convert_to_digital(layer)
    assert type(back) is type(source)
    for got, wanted in zip(flat(back(x)), flat(source(x)), strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_gradients_are_torchs(kind):
    source, x = recurrent(kind, num_layers=2), inputs()
    layer = analog(source, IDEAL)
    for model in (source, layer):
        (model(x)[0] ** 2).sum().backward()
    for k in range(2):
        for part, arrays in (("ih", layer.ih), ("hh", layer.hh)):
            for name, own in (("weight", "core.cells.mapping.weight"), ("bias", "bias")):
                wanted = source.get_parameter(f"{name}_{part}_l{k}").grad
                torch.testing.assert_close(arrays[k].get_parameter(own).grad, wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("adc_bits", [None, 10])
@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_every_step_is_a_read_of_the_state(fidelity, adc_bits, lossy):
    layer = analog(recurrent("tanh"), replace(lossy, adc_bits=adc_bits, dac_bits=6), fidelity=fidelity)
    program(layer, torch.Generator().manual_seed(0))
    set_frame(layer, 1)
    x, h = inputs(), torch.zeros(3, 6, dtype=torch.float64)
    # All inputs are one batch, so the DAC has one range for them.
    driven = layer.ih[0](x)
    for t, y in enumerate(layer(x)[0]):
        h = torch.tanh(driven[t] + layer.hh[0](h))
        torch.testing.assert_close(y, h, rtol=0, atol=1e-13)
    quiet = analog(recurrent("tanh"), IDEAL)
    assert (layer(x)[0] - quiet(x)[0]).abs().max() > 1e-3


def test_ngspice_gives_what_the_solved_lines_give(lossy):
    layer = analog(recurrent("lstm"), lossy)
    program(layer, torch.Generator().manual_seed(0))
    x = inputs(3, 2)
    set_fidelity(layer, "exact")
    wanted = layer(x)[0]
    set_fidelity(layer, "spice", engine=ENGINES["ngspice"]())
    # Ohmic tiles: 1e-9 of a read, and little more through the gates.
    torch.testing.assert_close(layer(x)[0], wanted, rtol=0, atol=1e-8)
    assert (wanted - recurrent("lstm")(x)[0]).abs().max() > 1e-4


def test_ranges_are_those_of_all_steps():
    layer = analog(recurrent("tanh"), replace(IDEAL, dac_bits=8, adc_bits=10))
    x = inputs()
    x[2:] *= 0.01
    calibrate_ranges(layer, x)
    (core,) = (one.core for name, one in analog_layers(layer) if name == "hh.0")
    assert core.input_range is not None and core.adc_range is not None
    states = recurrent("tanh")(x)[0]
    # The state that is largest is not that of the last step; it is read with 8 and 10 bits.
    assert core.input_range == pytest.approx(states[:-1].abs().max().item(), rel=0.05)
    assert states[-2].abs().max() < 0.8 * core.input_range
    assert core.adc_range > 0


def test_arrays_have_names_seeds_and_rows_of_the_summary(lossy):
    model = nn.ModuleDict({"rnn": recurrent("gru", num_layers=2), "head": nn.Linear(6, 2).double()})
    made = convert_to_analog(model, lossy)
    names = [name for name, _ in analog_layers(made)]
    assert names == ["rnn.ih.0", "rnn.ih.1", "rnn.hh.0", "rnn.hh.1", "head"]
    assert len({layer.seed for _, layer in analog_layers(made)}) == 5
    assert [row.shape for row in analog_summary(made).layers] == [(5, 18), (6, 18), (6, 18), (6, 18), (6, 2)]
    set_fidelity(made, "exact", "rnn.hh.*")
    assert [layer.fidelity for _, layer in analog_layers(made)] == ["ideal", "ideal", "exact", "exact", "ideal"]


def test_a_second_conversion_gives_other_layers_other_hardware(lossy):
    model = nn.ModuleDict({"rnn": recurrent("gru"), "head": nn.Linear(6, 2).double()})
    made = convert_to_analog(convert_to_analog(model, lossy, match="rnn"), IDEAL, match="head")
    assert [layer.hardware for _, layer in analog_layers(made)] == [lossy, lossy, IDEAL]


def test_frozen_weights_stay_frozen_and_dropout_is_trainings():
    source = recurrent("lstm", num_layers=2, dropout=0.5)
    source.weight_hh_l0.requires_grad_(False)
    layer = analog(source, IDEAL)
    assert [name for name, p in layer.named_parameters() if not p.requires_grad] == ["hh.0.core.cells.mapping.weight"]
    x = inputs()
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    torch.testing.assert_close(layer(x)[0], source.eval()(x)[0], rtol=0, atol=1e-12)


def test_the_netlists_are_of_every_array_and_every_state(lossy):
    layer, x = analog(recurrent("tanh"), replace(lossy, rows=8, cols=12)), inputs(4, 2)
    found = netlists(layer, x)
    assert list(found) == ["ih.0", "hh.0"] and found.keys() == layer.netlist(x).keys()
    (key,) = found["hh.0"]
    netlist, analysis = found["hh.0"][key]
    assert key == (0, 0, 0)
    # The state before each of 4 steps, for 2 samples; at first both are zero, which is one read.
    assert isinstance(analysis, Dc) and analysis.points == 7
    assert netlist.digest == layer.netlist(x)["hh.0"][key][0].digest


def test_what_it_cannot_do_is_said():
    layer = AnalogRNN("LSTM", 5, 6, IDEAL)
    with pytest.raises(ValueError, match=r"inputs \[time, batch, 5\], got \[3, 5\]"):
        layer(torch.zeros(3, 5))
    with pytest.raises(
        ValueError, match=r"state of LSTM must be a pair \(h, c\) of tensors \[1, 2, 6\], got \[1, 2, 6\]"
    ):
        layer(torch.zeros(3, 2, 5), torch.zeros(1, 2, 6))
    with pytest.raises(ValueError, match=r"mode must be one of .*, got 'elman'"):
        AnalogRNN("elman", 5, 6, IDEAL)
    with pytest.raises(ValueError, match="layer 'a': proj_size must be 0 on analogue tiles, got 3"):
        convert_to_analog(nn.ModuleDict({"a": nn.LSTM(5, 6, proj_size=3)}), IDEAL)
