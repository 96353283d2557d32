"""Real conversions in ngspice against the rule of each converter, charge conservation and the drawn noise."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.engines import Engine, Options, Tran
from cosim.twins.base import supplied
from cosim.twins.quantisation import sine_fit
from cosim.waveforms import Waveforms
from netlists import adc
from netlists.adc import AdcParams

SAR = AdcParams(bits=5, sigma=0.0, v_offset=0.0)
RAMP = replace(SAR, kind="ramp", bits=4)


def run(engine: Engine, p: AdcParams, u: np.ndarray) -> Waveforms:
    options = Options(reltol=1e-4, method="gear")
    tran = Tran(stop=len(u) * p.period, max_step=p.t_bit / 5, uic=True, options=options)
    return engine.run(adc.testbench(p, u.tolist()), tran)


def codes(p: AdcParams, waves: Waveforms, count: int) -> list[int]:
    ends = (np.arange(count) + 1) * p.period - 0.5 * p.t_bit
    held = np.array([waves.at(f"v({node})", ends) for node in p.held_nodes])
    if p.kind == "ramp":
        return np.rint(held[0] * p.codes).astype(int).tolist()
    return ((held > 0.5) << np.arange(p.bits)[:, None]).sum(0).tolist()


@pytest.mark.parametrize("p", [SAR, RAMP], ids=["sar", "ramp"])
def test_perfect_converter_gives_the_floor_of_the_input(ngspice: Engine, p: AdcParams) -> None:
    """Far and near the edges of codes; a ramp's comparator is late by a tenth of its clock, so it stays further off."""
    places = np.array([0.5, 0.2, 0.8, 0.3, 0.7, 0.25, 0.6, 0.5])
    whole = np.array([0, p.codes - 1, 1, p.codes // 2, p.codes // 2 - 1, 5, 10, 3])
    u = (whole + (places if p.kind == "sar" else 0.5 * places + 0.2)) * p.lsb
    assert codes(p, run(ngspice, p, u), len(u)) == whole.tolist()


def test_sine_through_real_conversions_has_the_effective_bits_of_theory(ngspice: Engine) -> None:
    count, cycles = 47, 11
    # The phase keeps samples off the edges of codes, where a comparator without a latch holds half a bit.
    u = SAR.v_ref * (0.5 + 0.498 * np.sin(2 * np.pi * cycles * np.arange(count) / count + 0.3))
    found = sine_fit(np.array(codes(SAR, run(ngspice, SAR, u), count)) * SAR.lsb, cycles)
    # The mean square of 47 uniform errors is known to 13 % (0.56 dB): three of these.
    assert found.sinad == pytest.approx(6.02 * SAR.bits + 1.76, abs=1.7)
    assert found.enob(SAR.v_ref) == pytest.approx(SAR.bits, abs=0.28)


def test_offset_shifts_the_codes_of_both_kinds_in_opposite_directions(ngspice: Engine) -> None:
    for p, sign in ((SAR, 1), (RAMP, -1)):
        shifted = replace(p, v_offset=2 * p.lsb)
        u = (np.array([4, 9, 6]) + 0.5) * p.lsb
        assert codes(p, run(ngspice, shifted, u), 3) == [4 + 2 * sign, 9 + 2 * sign, 6 + 2 * sign]


def test_sampled_node_falls_by_the_drawn_capacitors(ngspice: Engine) -> None:
    p = replace(SAR, sigma=5e-2, seed=9)
    u = np.array([0.37, 0.71])
    waves, values = run(ngspice, p, u), adc.capacitors(p)
    weights = p.v_ref * values / values.sum()
    for j in range(2):
        left = u[j]
        for step, k in enumerate(reversed(range(p.bits))):
            rest = left - weights[k + 1]
            seen = waves.at("v(xdut.top)", np.array([j * p.period + (2.9 + step) * p.t_bit]))[0]
            # The flanks of the plates' drivers end at tanh(10) = 1 − 4e-9; reltol 1e-4 of 1 V a step.
            assert seen == pytest.approx(rest, abs=2e-4)
            left = rest if rest > 0 else left


def test_decisions_take_the_drawn_noise_into_account(ngspice: Engine) -> None:
    p = replace(SAR, v_noise=1.2 * SAR.lsb, noise_seed=3)
    u = np.linspace(0.1, 0.9, 12)
    drawn, expected = adc.noise(p, len(u)), []
    for j, value in enumerate(u):
        left, code = value, 0
        for step, k in enumerate(reversed(range(p.bits))):
            rest = left - p.lsb * 2**k
            if rest + drawn[j, step] > 0:
                left, code = rest, code + 2**k
        expected.append(code)
    assert expected != np.floor(u / p.lsb).astype(int).tolist()
    assert codes(p, run(ngspice, p, u), len(u)) == expected


def test_reference_pays_what_the_capacitors_take(ngspice: Engine) -> None:
    """In the first trial half of all capacitors go from v_ref to ground, and the other half stays at v_ref."""
    u = np.array([0.97, 0.97])
    waves = run(ngspice, SAR, u)
    values = adc.capacitors(SAR)
    total, largest = values.sum(), values[-1]
    rest = total - largest
    start = SAR.period + 2 * SAR.t_bit
    found = supplied(waves, {"vref": SAR.v_ref}, start - 0.1 * SAR.t_bit, start + 0.95 * SAR.t_bit)
    # Plates at v_ref stay there while the top falls by v_ref/2: charge rest·v_ref/2 flows out of the reference.
    assert found == pytest.approx(SAR.v_ref * rest * SAR.v_ref * largest / total, rel=0.03)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdcParams(bits=1), "AdcParams.bits must be between 2 and 12, got 1"),
        (lambda: AdcParams(kind="flash"), "AdcParams.kind must be 'sar' or 'ramp', got 'flash'"),  # pyright: ignore[reportArgumentType]
        (lambda: AdcParams(v_noise=-1.0), "AdcParams.v_noise must be zero or positive, got -1.0"),
    ],
)
def test_bad_parameters_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
