"""Merging of slices in ngspice against the resistors, with real cells, and with offsets."""

from dataclasses import replace

import pytest

from cosim.engines import Engine, Op, Options
from netlists import opamp, shift_add
from netlists.shift_add import ShiftAddParams, current, resistors
from netlists.spice import Netlist, R, V, X

FINE = Op(options=Options(reltol=1e-6, vntol=1e-9))
P = ShiftAddParams()


def with_cells(p: ShiftAddParams, code: list[int]) -> Netlist:
    """The circuit on real columns: `rows` equal cells of each slice at v_read and half as much LRS at −v_read."""
    elements = [*opamp.supplies(p.opamp), V("plus", "plus", "0", p.v_read), V("minus", "minus", "0", -p.v_read)]
    for k, bit in enumerate(code):
        g = p.rows * (p.g_lrs if bit else p.g_hrs)
        elements += [R(f"cells{k}", "plus", f"i{k}", 1 / g), R(f"half{k}", "minus", f"i{k}", 2 / (p.rows * p.g_lrs))]
    elements.append(X("dut", shift_add.ports(p), "shift_add"))
    return Netlist("shift_add: cells", tuple(elements), ("v(out)",), subckts=(shift_add.build(p),))


@pytest.mark.parametrize("ratio", [2.0, 1.5])
@pytest.mark.parametrize("code", [[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0]])
def test_output_is_the_sum_of_half_off_bits_in_the_ratio(ngspice: Engine, ratio: float, code: list[int]) -> None:
    p = replace(P, ratio=ratio, sigma=0.0, g_hrs=1e-12)
    found = ngspice.run(with_cells(p, code), FINE).value("v(out)")
    unit = p.r_f * p.v_read * p.rows * p.g_lrs
    expected = unit * sum((bit - 0.5) / ratio**k for k, bit in enumerate(code))
    # Both amplifiers lose their noise gain over a0, a0 that their loads on r_out lower by up to a fifth.
    lost = 1.25 * ((1 + p.r_f * p.g_col) + (1 + sum(p.weights))) / p.opamp.a0
    assert found == pytest.approx(expected, abs=lost * unit * sum(p.weights) / 2)


def test_drawn_resistors_decide_the_weights(ngspice: Engine) -> None:
    p = replace(P, sigma=2e-2, seed=3)
    values, n = resistors(p), p.slices
    for k in range(n):
        currents = [1e-5 if j == k else 0.0 for j in range(n)]
        found = ngspice.run(shift_add.testbench(p, currents), FINE).value("v(out)") / 1e-5
        # The finite gain of 130 dB behind a noise gain of 3.4.
        assert found == pytest.approx(values[k] * values[2 * n] / values[n + k], rel=5e-6)


def test_current_is_that_of_cells_and_reference() -> None:
    assert current(P, 0.0) == pytest.approx(0.1 * 16 * (0.1e-6 - 17.03e-6))
    assert current(P, 1.0) == pytest.approx(0.1 * 16 * 17.03e-6)


def test_offset_of_the_amplifiers_depends_on_the_code(ngspice: Engine) -> None:
    """v_os (1 + Σ w_k) of the adder less Σ w_k v_os (1 + r_f g_k) of the columns, g_k cells and reference."""
    p = replace(P, ratio=1.5, sigma=0.0, opamp=replace(P.opamp, v_offset=0.5e-3))
    clean = replace(p, opamp=replace(P.opamp, v_offset=0.0))
    for code in ([1, 1, 0, 0], [0, 0, 0, 1]):
        shift = ngspice.run(with_cells(p, code), FINE).value("v(out)")
        shift -= ngspice.run(with_cells(clean, code), FINE).value("v(out)")
        columns = [p.rows * ((p.g_lrs if bit else p.g_hrs) + p.g_lrs / 2) for bit in code]
        weighted = sum(w * (1 + p.r_f * g) for w, g in zip(p.weights, columns, strict=True))
        assert shift == pytest.approx(0.5e-3 * (1 + sum(p.weights) - weighted), abs=1e-8)


def test_verilog_a_amplifiers_give_the_same_sum(engine: Engine, ngspice: Engine) -> None:
    currents = [2e-5, -1e-5, 1.5e-5, 0.5e-5]
    spice = ngspice.run(shift_add.testbench(P, currents), FINE).value("v(out)")
    other = engine.run(shift_add.testbench(P, currents, view="veriloga"), FINE).value("v(out)")
    assert other == pytest.approx(spice, abs=1e-8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ShiftAddParams(ratio=0.9), "ShiftAddParams.ratio must be at least 1, got 0.9"),
        (lambda: ShiftAddParams(slices=0), "ShiftAddParams.slices must be between 1 and 16, got 0"),
        (lambda: shift_add.testbench(P, [0.0]), "testbench needs one current for each of 4 slices, got 1"),
    ],
)
def test_bad_parameters_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
