"""LTspice's words in ngspice's: every translation against its definition, every refusal by its line."""

from pathlib import Path

import numpy as np
import pytest

from cosim.engines import Dc, Engine, Options, Tran
from netlists.external import External, ExternalError, from_file, replaced
from netlists.spice import Netlist, R, Subckt, V, X
from netlists.stimuli import held

BOX = Subckt("box", ("x", "y"), (R("1", "x", "y", 1.0),))
X_AXIS = np.linspace(-2.0, 2.0, 33)


def box(folder: Path, body: str, more: str = "") -> External:
    (folder / "user.net").write_text(f"* title\n.subckt mine x y\n{body}\n.ends\n{more}.backanno\n.end\n", "utf-8")
    return from_file(folder / "user.net", BOX, {"x": "x", "y": "y"}, flavour="ltspice")


def bench(found: External, drive: V) -> Netlist:
    elements = (drive, X("dut", ("x", "y"), "box"), R("load", "y", "0", 1e6))
    return replaced(Netlist("box", elements, ("v(y)", "i(vin)"), (BOX,)), found.subckt)


def swept(engine: Engine, found: External) -> np.ndarray:
    waves = engine.run(
        bench(found, V("in", "x", "0")),
        Dc(source="Vin", start=-2.0, stop=2.0, step=0.125, options=Options(reltol=1e-6)),
    )
    return waves["v(y)"]


def soft(x: np.ndarray, top: float, z: float) -> np.ndarray:
    """x, then a parabola from top - z to top + z, then top."""
    t = np.clip(x - top + z, 0, 2 * z)
    return np.minimum(x, top - z) + t - t**2 / (4 * z)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("if(V(x)>0.3 & V(x)<1, 2, -V(x))", np.where((X_AXIS > 0.3) & (X_AXIS < 1), 2.0, -X_AXIS)),
        ("limit(V(x),1,-0.5)", np.clip(X_AXIS, -0.5, 1)),
        ("uplim(V(x),1,0.3)", soft(X_AXIS, 1.0, 0.3)),
        ("dnlim(V(x),-1,0.3)", -soft(-X_AXIS, 1.0, 0.3)),
        ("table(V(x),-1,3,0,0,1,1)", np.interp(X_AXIS, [-1, 0, 1], [3, 0, 1])),
        ("pwr(V(x),1.5)", np.abs(X_AXIS) ** 1.5),
        ("pwrs(V(x),1.5)", np.sign(X_AXIS) * np.abs(X_AXIS) ** 1.5),
        ("buf(V(x)+0.06)+2*inv(V(x)+0.06)", np.where(X_AXIS + 0.06 > 0.5, 1.0, 2.0)),
        ("hypot(V(x),3)", np.hypot(X_AXIS, 3)),
        ("int(1.3*V(x))", np.trunc(1.3 * X_AXIS)),
        ("round(1.3*V(x))", np.floor(1.3 * X_AXIS + 0.5)),
        ("square(V(x))/{1+half}", X_AXIS**2 / 1.5),
        ("arctan(V(x))*1µ*1Meg", np.arctan(X_AXIS)),
        ("mine(V(x),1)", X_AXIS + 2),
    ],
)
def test_expression_means_what_ltspice_says(law: str, expected: np.ndarray, tmp_path: Path, ngspice: Engine) -> None:
    body = f".param half={{if(1>2,3,0.5)}}\n.func mine(a,b) {{a+if(a>9,0,2*b)}}\nB1 y 0 V={law} tripdv=1 tripdt=1n"
    # Solved by Newton to 1e-6 V; the load of 1 MΩ hangs on an ideal source.
    np.testing.assert_allclose(swept(ngspice, box(tmp_path, body)), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("R1 x y 4k7\nR2 y 0 4k7 tol=1 pwr=0.1", X_AXIS / 2),
        ("R1 x y R=1k\nR2 y 0 R=1k*(1+V(x)*V(x))", X_AXIS * (1 + X_AXIS**2) / (2 + X_AXIS**2)),
        ("E1 y 0 value={if(V(x)>0,V(x),0)}", np.maximum(X_AXIS, 0)),
        ("G1 0 y value={V(x)*1m}\nR1 y 0 1k", X_AXIS),
        ("B1 0 y I=V(x)*1m Rpar=1k Cpar=1p", X_AXIS),
        ("V§1 q 0 1 Rser=1k\nR1 q y 1k\nR2 x y 1k", (0.5 + X_AXIS) / 1.5),
    ],
)
def test_element_means_what_ltspice_says(body: str, expected: np.ndarray, tmp_path: Path, ngspice: Engine) -> None:
    # The load of 1 MΩ takes at most 0.1 % or 0.5 % of 2 V at sources of 1 kΩ to 2.35 kΩ.
    np.testing.assert_allclose(swept(ngspice, box(tmp_path, body)), expected, rtol=0, atol=6e-3)


