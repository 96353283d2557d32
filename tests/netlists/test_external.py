"""A user's circuit behind our ports: it is simulated as it is, and what is refused is named by its line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.engines import Engine, Options, Tran
from netlists import external, lif, opamp
from netlists.external import External, ExternalError, from_file, from_pyspice, replaced
from netlists.lif import LifParams
from netlists.opamp import OpampParams
from netlists.spice import Netlist, R, Subckt, V, X
from netlists.stimuli import held

P = OpampParams(a0=1e4, gbw=5e6)
OURS = opamp.build(P)
FOLLOWER = opamp.testbench(P, held((0.0, 1.0, -0.5), (0.0, 0.2e-6, 1e-6), 20e-9))
TRAN = Tran(stop=2e-6, max_step=10e-9)

DIVIDER = Subckt("divider", ("top", "tap"), (R("1", "top", "tap", 1.0),))
PORTS = {"top": "a", "tap": "b"}


def write(folder: Path, text: str, name: str = "user.sub") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def divider(folder: Path, body: str, **options) -> External:
    return from_file(write(folder, f".subckt mine a b\n{body}\n.ends\n"), DIVIDER, PORTS, **options)


def tap(engine: Engine, found: External) -> float:
    """Voltage at the tap of the divider with 1 V on top and 1 kΩ from the tap to ground."""
    elements = (V("in", "top", "0", 1.0), X("dut", ("top", "tap"), "divider"), R("load", "tap", "0", 1e3))
    netlist = replaced(Netlist("divider", elements, ("v(tap)",), (DIVIDER,)), found.subckt)
    return float(engine.run(netlist, Tran(stop=1e-6, max_step=1e-7))["v(tap)"][-1])


def test_own_op_amp_written_to_a_file_and_read_back_gives_the_same_waveforms(tmp_path: Path, ngspice: Engine) -> None:
    text = "\n".join(OURS.lines()).replace("subckt opamp p n out vp vm", "subckt OPA vm out n p vp")
    path = write(tmp_path, "my op-amp\n" + text + "\n.tran 1u 1m\n.end\n", "opa.cir")
    found = from_file(path, OURS, {port: port.upper() for port in opamp.PORTS}, name="opa")
    user = replaced(FOLLOWER, found.subckt)
    mine, theirs = (ngspice.run(netlist, TRAN) for netlist in (FOLLOWER, user))
    for signal in FOLLOWER.probes:
        np.testing.assert_allclose(theirs.at(signal, mine.time), mine[signal], rtol=1e-9, atol=1e-15)
    assert user.digest != FOLLOWER.digest


def test_digest_follows_the_text_of_the_user(tmp_path: Path) -> None:
    bench = Netlist("d", (X("dut", ("a", "0"), "divider"),), ("v(a)",), (DIVIDER,))
    digests = {replaced(bench, divider(tmp_path, f"R1 a b {r}").subckt).digest for r in ("1k", "2k")}
    assert len(digests) == 2


def test_parameters_functions_and_models_of_the_top_level_are_taken_along(tmp_path: Path, ngspice: Engine) -> None:
    text = """* a library
