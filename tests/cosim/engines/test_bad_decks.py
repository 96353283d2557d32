"""Bad circuits of every kind we know: each ends in the right verdict, nothing hangs, nothing is left behind."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cosim.engines import Analysis, Dc, Op, SimulationError, Tran
from cosim.engines.ngspice_batch import NgspiceBatch
from cosim.engines.ngspice_shared import NgspiceShared
from netlists.spice import B, C, Element, I, Netlist, R, SubcktText, V, VerilogA, X
from tests.conftest import demand
from tests.cosim.engines.test_ngspice import Text, fine

LONG = Tran(stop=1e-6, max_step=1e-9)
HALVES = (V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 1e3))


def line(text: str) -> tuple[Element, ...]:
    return (Text(text),)


def using(body: str, ports: str = "p n") -> dict[str, tuple[SubcktText, ...]]:
    return {"subckts": (SubcktText("part", f".subckt part {ports}\n{body}\n.ends part"),)}


PART = (X("9", ("a", "b"), "part"),)
Case = tuple[tuple[Element, ...], dict[str, tuple], Analysis, str, str]
"""Elements beside a divider, other parts of the netlist, analysis, verdict, words of the error."""
BAD: dict[str, Case] = {
    "resistor without a value": (line("R9 a b"), {}, Op(), "failed", "ignored"),
    "element without nodes": (line("R9"), {}, Op(), "failed", ""),
    "unknown first character": (line("!9 a b 1e3"), {}, Op(), "failed", "replaced"),
    "undefined parameter": (line("R9 a b {foo}"), {}, Op(), "failed", "foo"),
    "unknown parameter of a device": (line("R9 a b 1e3 foo=3"), {}, Op(), "failed", "foo"),
    "unknown subcircuit": (line("X9 a b nowhere"), {}, Op(), "failed", "nowhere"),
    "unknown model": (line("D9 a b nowhere"), {}, Op(), "failed", "nowhere"),
    "too few ports": ((X("9", ("a",), "part"),), using("R1 p n 1e3"), Op(), "failed", ""),
    "too many ports": ((X("9", ("a", "b", "c"), "part"),), using("R1 p n 1e3"), Op(), "failed", ""),
    "subcircuit that contains itself": (PART, using("X1 p n part"), Op(), "failed", ""),
    "subcircuit that does not end": (PART, {"subckts": (SubcktText("part", ".subckt part p n\nR1 p n 1e3"),)}, Op(),
                                     "failed", ""),
    "two elements of one name": (line("R1 a b 2e3"), {}, Op(), "failed", ""),
    "two voltage sources in parallel": ((V("9", "a", "0", 2.0),), {}, Op(), "failed", "singular"),
    "inductor across a source": (line("L9 a 0 1e-3"), {}, Op(), "suspect", "singular"),
    "resistor of zero ohms": (line("R9 a b 0"), {}, Op(), "failed", "too small"),
    "expression with a bracket open": (line("B9 a b i = (v(a)*(2"), {}, Op(), "failed", ""),
    "current of a source that is not there": (line("F9 a b Vnowhere 2"), {}, Op(), "failed", "nowhere"),
    "initial condition of no node": (line(".ic v(nowhere)=1"), {}, Op(), "failed", "nowhere"),
    "included file that is not there": (line(".include nowhere.cir"), {}, Op(), "failed", "nowhere"),
    "misspelt probe": ((), {"probes": ("v(nowhere)",)}, Op(), "failed", "nowhere"),
    "sweep of no source": ((), {}, Dc(source="Vnowhere", start=0.0, stop=1.0, step=0.5), "failed", "nowhere"),
    "no operating point": ((B("9", "c", "0", "i", "(1.0)+v(c)*v(c)"), R("9", "c", "a", 1e6)), {}, Op(), "failed", ""),
    "growth without bound": ((C("9", "c", "0", 1e-9), B("9", "0", "c", "i", "(1.0)+v(c)*v(c)"), R("9", "c", "0", 1e9)),
                             {}, LONG, "failed", ""),
    "current into a floating node": ((I("9", "0", "c", 1e-3),), {}, Op(), "suspect", "no dc path"),
    "node behind a capacitor": ((C("9", "b", "c", 1e-9),), {}, Op(), "suspect", "no dc path"),
    "circuit without ground": ((V("9", "c", "d", 1.0), R("9", "c", "d", 1e3)), {}, Op(), "suspect", "no dc path"),
    "run without end": ((), {}, Tran(stop=1e6, max_step=1e-9), "failed", "did not finish"),
    "Verilog-A that does not compile": ((), {"veriloga": (VerilogA("memspice_bad", "module memspice_bad(p;"),)},
                                        Op(), "failed", "does not compile"),
}  # fmt: skip


def children() -> set[str]:
    """Processes below this one."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    return {pid for task in tasks.glob("*/children") for pid in task.read_text().split()}


@pytest.fixture
def nothing_left(tmp_path, monkeypatch) -> Iterator[None]:
    """No new process, file or open descriptor after the test."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("looks for leaks in /proc, which is Linux")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before, handles = children(), len(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    assert children() <= before
    assert not list(scratch.iterdir())
    assert len(os.listdir("/proc/self/fd")) <= handles


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("engine", ["ngspice", "ngspice-shared"])
@pytest.mark.usefixtures("nothing_left")
def test_bad_deck_ends_in_its_verdict_and_leaves_nothing(request, engine, name):
    demand(engine, request)
    more, parts, analysis, verdict, words = BAD[name]
    bad = Netlist(**{"title": "bad", "elements": (*HALVES[:2], *more, HALVES[2]), "probes": ("v(b)",), **parts})
    timeout = 1.0 if name == "run without end" else 30.0
    made = NgspiceBatch(timeout=timeout) if engine == "ngspice" else NgspiceShared(timeout=timeout)
    try:
        with pytest.raises(SimulationError, match=f"(?i){words}") as caught:
            made.run(bad, analysis)
        assert caught.value.verdict == verdict, caught.value
        assert fine(made)
    finally:
        if isinstance(made, NgspiceShared):
            made.close()
