"""What the linter refuses, what it accepts, and that simulators bear it out."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cosim.engines import Engine, Options, Tran
from devicemodels import DEVICES
from devicemodels.lint import RULES, ParseError, lint, lint_file
from netlists.spice import N, Netlist, Pwl, V, VerilogA
from tests.devicemodels.lint.models import MENDED, REFUSED, STICKY, UNCLAMPED, UNSUPPORTED, model

ROOT = Path(__file__).parents[3]
OURS = sorted([*ROOT.glob("devicemodels/*/model.va"), *ROOT.glob("netlists/*.va")])


def errors(text: str) -> set[str]:
    return {f.rule for f in lint(text) if f.severity == "error"}


def rules(text: str) -> set[str]:
    return {f.rule for f in lint(text)}


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_model_of_the_project_passes(path: Path) -> None:
    assert [str(f) for f in lint_file(path) if f.severity == "error"] == []


def test_there_are_models_of_the_project() -> None:
    assert len(OURS) >= len(DEVICES)


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_do_not_switch_are_refused(name: str) -> None:
    rule, text = REFUSED[name]
    assert rule in errors(text)


def low_read_currents(engine: Engine, text: str) -> tuple[float, float]:
    """Current at 0.2 V before and after a pulse of 1.5 V."""
    wave = Pwl(((0.0, 0.2), (1e-6, 0.2), (1.01e-6, 1.5), (2e-6, 1.5), (2.01e-6, 0.2), (4e-6, 0.2)))
    bench = Netlist("switch", (V("a", "a", "0", 0.2, wave), N("d", ("a", "0"), "demo", {})), ("i(va)",))
    bench = Netlist(bench.title, bench.elements, bench.probes, veriloga=(VerilogA("demo", text),))
    waves = engine.run(bench, Tran(stop=4e-6, max_step=1e-8, options=Options(reltol=1e-6)))
    before, after = -waves.at("i(va)", np.array([0.9e-6, 3.9e-6]))
    return float(before), float(after)


def test_the_refused_switch_compiles_and_does_not_switch(ngspice: Engine) -> None:
    before, after = low_read_currents(ngspice, STICKY)
    # Ohm's law at g_low = 1 µS before and after: the pulse above the threshold is forgotten; 1e-6 is the reltol.
    np.testing.assert_allclose([before, after], 0.2e-6, rtol=1e-6, atol=1e-12)
    assert "hidden-state" in errors(STICKY)


def test_the_switch_that_the_linter_asks_for_does_switch(ngspice: Engine) -> None:
    before, after = low_read_currents(ngspice, MENDED)
    # From g_low = 1 µS to g_high = 1 mS; the state is within exp(-1e9 * 1e-6) of 1, so only reltol is left.
    np.testing.assert_allclose([before, after], [0.2e-6, 0.2e-3], rtol=1e-4, atol=1e-12)
    assert lint(MENDED) == []


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_constructs_are_named(name: str) -> None:
    found = [f for f in lint(UNSUPPORTED[name]) if f.rule == "unsupported"]
    assert found and all(name in f.subject for f in found) and all(f.instead for f in found)


@pytest.mark.parametrize("rule", UNCLAMPED)
def test_an_argument_without_limit_is_reported_and_a_bounded_one_is_not(rule: str) -> None:
    loose, bounded = UNCLAMPED[rule]
    found = [rules(model(f"v = V(p, n); I(p, n) <+ {e};", "real v;")) for e in (loose, bounded)]
    assert found == [{rule}, set()]


@pytest.mark.parametrize(
    "analog",
    [
        "if (k == 1) g = 1; if (k == 1) I(p, n) <+ g * V(p, n);",
        "if (k > 0) g = 1; else g = 2; I(p, n) <+ g * V(p, n);",
        "if (!(k > 0)) g = 1; if (k <= 0) I(p, n) <+ g * V(p, n);",
        "case (k) 0: g = 1; 1: g = 2; 2: g = 3; endcase I(p, n) <+ g * V(p, n);",
        "case (k) 0: g = 1; default: g = 2; endcase I(p, n) <+ g * V(p, n);",
        "for (i = 0; i < 3; i = i + 1) g = i; I(p, n) <+ g * V(p, n);",
        "g = 0; for (i = 0; i < k; i = i + 1) g = g + i; I(p, n) <+ g * V(p, n);",
        "if (V(p, n) > 1 && k == 1) g = 2; if (V(p, n) > 1 && k == 1) I(p, n) <+ g * V(p, n);",
    ],
)
def test_a_variable_written_on_every_way_to_its_use_passes(analog: str) -> None:
    assert "hidden-state" not in rules(model(analog, "parameter integer k = 1 from [0:2]; real g; integer i;"))


@pytest.mark.parametrize(
    "analog",
    [
        "if (k == 1) g = 1; if (k == 2) I(p, n) <+ g * V(p, n);",
        "if (V(p, n) > i) g = 1; i = 3; if (V(p, n) > i) I(p, n) <+ g * V(p, n);",
        "for (i = 0; i < k; i = i + 1) g = i; I(p, n) <+ g * V(p, n);",
        "case (k) 0: g = 1; 1: g = 2; endcase I(p, n) <+ g * V(p, n);",
        "g = g + 1; I(p, n) <+ g * V(p, n);",
    ],
)
def test_a_variable_that_some_way_leaves_unwritten_is_refused(analog: str) -> None:
    text = model(analog, "parameter integer k = 1 from [0:2]; real g; integer i = 0;")
    assert "hidden-state" in errors(text)


def test_the_guard_of_vteam_is_needed() -> None:
    text = DEVICES["vteam"].veriloga
    for line, broken, rule in (
        ("    sc = max(0, min(1, s));\n", "", "never-assigned"),
        ("    else\n      rate = 0;\n", "", "hidden-state"),
        ("$abstime <= 0", "ramp <= 0", "unpinned-state"),
    ):
        assert line in text
        assert rule in errors(text.replace(line, broken)), rule


@pytest.mark.parametrize("name", ["nmos", "D", "sw", "resistor"])
def test_a_name_of_a_built_in_device_is_refused(name: str) -> None:
    assert errors(model("I(p, n) <+ V(p, n);").replace("module demo", f"module {name}")) == {"module-name"}


def test_an_unused_node_is_reported_with_its_line() -> None:
    (found,) = lint(model("I(p, n) <+ V(p, n);", nets=", spare"))
    assert (found.rule, found.line, found.severity) == ("unused-node", 5, "warning") and "'spare'" in found.subject


def test_every_rule_says_what_happens_and_what_to_write() -> None:
    texts = [t for _, t in REFUSED.values()] + list(UNSUPPORTED.values())
    for found in (f for text in texts for f in lint(text)):
        assert found.does == RULES[found.rule].does and found.instead and found.severity in ("error", "warning")


def test_findings_come_by_line() -> None:
    for text in UNSUPPORTED.values():
        assert all(a.line <= b.line for a, b in pairwise(lint(text)))


def test_macros_includes_and_conditions_are_followed(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text(
        "`define SET(x, y) x = (y)\n`ifdef FAST\n`error here\n`else\n`define K 2\n`endif\n"
    )
    path = tmp_path / "m.va"
    text = model("`SET(g, `K * (1 + `M_PI));\nI(p, n) <+ g * V(p, n);", "real g;")
    path.write_text('`include "part.inc"\n' + text)
    assert lint_file(path) == []
    path.write_text('`include "part.inc"\n`define FAST\n' + text.replace("`K", "`L"))
    with pytest.raises(ParseError, match=r"m\.va:10: macro `L is not defined; define it"):
        lint_file(path)