.param r0=500 unused=1 ; comment
.func twice(x) {2*x}
.subckt inner p q r=1 $ another comment
Rx p q {r*r0}
.ends inner
.subckt mine a b
.param k=3
X1 a b inner
+ r={twice(k)}
.ends
"""
    found = from_file(write(tmp_path, text), DIVIDER, PORTS, name="MINE")
    assert tap(ngspice, found) == pytest.approx(1e3 / (1e3 + 6 * 500), rel=1e-9)


def test_ties_and_parameters_reach_the_circuit(tmp_path: Path, ngspice: Engine) -> None:
    text = ".subckt mine a b gnd2 ref r=1k\nR1 a b {r}\nR2 b ref 1k\nR3 ref gnd2 1k\n.ends\n"
    found = from_file(write(tmp_path, text), DIVIDER, PORTS, ties={"GND2": 0.0, "ref": 0.5}, parameters={"r": 2e3})
    # Superposition at the tap: 1 V through 2 kΩ, 0.5 V through 1 kΩ, 1 kΩ to ground.
    assert tap(ngspice, found) == pytest.approx((1 / 2e3 + 0.5 / 1e3) / (1 / 2e3 + 2 / 1e3), rel=1e-9)


def test_flat_file_is_a_circuit_without_the_elements_named(tmp_path: Path, ngspice: Engine) -> None:
    path = write(tmp_path, "a schematic\nV1 a 0 5\nR1 a n1 500\nR2 n1 b 500\nRL b 0 50\n.op\n.end\n", "flat.cir")
    found = from_file(path, DIVIDER, PORTS, without=("v1", "RL"))
    assert tap(ngspice, found) == pytest.approx(0.5, rel=1e-9)
    with pytest.raises(ExternalError, match=r"flat.cir:1: there is no element v9"):
        from_file(path, DIVIDER, PORTS, without=("V9",))


def test_included_files_and_sections_inside_the_folder_are_read(tmp_path: Path, ngspice: Engine) -> None:
    write(tmp_path, ".lib slow\n.param r=3k\n.endl\n.lib fast\n.param r=1k\n.endl\n", "lib/corners.lib")
    path = write(tmp_path, '.lib "lib/corners.lib" slow\n.subckt mine a b\nR1 a b {r}\n.ends\n')
    assert tap(ngspice, from_file(path, DIVIDER, PORTS)) == pytest.approx(0.25, rel=1e-9)


def test_options_and_temperature_of_the_user_are_left_out_with_a_note(tmp_path: Path) -> None:
    path = write(tmp_path, ".temp 85\n.subckt mine a b\nR1 a b 1k\n.ends\n")
    assert from_file(path, DIVIDER, PORTS).notes == ("user.sub:1: left out, ours hold instead: .temp 85",)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (".control", "would run commands"),
        (".exec rm x", "would run commands"),
        ("shell touch x", "would run commands"),
        ("*# shell touch x", "runs this line as a command"),
        (".include /etc/passwd", "an absolute path is refused"),
        ('.lib "C:\\models\\x.lib" tt', "an absolute path is refused"),
        (".inc ~/x.lib", "an absolute path is refused"),
        (".include ../secret.lib", "outside the netlist's folder"),
        (".include link.lib", "outside the netlist's folder"),
        (".include absent.lib", "cannot be read: No such file"),
        (".include user.sub", "files include each other"),
        ("V1 a b PWL file=x.txt", "would read or write a file"),
        (".model f filesource (file=x)", "would read or write a file"),
        ("A1 a b thing", "elements 'A' are not accepted"),
        ("N1 a b thing", "elements 'N' are not accepted"),
        ('R1 a b "x"', "quoted names are refused"),
        (".csparam x=1", "would run commands"),
        (".if (1)", r"\.if is not understood"),
        ("D1 a b nowhere", "the model 'nowhere' is not in the file"),
        ("X1 a b nowhere", "the subcircuit 'nowhere' is not in the file"),
        ("X1 a mine", "mine has the ports a b, here are 1 nodes"),
        ("X1 a b mine", "contains itself"),
        (".subckt again a b", "has no .ends"),
    ],
)
def test_line_that_is_refused_is_named(line: str, says: str, tmp_path: Path) -> None:
    secret = write(tmp_path, "Rx a b 1\n", "secret.lib")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.lib").symlink_to(secret)
    path = write(folder, f"* mine\n.subckt mine a b\nR0 a b\n+ 1k\n{line}\n.ends\n")
    at = 2 if "contains itself" in says or "no .ends" in says else 5
    with pytest.raises(ExternalError, match=rf"^user.sub:{at}: .*{says}"):
        from_file(path, DIVIDER, PORTS, name="mine")


def test_form_feed_cannot_hide_a_line(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match=r"user.sub:3: .control would run commands"):
        divider(tmp_path, "R1 a b 1k\x0c.control")


@pytest.mark.parametrize(
    ("ports", "ties", "says"),
    [
        ({"top": "a"}, {}, "say which port of yours .a, b. is tap"),
        ({"top": "a", "tap": "c"}, {}, "the circuit has no port c; it has a, b"),
        ({"top": "a", "tap": "a"}, {}, "the port a is given twice"),
        ({"top": "a", "tap": "-"}, {}, "the port b is connected to nothing"),
        ({"top": "a", "tap": "b", "vdd": "b"}, {}, "divider has no port vdd"),
        ({"top": "a", "tap": "b"}, {"b": 1.0}, "the port b is given twice"),
    ],
)
def test_bad_ports_are_named(ports: dict[str, str], ties: dict[str, float], says: str, tmp_path: Path) -> None:
    path = write(tmp_path, ".subckt mine a b\nR1 a b 1k\n.ends\n")
    with pytest.raises(ValueError, match=says):
        from_file(path, DIVIDER, ports, ties=ties)


def test_replacing_needs_the_name_and_the_ports_of_ours() -> None:
    with pytest.raises(ValueError, match="has no subcircuit 'divider'; it has opamp"):
        replaced(FOLLOWER, DIVIDER)
    with pytest.raises(ValueError, match="subcircuit 'opamp' must have the ports"):
        replaced(FOLLOWER, replace(DIVIDER, name="opamp"))


def test_verilog_a_of_a_user_is_the_veriloga_view_under_another_name(tmp_path: Path, ngspice: Engine) -> None:
    p = LifParams()
    source = lif.veriloga(p).replace("module lif(m, out, vdd)", "module neuron(vdd, out, m)")
    found = from_file(
        write(tmp_path, source, "neuron.va"), lif.build(p), {"m": "m", "out": "out", "vdd": "vdd"}, name="neuron"
    )
    stimulus = held((0.0, 400e-9), (0.0, 0.2e-6), 2e-9)
    tran = Tran(stop=3e-6, max_step=20e-9, options=Options(method="gear", reltol=1e-4))
    mine = ngspice.run(lif.testbench(p, stimulus, view="veriloga"), tran)
    theirs = ngspice.run(replaced(lif.testbench(p, stimulus), found.subckt), tran)
    assert mine["v(out)"].max() > 1.7
    np.testing.assert_allclose(theirs.at("v(m)", mine.time), mine["v(m)"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('`include "/etc/passwd"', "n.va:3: the file '/etc/passwd' is refused"),
        ('analog $fopen("x");', r"n.va:3: \$fopen is refused"),
        ("real s; analog begin if (s < 0.5) s = V(a, b); I(a, b) <+ s; end", "n.va:3: error .hidden-state."),
    ],
)
def test_verilog_a_that_is_refused_is_named_by_its_line(line: str, says: str, tmp_path: Path) -> None:
    text = f'`include "disciplines.vams"\nmodule n(a, b); inout a, b; electrical a, b;\n{line}\nendmodule\n'
    with pytest.raises(ExternalError, match=says):
        from_file(write(tmp_path, text, "n.va"), DIVIDER, PORTS)


def test_pyspice_circuits_are_read_by_their_text(ngspice: Engine) -> None:
    netlist = pytest.importorskip("PySpice.Spice.Netlist", reason="PySpice is not installed")
    part = netlist.SubCircuit("mine", "a", "b")
    part.R("1", "a", "b", 3e3)
    assert tap(ngspice, from_pyspice(part, DIVIDER, PORTS)) == pytest.approx(0.25, rel=1e-9)
    circuit = netlist.Circuit("flat")
    circuit.V("in", "a", circuit.gnd, 1)
    circuit.R("1", "a", "b", 9e3)
    assert tap(ngspice, from_pyspice(circuit, DIVIDER, PORTS, without=("Vin",))) == pytest.approx(0.1, rel=1e-9)


def test_flavour_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="flavour must be one of ngspice, ltspice, got 'pspice'"):
        divider(tmp_path, "R1 a b 1", flavour="pspice")
    assert external.FLAVOURS == ("ngspice", "ltspice")
