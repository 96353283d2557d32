"""What both ngspice engines refuse: ngspice 46 ends most of these with exit code 0 and a number."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options, SimulationError, Tran
from cosim.engines.ngspice_batch import NgspiceBatch
from cosim.engines.ngspice_shared import NgspiceShared
from netlists.spice import B, C, I, Ic, Netlist, R, SubcktText, Switch, V, X
from tests.conftest import demand
from tests.reference_circuits import DIVIDER, netlist

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Text:
    """Lines as a user may write them in a text subcircuit."""

    text: str

    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.fixture(scope="module", params=["ngspice", "ngspice-shared"])
def either(request):
    demand(request.param, request)
    engine = NgspiceBatch(timeout=20.0) if request.param == "ngspice" else NgspiceShared(timeout=20.0)
    yield engine
    if isinstance(engine, NgspiceShared):
        engine.close()


def divider(*more, probes=("v(b)",), **parts) -> Netlist:
    elements = (V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 1e3), *more)
    return Netlist(title="divider", elements=elements, probes=probes, **parts)


def fine(engine: Engine) -> bool:
    return engine.run(DIVIDER.netlist, DIVIDER.analysis).value("v(b)") == pytest.approx(0.5, abs=1e-11)


SILENT = {
    "malformed resistor": ("R9 a b", "ignored!"),
    "resistor without nodes": ("R9 a", "."),
    "unknown leading character": ("!9 a b 1e3", "replaced with"),
    "dollar as a letter": ("$9 a b 1e3", "replaced with"),
    "unknown device letter": ("_9 a b 1e3", "unknown device type"),
    "undefined parameter": ("R9 a b {foo}", "foo"),
    "unknown parameter": ("R9 a b 1e3 foo=3", "foo"),
    "unknown subcircuit": ("X9 a b nowhere", "nowhere"),
    "unknown model": ("D9 a b nowhere", "nowhere"),
    "resistor of zero ohms": ("R9 a b 0", "too small"),
    "initial condition of no node": (".ic v(nowhere)=1", "nowhere"),
}


@pytest.mark.parametrize("name", SILENT)
def test_silent_failure_is_an_error_and_the_next_run_is_right(either, name):
    line, words = SILENT[name]
    with pytest.raises(SimulationError, match=words):
        either.run(divider(Text(line)), Op())
    assert fine(either)


def test_timestep_collapse_is_an_error(either):
    runaway = netlist(
        "dv/dt = v² / ns grows without bound after 1 ns",
        C("1", "b", "0", 1e-9),
        B("1", "0", "b", "i", "v(b)*v(b)"),
        R("1", "b", "0", 1e9),
        Ic({"b": 1.0}),
    )
    with pytest.raises(SimulationError, match=r"(?i)timestep|trouble|converge"):
        either.run(runaway, Tran(stop=1e-8, max_step=1e-11))
    assert fine(either)


def test_operating_point_that_does_not_exist_is_an_error(either):
    no_solution = netlist(
        "i = 1 A + v² has no root",
        B("1", "b", "0", "i", "(1.0)+v(b)*v(b)"),
        R("1", "b", "0", 1e6),
        V("1", "c", "0", 1.0),
        R("2", "c", "b", 1e6),
    )
    with pytest.raises(SimulationError):
        either.run(no_solution, Op())
    assert fine(either)


FLOATING = {
    "current into nothing": I("9", "0", "x", 1e-3),
    "capacitor to nothing": C("9", "x", "0", 1e-9),
    "island of resistors": R("9", "x", "y", 1e3),
    "capacitor in between": C("9", "b", "x", 1e-9),
}


@pytest.mark.parametrize("name", FLOATING)
def test_node_without_a_path_to_ground_is_suspect(either, name):
    """With a current into nothing, ngspice 46 with KLU says 0 V for every node of the circuit."""
    with pytest.raises(SimulationError, match=r"no dc path to ground from x|suspect|singular"):
        either.run(divider(FLOATING[name]), Op())


def test_suspect_answer_comes_with_its_suspicions_when_allowed(either):
    engine = type(either)(timeout=20.0, allow_suspect=True)
    waves = engine.run(divider(C("9", "b", "x", 1e-9)), Op())
    assert any("no dc path to ground from x" in s for s in waves.suspicions)
    assert waves.value("v(b)") == pytest.approx(0.5)
    if isinstance(engine, NgspiceShared):
        engine.close()


GROUNDED = {
    "capacitor started with uic": (C("9", "b", "x", 1e-9), Tran(stop=1e-8, max_step=1e-9, uic=True)),
    "node with an initial condition": (Text("C9 b x 1e-9\n.ic v(x)=0.5"), Tran(stop=1e-8, max_step=1e-9)),
    "switch": (Switch("9", "b", "x", "a", "0", 0.6, 0.4, 1.0, 1e9), Op()),
    "ground called gnd": (R("9", "b", "GND", 1e12), Op()),
    "comment": (Text("* I9 0 x 1e-3"), Op()),
}


@pytest.mark.parametrize("name", GROUNDED)
def test_good_circuit_raises_no_alarm(either, name):
    element, analysis = GROUNDED[name]
    waves = either.run(divider(element), analysis)
    assert waves.suspicions == ()
    assert np.real(waves["v(b)"][0]) == pytest.approx(0.5, abs=1e-3) or name.startswith("capacitor")


def test_text_subcircuits_in_subcircuits_are_counted_and_followed(either):
    inner = SubcktText("inner", ".subckt inner p n\nR1 p m 500\nR2 m n\n+ 500\n* R3 p n 1\n.ends inner")
    outer = SubcktText("outer", ".subckt outer p n r=1\nX1 p q inner\nX2 q n inner\n.ends outer", subckts=(inner,))
    net = divider(X("1", ("b", "0"), "outer"), subckts=(outer,))
    assert either.run(net, Op()).value("v(b)") == pytest.approx(1 / (1 + 1.5), rel=1e-9)  # 1 kΩ ∥ 2 kΩ below 1 kΩ


def test_floating_node_inside_a_subcircuit_is_named(either):
    sub = SubcktText("sub", ".subckt sub p\nC1 p deep 1e-9\n.ends sub")
    with pytest.raises(SimulationError, match=r"xu\.deep"):
        either.run(divider(X("u", ("b",), "sub"), subckts=(sub,)), Op())


def test_gmin_is_small_enough_for_exact_comparisons(either):
    """A gigaohm divider: were 1e-12 S at each node, it would take a two-thousandth."""
    net = netlist("gigaohm", V("1", "a", "0", 1.0), R("1", "a", "b", 1e9), R("2", "b", "0", 1e9))
    assert either.run(net, Op(options=Options())).value("v(b)") == pytest.approx(0.5, rel=1e-6)


def test_shared_worker_is_recycled_and_answers_the_same(request):
    demand("ngspice-shared", request)
    with NgspiceShared(recycle=2, timeout=20.0) as engine:
        seen, values = set(), set()
        for _ in range(5):
            values.add(engine.run(DIVIDER.netlist, Op()).value("v(b)"))
            assert engine._worker is not None
            seen.add(engine._worker._process.pid)
        assert len(seen) == 3 and len(values) == 1
        last = engine._worker
    assert last is not None and not last.alive()


def test_shared_worker_is_replaced_after_the_library_asked_to_exit(request):
    """After an undefined parameter libngspice stays poisoned: every later circuit would fail."""
    demand("ngspice-shared", request)
    with NgspiceShared(timeout=20.0) as engine:
        engine.run(DIVIDER.netlist, Op())
        first = engine._worker
        with pytest.raises(SimulationError, match="foo"):
            engine.run(divider(Text("R9 a b {foo}")), Op())
        assert first is not None and not first.alive()
        assert fine(engine)


def test_shared_worker_killed_from_outside_is_replaced(request):
    demand("ngspice-shared", request)
    with NgspiceShared(timeout=20.0) as engine:
        assert fine(engine) and engine._worker is not None
        engine._worker._process.kill()
        engine._worker._process.wait()
        assert fine(engine)


def test_shared_library_does_not_grow_with_runs(request):
    """Without `destroy all` and `remcirc` each 16 × 16 load keeps a megabyte."""
    demand("ngspice-shared", request)
    chain = [R(f"c{i}", f"n{i}", f"n{i + 1}", 1.0) for i in range(800)]
    net = netlist("chain", V("1", "n0", "0", 1.0), *chain, R("end", "n800", "0", 1.0), probes=("v(n800)",))

    def resident(engine: NgspiceShared) -> int:
        assert engine._worker is not None
        with open(f"/proc/{engine._worker._process.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    with NgspiceShared(timeout=20.0) as engine:
        for _ in range(10):
            engine.run(net, Op())
        before = resident(engine)
        for _ in range(30):
            engine.run(net, Op())
        grown = (resident(engine) - before) / 30
    assert grown < 50e3, f"{grown:.0f} bytes per run"


@pytest.mark.parametrize("name", ["ngspice", "ngspice-shared"])
def test_pyspice_stays_out_of_the_process(name):
    code = (
        "import sys\nfrom cosim.engines import ENGINES\nfrom tests.reference_circuits import VERILOG_A\n"
        "ENGINES[sys.argv[1]]().run(VERILOG_A.netlist, VERILOG_A.analysis)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, name], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "cosim.engines" in done.stdout.split()
    assert not [module for module in done.stdout.split() if module.startswith("PySpice")]
