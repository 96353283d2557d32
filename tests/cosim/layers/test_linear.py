"""AnalogLinear against closed forms: the product itself, converters, noise, tiles, gradients."""

from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pickle import dumps, loads

import pytest
import torch

from cosim.hardware import IDEAL
from cosim.layers import AnalogLinear, PairConductances, WeightMapping
from devicemodels.statistics import ProgrammingError, ReadNoise, StuckCells
from netlists.crossbar import CrossbarParams

IN, OUT, BATCH = 10, 7, 5


def linear(hardware, fidelity="ideal", rows=IN, cols=OUT, **options):
    return AnalogLinear(rows, cols, hardware, fidelity=fidelity, **options).double()


def mapping(layer: AnalogLinear) -> WeightMapping:
    assert isinstance(layer.mapping, WeightMapping)
    return layer.mapping


def inputs(batch=BATCH, rows=IN, seed=0):
    return torch.randn(batch, rows, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def product(layer, x):
    return x @ mapping(layer).weight.T + layer.bias


@pytest.mark.parametrize("fidelity", ["ideal", "twin", "exact"])
@pytest.mark.parametrize("tile", [(512, 512), (4, 6), (3, 2), (1, 14)])
def test_without_losses_every_fidelity_and_tiling_is_the_matrix_product(fidelity, tile):
    layer, x = linear(replace(IDEAL, rows=tile[0], cols=tile[1], g_min=1e-6), fidelity), inputs()
    torch.testing.assert_close(layer(x), product(layer, x), rtol=0, atol=1e-13)


def test_the_shortcut_of_the_default_mapping_is_what_the_conductances_give():
    class Same(torch.nn.Module):
        """The default mapping, without its class."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self) -> PairConductances:
            return self.inner()

    layer, x = linear(replace(IDEAL, g_min=1e-6)), inputs()
    by_cells = linear(replace(IDEAL, g_min=1e-6), mapping=Same(layer.mapping), bias=False)
    torch.testing.assert_close(by_cells(x), layer(x) - layer.bias, rtol=0, atol=1e-13)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_converted_input_is_off_by_at_most_half_a_step(bits):
    layer, x = linear(replace(IDEAL, dac_bits=bits), rows=IN, cols=IN), inputs()
    with torch.no_grad():
        mapping(layer).weight.copy_(torch.eye(IN))
    step = x.abs().max() / (2**bits - 1)
    error = (layer(x) - layer.bias - x).abs().max()
    assert 0.25 * step < error <= 0.5 * step * (1 + 1e-9)


@pytest.mark.parametrize(("serial", "codes"), [(True, 2**3), (False, 2**3 - 1)])
def test_the_converter_has_the_codes_of_its_bits_and_clamps(serial, codes):
    hardware = replace(IDEAL, dac_bits=12, bit_serial=serial, adc_bits=3, adc_range=5e-6, g_max=1e-4)
    layer = linear(hardware, rows=1, cols=1)
    i = torch.linspace(-1e-5, 1e-5, 2001, dtype=torch.float64).reshape(-1, 1, 1)
    seen = layer.core.sense(i, torch.zeros(1, 2, dtype=torch.float64))
    assert len(seen.unique()) == codes
    assert seen.max() == pytest.approx(5e-6, rel=1e-12)
    assert seen.min() == pytest.approx(0.0 if serial else -5e-6, rel=1e-12)


def test_a_fine_converter_changes_the_output_by_its_steps_only():
    layer, x = linear(replace(IDEAL, adc_bits=16)), inputs()
    lsb = IN * layer.hardware.g_max * layer.hardware.v_read / (2**15 - 1)
    # Half a step in each of two bit lines, scaled back to the units of the output.
    bound = lsb * x.abs().max() / (layer.hardware.v_read * mapping(layer)().unit)
    error = (layer(x) - product(layer, x)).abs().max()
    assert 0.1 * bound < error <= bound


@pytest.mark.parametrize("fidelity", ["ideal", "exact"])
def test_bit_serial_reads_without_converter_add_up_to_the_multi_bit_read(fidelity, lossy):
    x, hardware = inputs(), replace(lossy, dac_bits=5)
    whole = linear(hardware, fidelity, seed=3)
    serial = linear(replace(hardware, bit_serial=True), fidelity, seed=3)
    expected = whole(x)
    # A linear chain needs no series of reads; make the layer read bit by bit all the same.
    torch.testing.assert_close(serial.core._read(x), expected - serial.bias, rtol=0, atol=1e-13)


def test_bit_serial_reads_hand_the_gradient_through(lossy):
    x = inputs().requires_grad_()
    hardware = replace(lossy, dac_bits=5, bit_serial=True)
    serial = linear(hardware, "exact")
    (by_bits,) = torch.autograd.grad(serial.core._read(x).sum(), x)
    (at_once,) = torch.autograd.grad(serial(x).sum(), x)
    torch.testing.assert_close(by_bits, at_once, rtol=0, atol=1e-13)


def test_read_noise_spreads_the_outputs_as_its_formula_says():
    sigma, frames = 0.05, 4000
    hardware = replace(IDEAL, g_min=20e-6, read_noise=ReadNoise(relative=sigma))
    layer, x = linear(hardware, bias=False), inputs(1)
    pair = mapping(layer)()
    drawn = []
    with torch.no_grad():
        for frame in range(frames):
            layer.frame = frame
            drawn.append(layer(x)[0])
    variance = sigma**2 * (x**2) @ (pair.pos**2 + pair.neg**2) / pair.unit**2
    # The standard error of a variance from n normal draws is sqrt(2/n); the mean's is sqrt(var/n): 4.5 of them.
    torch.testing.assert_close(torch.stack(drawn).var(0), variance[0], rtol=4.5 * (2 / frames) ** 0.5, atol=0)
    error = (torch.stack(drawn).mean(0) - (x @ mapping(layer).weight.T)[0]) / (variance[0] / frames).sqrt()
    assert error.abs().max() < 4.5


def test_a_frame_gives_the_same_draws_in_every_tiling_and_at_every_fidelity(lossy):
    x, lossless = inputs(), replace(lossy, crossbar=CrossbarParams(r_wl=0.0, r_bl=0.0))
    reads = []
    for tile in ((4, 6), (512, 512)):
        for fidelity in ("ideal", "twin", "exact"):
            layer = linear(replace(lossless, rows=tile[0], cols=tile[1]), fidelity, seed=7)
            layer.frame = 2
            layer.program(torch.Generator().manual_seed(1))
            reads.append(layer(x))
    for other in reads[1:]:
        torch.testing.assert_close(other, reads[0], rtol=0, atol=1e-13)
    layer.frame = 3
    assert (layer(x) - reads[0]).abs().max() > 1e-4
    layer.frame = None
    assert (layer(x) - reads[0]).abs().max() > 1e-4


def test_a_frame_first_seen_in_inference_mode_can_be_trained_with():
    layer = linear(replace(IDEAL, g_min=1e-6, read_noise=ReadNoise()))
    layer.frame = 0
    with torch.inference_mode():
        seen = layer(inputs())
    layer(inputs()).sum().backward()
    assert torch.equal(layer(inputs()), seen)


def test_programming_error_has_the_moments_of_its_parameters():
    error = ProgrammingError(absolute=2e-6, relative=0.03)
    layer = linear(replace(IDEAL, g_min=30e-6, programming=error), rows=200, cols=150)
    target = mapping(layer)()
    layer.program(torch.Generator().manual_seed(0))
    seen = layer.core.cells.pair(target, None)
    for got, wanted in ((seen.pos, target.pos), (seen.neg, target.neg)):
        z = (got - wanted) / (error.absolute**2 + (error.relative * wanted) ** 2).sqrt()
        # 30 000 draws: the standard errors of mean and deviation are 0.0058 and 0.0041.
        assert abs(z.mean()) < 0.025
        assert abs(z.std() - 1) < 0.02


def test_stuck_cells_keep_their_conductance_whatever_the_weights_become():
    stuck = StuckCells(at_hrs=0.1, at_lrs=0.2, g_hrs=1e-6, g_lrs=90e-6)
    layer = linear(replace(IDEAL, g_min=2e-6, stuck=stuck), rows=200, cols=150)
    layer.program(torch.Generator().manual_seed(0))
    with torch.no_grad():
        mapping(layer).weight.mul_(-0.5)
    g = layer.core.cells(layer.core.targets(), None)
    # 60 000 cells: five standard errors are 0.006 and 0.008.
    assert abs((g == 1e-6).double().mean() - 0.1) < 0.006
    assert abs((g == 90e-6).double().mean() - 0.2) < 0.008


@pytest.mark.parametrize("fidelity", ["ideal", "twin", "exact"])
def test_gradients_are_finite_differences(fidelity, lossy):
    layer = linear(lossy, fidelity, rows=6, cols=4)
    layer.core.cells.mapping = WeightMapping(mapping(layer).weight, lossy, w_max=0.6).double()
    layer.frame = 1
    layer.program(torch.Generator().manual_seed(0))
    weight, x = mapping(layer).weight, inputs(2, 6).requires_grad_()

    def of(w, x):
        return torch.func.functional_call(layer, {"core.cells.mapping.weight": w}, (x,))

    assert torch.autograd.gradcheck(of, (weight.detach().clone().requires_grad_(), x), atol=1e-7, rtol=1e-5)


def test_a_saved_layer_is_the_same_layer(lossy):
    layer, x = linear(lossy, "exact", seed=5), inputs()
    layer.frame = 4
    layer.program(torch.Generator().manual_seed(0))
    layer.core.input_range = torch.tensor(2.0, dtype=torch.float64)
    file = BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = linear(lossy, "exact", seed=0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for copy in (fresh, deepcopy(layer), loads(dumps(layer))):
        assert torch.equal(copy(x), layer(x))
    assert fresh.frame == 4
    unprogrammed = linear(lossy, seed=0)
    fresh.load_state_dict(unprogrammed.state_dict())
    assert fresh.core.cells.error is None
    assert fresh.frame is None


def test_solved_lines_follow_the_weights(lossy):
    layer, x = linear(lossy, "exact"), inputs()
    with torch.no_grad():
        before = layer(x)
        assert torch.equal(layer(x), before)
        mapping(layer).weight.neg_()
        torch.testing.assert_close(layer(x) - layer.bias, layer.bias - before, rtol=0, atol=0.05)
        assert (layer(x) - before).abs().max() > 0.5


def test_leading_axes_are_batch_axes():
    layer, x = linear(IDEAL), inputs(6)
    torch.testing.assert_close(layer(x.reshape(2, 3, IN)), layer(x).reshape(2, 3, OUT), rtol=0, atol=1e-14)


def test_bad_inputs_weights_and_mappings_are_refused(lossy):
    with pytest.raises(ValueError, match=r"inputs \[..., 10\], got \[5, 9\]"):
        linear(IDEAL)(inputs(rows=9))
    with pytest.raises(ValueError, match=r"must not exceed w_max = 0.1, got 0\.\d+; scale or clip"):
        WeightMapping(torch.rand(3, 3), IDEAL, w_max=0.1)
    with pytest.raises(ValueError, match=r"\[row, col\] = \[4, 7\], got \[10, 7\]"):
        linear(IDEAL, rows=4, mapping=linear(IDEAL).mapping)
    with pytest.raises(ValueError, match=r"fidelity must be one of .* got 'fast'"):
        linear(IDEAL, "fast")
    broken = linear(lossy, "exact")
    with torch.no_grad():
        broken.core.cells.program(torch.Generator())
        assert broken.core.cells.error is not None
        broken.core.cells.error[1, 5, 3] = torch.nan
    with pytest.raises(ValueError, match=r"got nan S at row 5, bit line 7, in tile \(1, 1\)"):
        broken(inputs())
