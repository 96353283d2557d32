"""The twin of the Gaussian encoder against the cells, its definition and the kernel it approximates."""

from dataclasses import replace
from math import pi

import numpy as np
import torch

from cosim.calibration import load
from cosim.engines import Engine
from cosim.twins.encoder import Encoder, EncoderFit, calibrate
from netlists.encoder import EncoderParams, cells, frequencies

P = EncoderParams()


def test_shipped_fit_is_b_of_the_drawn_cells() -> None:
    fit = EncoderFit.from_numbers(load("encoder").fit)
    # A gain of 130 dB behind a noise gain of 21.
    np.testing.assert_allclose(np.reshape(fit.weights, (3, 4)), frequencies(P), rtol=1e-5)
    np.testing.assert_allclose(fit.phase, 0.0, atol=1e-6)


def test_encoding_is_input_sine_and_cosine() -> None:
    p = replace(P, entries=2**20)
    x = torch.rand((5, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    phase = 2 * pi * x @ torch.from_numpy(frequencies(p))
    expected = torch.cat([x, phase.sin(), phase.cos()], -1)
    # Half an entry of the table: 2π/2^21.
    torch.testing.assert_close(Encoder(p, EncoderFit.ideal(p))(x), expected, rtol=0, atol=3.1e-6)


def test_table_rounds_to_its_entries() -> None:
    p = replace(P, entries=8)
    x = torch.rand((40, 3), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    outputs = Encoder(p, EncoderFit.ideal(p))(x)[:, 3:]
    eighths = torch.tensor([0.0, 0.5**0.5, 1.0], dtype=torch.float64)
    assert (outputs.abs()[..., None] - eighths).abs().min(-1).values.max() < 1e-12


def test_products_of_encodings_are_the_gaussian_kernel() -> None:
    """cos 2πB(x − y) averaged over many features is exp(−2π² scale² |x − y|²) (Bochner's theorem)."""
    p = replace(P, features=4000, scale=0.25)
    twin = Encoder(p, EncoderFit.ideal(p))
    x = torch.tensor([[0.1, 0.2, -0.3], [0.4, 0.0, 0.2]], dtype=torch.float64)
    a, b = twin(x)[:, 3:]
    kernel = float(torch.exp(-2 * pi**2 * p.scale**2 * (x[0] - x[1]).square().sum()))
    # Three standard errors of the mean of 4000 cosines.
    assert abs(float(a @ b) / p.features - kernel) < 3 * 0.71 / 4000**0.5


def test_offset_of_the_amplifiers_is_a_phase(ngspice: Engine) -> None:
    p = replace(P, coordinates=2, features=2, opamp=replace(P.opamp, v_offset=0.2e-3))
    record = calibrate(p, ngspice)
    fit = EncoderFit.from_numbers(record.fit)
    plus, minus = cells(p)
    noise_gain = 1 + p.r_f * (plus + minus).sum(0)
    np.testing.assert_allclose(fit.phase, -0.2e-3 * noise_gain / p.v_turn, rtol=1e-4)
    assert record.unseen.worst < 0.01 and record.unseen.rms < 0.002


def test_gradient_is_that_of_the_unrounded_encoding() -> None:
    twin = Encoder(P, EncoderFit.ideal(P))
    x = torch.tensor([[0.2, -0.4, 0.7]], dtype=torch.float64, requires_grad=True)
    out = twin(x)
    out[0, 3].backward()
    assert x.grad is not None
    # Derivative of the sine of the first feature, at the rounded phase.
    expected = 2 * pi * out[0, 7].detach() * torch.from_numpy(frequencies(P)[:, 0])
    torch.testing.assert_close(x.grad[0], expected, rtol=1e-12, atol=0)