def test_ideal_diode_is_piecewise_linear(tmp_path: Path, ngspice: Engine) -> None:
    found = box(tmp_path, "D1 x y DI", ".model DI D(Ron=100 Roff=1Meg Vfwd=.5 Vrev=1 Rrev=200 mfg=x)\n")
    netlist = replaced(
        Netlist("d", (V("in", "x", "0"), X("d", ("x", "0"), "box")), ("i(vin)", "v(x)"), (BOX,)), found.subckt
    )
    waves = ngspice.run(netlist, Dc(source="Vin", start=-2.0, stop=2.0, step=0.125))
    expected = X_AXIS / 1e6 + np.maximum(X_AXIS - 0.5, 0) * (1e-2 - 1e-6)
    expected -= np.maximum(-X_AXIS - 1, 0) * (5e-3 - 1e-6)
    np.testing.assert_allclose(-waves["i(vin)"], expected, rtol=1e-6, atol=1e-12)


def test_series_resistance_of_a_capacitor_shows_in_its_step(tmp_path: Path, ngspice: Engine) -> None:
    found = box(tmp_path, "R1 x y 1k\nC1 y 0 1n Rser=1k V=16 Irms=1")
    drive = V("in", "x", "0", wave=held((0.0, 1.0), (0.0, 1e-6), 1e-9))
    waves = ngspice.run(bench(found, drive), Tran(stop=9e-6, max_step=20e-9, options=Options(reltol=1e-5)))
    at = np.array([1.1e-6, 2e-6, 4e-6, 8e-6])
    # Half at once, the rest with 2 kΩ · 1 nF; the load takes 0.1 %.
    np.testing.assert_allclose(waves.at("v(y)", at), 1 - 0.5 * np.exp(-(at - 1e-6) / 2e-6), rtol=0, atol=2e-3)


def test_utf_16_as_ltspice_writes_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "u.net").write_bytes("* t\n.subckt mine x y\nR1 x y 1µ\n.ends\n".encode("utf-16"))
    found = from_file(tmp_path / "u.net", BOX, {"x": "x", "y": "y"}, flavour="ltspice")
    assert "R1 x y 1u" in found.subckt.subckts[0].lines()


def test_standard_libraries_are_left_out_with_a_note_and_their_models_missed_by_line(tmp_path: Path) -> None:
    library = ".lib C:\\LTspice\\lib\\cmp\\standard.dio\n"
    assert "user.net:5: LTspice's own library" in box(tmp_path, "R1 x y 1k", library).notes[0]
    with pytest.raises(ExternalError, match=r"user.net:3: the model '1N4148' is not in the file"):
        box(tmp_path, "D1 x y 1N4148", library)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("A1 x 0 0 0 0 y 0 0 SCHMITT Vt=.5", "A devices"),
        ("B1 y 0 V=V(x)^2", "exclusive or"),
        ("B1 y 0 V=idt(V(x))", r"idt\(\) cannot be translated"),
        ("B1 y 0 V=white(time)", r"white\(\) cannot be translated"),
        ("B1 y 0 V=I(R1)", r"i\(R1\): ngspice knows only currents of voltage sources"),
        ("B1 y 0 V=if(V(x),1)", "if takes 3 arguments, got 2"),
        ("B1 y 0 V=if(V(x),1,2", "a parenthesis is not closed"),
        ("E1 y 0 x 0 laplace=1/(1+s)", "laplace= cannot be translated"),
        ("E1 y 0 x 0 table=(0 0, 1 1)", "a table in E or G"),
        ("V1 y 0 PWL repeat for 3 (0 0 1 1) endrepeat", "this kind of source"),
        ("L1 x y Flux=1m*tanh(5*x)", "flux= cannot be translated"),
        ("S1 x y x 0 SS\n.model SS SW(Ron=1 Roff=1Meg Vt=.5 Vh=-.1)", "smooth switch"),
        (".step param r 1 2 1", r"\.step is not understood"),
    ],
)
def test_what_cannot_be_translated_is_named_by_its_line(line: str, says: str, tmp_path: Path) -> None:
    at = 4 + line.count("\n")
    with pytest.raises(ExternalError, match=f"^user.net:{at}: .*{says}"):
        box(tmp_path, f"R0 x y 1k\n{line}")
