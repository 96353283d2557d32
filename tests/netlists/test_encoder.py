"""The encoder in ngspice against the drawn cells, the table and the statistics of B."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options
from netlists import encoder
from netlists.encoder import EncoderParams

FINE = Op(options=Options(reltol=1e-6, vntol=1e-9))
P = EncoderParams(coordinates=2, features=3, scale=2.0, seed=7)
X = np.array([[0.3, -0.8], [-1.0, 0.45], [0.0, 0.0]])


def run(engine: Engine, p: EncoderParams, x: np.ndarray, kinds: list[str]) -> np.ndarray:
    waves = engine.run(encoder.testbench(p, (p.v_read * x).tolist()), FINE)
    return np.array([[waves.value(f"v({kind}{j})") for j in range(p.features)] for kind in kinds])


def turns(p: EncoderParams, x: np.ndarray) -> np.ndarray:
    """Phases from the cells alone: current into the virtual ground over the current of one turn."""
    plus, minus = encoder.cells(p)
    return p.v_read * x @ (plus - minus) / (p.v_turn / p.r_f)


@pytest.mark.parametrize("x", X)
def test_amplifiers_show_the_phases_of_the_cells(ngspice: Engine, x: np.ndarray) -> None:
    found = -run(ngspice, P, x, ["xdut.v"])[0] / P.v_turn
    # A gain of 130 dB behind a noise gain of 15: 5e-6 of the phase, and vntol.
    np.testing.assert_allclose(found, turns(P, x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("x", X)
def test_outputs_are_sine_and_cosine_of_the_rounded_phase(ngspice: Engine, x: np.ndarray) -> None:
    phase = turns(P, x)
    count = phase * P.entries
    # Nearer to the border between two entries than the amplifier's error the table may give either.
    assert np.abs(count % 1 - 0.5).min() > 0.02
    angle = 2 * np.pi * np.floor(count + 0.5) / P.entries
    np.testing.assert_allclose(run(ngspice, P, x, ["sin", "cos"]), [np.sin(angle), np.cos(angle)], rtol=0, atol=1e-9)


def test_elements_of_b_have_the_standard_deviation_of_scale() -> None:
    b = encoder.frequencies(replace(P, coordinates=100, features=100, scale=4.0))
    # Of 10000 normal numbers: 0.7 % one standard error of the deviation, 0.04 of the mean; three of each.
    assert b.std() == pytest.approx(4.0, rel=0.022)
    assert b.mean() == pytest.approx(0.0, abs=0.12)


def test_seed_decides_the_cells() -> None:
    same, other = encoder.frequencies(P), encoder.frequencies(replace(P, seed=8))
    np.testing.assert_array_equal(same, encoder.frequencies(P))
    assert (same != other).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EncoderParams(features=0), "EncoderParams.features must be at least 1, got 0"),
        (lambda: EncoderParams(entries=2), "EncoderParams.entries must be at least 4, got 2"),
        (lambda: encoder.testbench(P, [0.0]), "testbench needs one stimulus for each of 2 coordinates, got 1"),
    ],
)
def test_bad_parameters_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
