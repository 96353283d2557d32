"""Parts of one layer at different fidelities in one forward pass, with the same conductances and draws."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from cosim import certify, set_fidelity
from cosim.layers import AnalogLinear
from cosim.layers.assignment import FIDELITIES

IN, OUT = 10, 4


def layer_on(hardware, fidelity="ideal"):
    layer = AnalogLinear(IN, OUT, hardware, fidelity=fidelity, seed=3).double()
    layer.program(torch.Generator().manual_seed(1))
    layer.frame = 5
    return layer.eval()


def inputs(batch=3):
    return torch.randn(batch, IN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def at(layer, fidelity, x, engine=None):
    copy = deepcopy(layer)
    set_fidelity(copy, fidelity, engine=engine)
    return copy(x)


@pytest.mark.parametrize("adc_bits", [None, 18])
def test_every_output_is_that_of_its_fidelity(adc_bits, lossy, ngspice):
    layer, x = layer_on(replace(lossy, adc_bits=adc_bits)), inputs()
    with torch.no_grad():
        for output, fidelity in enumerate(FIDELITIES):
            set_fidelity(layer, fidelity, outputs=[output], engine=ngspice)
        assert layer.fidelity == "mixed"
        found = layer(x)
        alone = [at(layer, fidelity, x, ngspice) for fidelity in FIDELITIES]
    for output in range(OUT):
        torch.testing.assert_close(found[:, output], alone[output][:, output], rtol=0, atol=1e-12)
    # The fidelities do differ, so that a mix-up would show.
    assert min(float((a - b).abs().max()) for a, b in pairwise(alone[:3])) > 1e-5


def test_a_tile_at_another_fidelity_changes_its_part_of_the_sum_only(lossy):
    layer, x = layer_on(lossy), inputs()
    with torch.no_grad():
        ideal, exact = (at(layer, fidelity, x) for fidelity in ("ideal", "exact"))
        total = torch.zeros_like(ideal)
        for tile in layer.core.tiling.places():
            one = deepcopy(layer)
            set_fidelity(one, "exact", tiles=[tile])
            change = one(x) - ideal
            outside = torch.ones(OUT, dtype=torch.bool)
            cols = layer.core.tiling.cols[tile[1]]
            outside[cols.start // 2 : cols.stop // 2] = False
            assert (change[:, outside].abs() < 1e-13).all()
            assert (change[:, ~outside].abs() > 1e-8).all()
            total += change
    torch.testing.assert_close(total, exact - ideal, rtol=0, atol=1e-12)


def test_only_tiles_with_a_part_in_the_simulator_are_simulated(lossy, ngspice):
    layer, x, reads = layer_on(lossy), inputs(), []
    set_fidelity(layer, "spice", tiles=[(1, 0)], outputs=[0], engine=ngspice)
    layer.core.recorder = reads.append
    with torch.no_grad():
        layer(x)
    assert len(reads[0].solved.digests) == 1
    assert reads[0].solved.solves == 3


def test_gradients_of_a_mixed_layer_are_those_of_its_parts(lossy, ngspice):
    layer, x = layer_on(lossy, "exact"), inputs()
    grads = []
    for fidelity in ("exact", "spice"):
        set_fidelity(layer, fidelity, outputs=[1], engine=ngspice)
        set_fidelity(layer, "ideal", outputs=[0])
        layer.zero_grad()
        layer(x).square().sum().backward()
        grads.append(torch.as_tensor(layer.mapping.get_parameter("weight").grad).clone())
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-9, atol=1e-9)
    ideal, weight = deepcopy(layer), layer.mapping.get_parameter("weight")
    set_fidelity(ideal, "ideal")
    for output, same in ((0, True), (1, False)):
        (mixed,) = torch.autograd.grad(layer(x)[:, output].sum(), weight)
        (alone,) = torch.autograd.grad(ideal(x)[:, output].sum(), ideal.mapping.get_parameter("weight"))
        assert torch.allclose(mixed, alone, rtol=1e-9, atol=1e-9) == same


def test_a_certificate_leaves_the_mix_as_it_was(lossy, ngspice):
    layer, x = layer_on(lossy), inputs(2)
    set_fidelity(layer, "exact", outputs=[2])
    before = layer.core.arrays.assignment
    assert certify(layer, x, None, engine=ngspice, frame=0).holds
    assert layer.core.arrays.assignment is before
    set_fidelity(layer, "twin")
    assert layer.fidelity == "twin"


def test_parts_that_do_not_exist_are_named(lossy):
    layer = layer_on(lossy)
    with pytest.raises(ValueError, match="outputs must be between 0 and 3, got 4"):
        set_fidelity(layer, "exact", outputs=[4])
    with pytest.raises(ValueError, match=r"tiles must be .* within 3 x 2, got \(3, 0\)"):
        set_fidelity(layer, "exact", tiles=[(3, 0)])
    with pytest.raises(ValueError, match="fidelity must be one of"):
        set_fidelity(layer, "fast", outputs=[0])
