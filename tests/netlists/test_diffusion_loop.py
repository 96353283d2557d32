"""The diffusion loop as blocks and as a netlist."""

import numpy as np
import pytest

from netlists import diffusion_loop
from netlists.diffusion_loop import DiffusionLoopParams
from netlists.mlp import Layer

P = DiffusionLoopParams()


def small() -> tuple[Layer, ...]:
    generator = np.random.default_rng(3)
    shapes = ((2, 3), (3, 2))
    driven = ({"inputs": ("e0",), "input_weight": np.ones((1, 3))}, {})
    return tuple(
        Layer(weight=generator.normal(0, 0.4, s), bias=generator.normal(0, 0.3, s[1]), **more)
        for s, more in zip(shapes, driven, strict=True)
    )


def test_channels_are_embedding_controls_and_trims() -> None:
    assert diffusion_loop.channels(small()) == ("e0", "fx", "g2", "trim0", "trim1")


def test_amplifiers_and_multipliers_have_rails_of_their_own() -> None:
    supplies = diffusion_loop.system(P, small()).supplies
    assert sorted(supplies.values()) == [-15.0, -2.75, 2.75, 15.0]


def test_one_unit_of_time_is_stretched() -> None:
    # r c = 100 kΩ · 10 nF.
    assert P.time == pytest.approx(5e-3, rel=1e-12, abs=0)


def test_stretch_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"stretch must be positive, got 0\.0"):
        DiffusionLoopParams(stretch=0.0)
