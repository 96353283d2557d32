"""What every engine of the list promises."""

import numpy as np
import pytest

from cosim.engines import Dc, Op, SimulationError, Tran
from netlists.spice import B, C, I, N, Netlist, Pwl, R, Switch, V, VerilogA
from tests.reference_circuits import DIVIDER, RC_RAMP, REFERENCES, VERILOG_A, netlist


@pytest.mark.parametrize("name", REFERENCES)
def test_engine_gives_the_closed_form(engine, name):
    reference = REFERENCES[name]
    waves = engine.run(reference.netlist, reference.analysis)
    error = np.abs(waves[reference.probe] - reference.solve(waves.axis)).max()
    assert error < reference.tolerance, f"{error:.3g} is not within {reference.tolerance:.3g}: {reference.reason}"
    assert waves.suspicions == ()


@pytest.mark.parametrize("name", REFERENCES)
def test_same_question_gives_the_same_answer_to_the_bit(engine, name):
    reference = REFERENCES[name]
    first, second = (engine.run(reference.netlist, reference.analysis) for _ in range(2))
    np.testing.assert_array_equal(first.axis, second.axis)
    for signal in first.signals:
        np.testing.assert_array_equal(first[signal], second[signal])


def test_waveforms_know_their_origin(engine):
    waves = engine.run(DIVIDER.netlist, DIVIDER.analysis)
    assert waves.digest == DIVIDER.netlist.digest
    assert waves.engine == engine.version()
    assert waves.analysis == DIVIDER.analysis


def test_device_variables_of_veriloga_can_be_probed(engine):
    waves = engine.run(VERILOG_A.netlist, VERILOG_A.analysis)
    v = waves.value("v(b)")
    assert waves.value("@n1[power]") == pytest.approx(1e-3 * v**3, rel=1e-5)  # evaluated one Newton step before v


def test_names_that_look_like_errors_are_no_alarm(engine):
    net = Netlist(
        title="fatal error: singular timestep too small, unknown",
        elements=(
            V("error", "singular", "0", 1.0),
            R("fatal", "singular", "aborted", 1e3),
            R("nan", "aborted", "0", 1e3),
        ),
        probes=("v(aborted)",),
    )
    assert engine.run(net, Op()).value("v(aborted)") == pytest.approx(0.5)
    assert engine.run(net, Tran(stop=1e-6, max_step=1e-7))["v(aborted)"][-1] == pytest.approx(0.5)


def bad(*elements, probes=("v(b)",), **parts) -> Netlist:
    return netlist(
        "bad", V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 1e3), *elements, probes=probes, **parts
    )


BROKEN_SOURCE = VerilogA(
    "broken", "module broken(p, n); inout p, n; electrical p, n; analog I(p, n) <+ nonsense; endmodule"
)
TRAP_NAMES = ("res", "R", "sw", "d", "c", "nmos")

FAILURES = {
    "misspelt node": (bad(probes=("v(b)", "v(bb)")), Op(), "bb"),
    "misspelt source": (bad(probes=("i(v9)",)), Op(), r"i\(v9\)|v9"),
    "sweep of no source": (bad(), Dc(source="V9", start=0.0, stop=1.0, step=0.5), "."),
    "current into nothing": (bad(I("1", "0", "x", 1e-3)), Op(), "."),
    "node without a path": (bad(C("x", "x", "0", 1e-9)), Op(), "."),
    "two voltages in one loop": (bad(V("2", "a", "0", 2.0)), Op(), "."),
    "Verilog-A that does not compile": (
        bad(N("1", ("b", "0"), "broken"), veriloga=(BROKEN_SOURCE,)),
        Op(),
        "broken does not compile",
    ),
    "unknown Verilog-A parameter": (
        bad(N("1", ("b", "0"), "square_law", {"kk": 1.0}), veriloga=VERILOG_A.netlist.veriloga),
        Op(),
        "kk",
    ),
    "Verilog-A module that is not there": (bad(N("1", ("b", "0"), "nowhere")), Op(), "nowhere"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_raises_one_clear_error(engine, name):
    net, analysis, words = FAILURES[name]
    with pytest.raises(SimulationError, match=words) as caught:
        engine.run(net, analysis)
    assert len(str(caught.value)) < 4000
    waves = engine.run(DIVIDER.netlist, DIVIDER.analysis)  # the engine is as good as new
    assert waves.value("v(b)") == pytest.approx(0.5)


@pytest.mark.parametrize("module", TRAP_NAMES)
def test_veriloga_module_with_a_built_in_name_is_refused(engine, module):
    source = f"module {module}(p, n); inout p, n; electrical p, n; analog I(p, n) <+ 1e-3 * V(p, n); endmodule"
    net = bad(N("1", ("b", "0"), module), veriloga=(VerilogA(module, source),))
    with pytest.raises(SimulationError, match=f"'{module}' is a built-in"):
        engine.run(net, Op())


def test_veriloga_source_without_its_module_is_refused(engine):
    with pytest.raises(SimulationError, match="no module 'other'"):
        engine.run(bad(N("1", ("b", "0"), "other"), veriloga=(VerilogA("other", "module one; endmodule"),)), Op())


def test_not_a_number_is_refused_before_anything_runs(engine):
    with pytest.raises(ValueError, match="cannot contain the number nan"):
        engine.run(bad(R("3", "b", "0", float("nan"))), Op())


def test_timeout_ends_the_run_and_says_so(engine):
    slow = Tran(stop=1.0, max_step=1e-7)
    quick = type(engine)(timeout=0.5)
    quick.version()
    with pytest.raises(SimulationError, match=r"did not finish within 0\.5 s"):
        quick.run(RC_RAMP.netlist, slow)
    if close := getattr(quick, "close", None):
        close()


@pytest.mark.parametrize(
    "element", [B("1", "b", "0", "i", "v(b)"), Switch("1", "b", "0", "a", "0", 1.0, 0.5, 1.0, 1e6)]
)
def test_vacask_points_to_the_veriloga_view(element):
    from cosim.engines.vacask import Vacask

    with pytest.raises(SimulationError, match="VACASK cannot do the element") as caught:
        Vacask().run(bad(element), Op())
    assert "Verilog-A view" in caught.value.hint


def test_ngspice_variants_agree_to_the_bit_and_vacask_to_its_tolerance(request):
    """Nonlinear device on a capacitor: no closed form is used, three programs are."""
    from cosim.engines import ENGINES
    from cosim.waveforms import compare
    from tests.conftest import demand

    net = netlist(
        "square law on a capacitor",
        V("1", "a", "0", 0.0, Pwl(((0.0, 0.0), (1e-6, 2.0), (2e-6, 0.5)))),
        R("1", "a", "b", 1e3),
        C("1", "b", "0", 1e-10),
        N("1", ("b", "0"), "square_law", {"k": 1e-3}),
        veriloga=VERILOG_A.netlist.veriloga,
    )
    analysis = Tran(stop=2e-6, max_step=2e-9, options=RC_RAMP.analysis.options)
    answers = {}
    for name in ENGINES:
        demand(name, request)
        engine = ENGINES[name]()
        answers[name] = engine.run(net, analysis)
        if close := getattr(engine, "close", None):
            close()
    np.testing.assert_array_equal(answers["ngspice"]["v(b)"], answers["ngspice-shared"]["v(b)"])
    difference = compare(answers["ngspice"], answers["vacask"])
    assert difference.worst < 2e-4, (
        difference
    )  # a backward-Euler step after the corner: h²/2 · 3.5e6 V/s / 50 ns = 1.4e-4 V
