"""Systems of blocks: wiring, names and errors."""

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options
from netlists.crossbar import CrossbarParams
from netlists.opamp import CMOS_180NM
from netlists.relu import ReluParams
from netlists.system import Array, Bank, Links, System
from netlists.tia import TiaParams

LINES = CrossbarParams(r_wl=2.0, r_bl=2.0)
TIA = TiaParams(r_f=10e3, g_col=100e-6, c_col=0.0)


def array(cols: tuple[str, ...] = ("a", "b")) -> Array:
    return Array(name="g", params=LINES, g=np.full((2, len(cols)), 20e-6), rows=("in0", "in1"), cols=cols)


def amplifiers(name: str = "t", inp: tuple[str, ...] = ("a", "b"), out: tuple[str, ...] = ("x", "y")) -> Bank:
    return Bank(name=name, params=TIA, ports={"inp": inp, "out": out})


def test_links_add_their_current_to_that_of_the_array(ngspice: Engine) -> None:
    link = Links(name="l", r=np.array([10e3]), p=("in0",), n=("b",))
    system = System(title="adder", blocks=(array(), link, amplifiers()), sources=("in0", "in1"))
    waves = ngspice.run(system.netlist({"in0": 0.1, "in1": 0.2}, ("v(x)", "v(y)")), Op(options=Options(reltol=1e-6)))
    # Line resistance takes some 1e-4 of the current of 20 µS cells, and more of it from the far column.
    assert waves.value("v(x)") == pytest.approx(-10e3 * 20e-6 * 0.3, rel=5e-4)
    assert waves.value("v(y)") - waves.value("v(x)") == pytest.approx(-0.1, rel=2e-3)


def test_blocks_of_one_kind_may_differ(ngspice: Engine) -> None:
    other = Bank(name="u", params=TiaParams(r_f=20e3, g_col=100e-6, c_col=0.0), ports={"inp": ("b",), "out": ("y",)})
    system = System(title="two", blocks=(array(), amplifiers("t", ("a",), ("x",)), other), sources=("in0", "in1"))
    waves = ngspice.run(system.netlist({"in0": 0.1, "in1": 0.2}, ("v(x)", "v(y)")), Op(options=Options(reltol=1e-6)))
    assert waves.value("v(y)") / waves.value("v(x)") == pytest.approx(2.0, rel=1e-3)


def test_blocks_share_rails_of_the_same_voltages() -> None:
    chip = Bank(name="u", params=TiaParams(opamp=CMOS_180NM), ports={"inp": ("b",), "out": ("y",)})
    system = System(title="rails", blocks=(array(), amplifiers("t", ("a",), ("x",)), chip), sources=("in0", "in1"))
    assert system.supplies == {"vp": 2.75, "vm": -2.75, "vp1": 0.9, "vm1": -0.9}
    assert system.subckt("whole", ["x", "y"]).ports == ("in0", "in1", "x", "y", "vp", "vm", "vp1", "vm1")


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((array(), amplifiers("t", ("a",), ("x",))), r"block 'g' sends current to nets without an amplifier: \['b'\]"),
        ((array(), amplifiers(), amplifiers("u")), "net 'a' of system 's' is driven more than once"),
        ((array(), amplifiers(out=("x", "in0"))), "net 'in0' of system 's' is driven more than once"),
        ((array(), array(), amplifiers()), "system 's' has a block name twice"),
        (
            (Bank(name="r", params=ReluParams(), ports={"inp": ("z",), "out": ("h",), "clamp": "in0"}),),
            r"block 'r' reads nets that nothing drives: \['z'\]",
        ),
    ],
)
def test_bad_wiring_is_named(blocks: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        System(title="s", blocks=blocks, sources=("in0", "in1"))


def test_bank_of_an_unknown_circuit_or_with_wrong_ports_is_refused() -> None:
    with pytest.raises(ValueError, match="params must be one of IntegratorParams, "):
        Bank(name="x", params=LINES, ports={})
    with pytest.raises(ValueError, match=r"Bank x: ports must be \['inp', 'out'\], got \['inp'\]"):
        Bank(name="x", params=TIA, ports={"inp": ("a",)})
    with pytest.raises(ValueError, match="one net per circuit"):
        Bank(name="x", params=TIA, ports={"inp": ("a", "b"), "out": ("c",)})
    with pytest.raises(ValueError, match="g must be 2 x 1, got"):
        Array(name="g", params=LINES, g=np.ones((2, 2)), rows=("a", "b"), cols=("c",))


def test_source_without_a_stimulus_is_named() -> None:
    system = System(title="s", blocks=(array(), amplifiers()), sources=("in0", "in1"))
    with pytest.raises(ValueError, match=r"stimuli must be given for \['in0', 'in1'\], got \['in0'\]"):
        system.netlist({"in0": 1.0}, ("v(x)",))
