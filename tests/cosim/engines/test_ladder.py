"""The convergence ladder: what it mends, what it does not touch, and that everything it did is in the answer."""

from dataclasses import replace

import pytest

from cosim.engines import Engine, Ladder, Op, Options, SimulationError, SuspectError, Tran
from cosim.engines.base import HelpedOptions
from cosim.engines.ngspice_batch import NgspiceBatch
from cosim.engines.trust import FATAL, SUSPECT
from cosim.runs import Cache
from cosim.waveforms import Waveforms
from netlists import opamp
from netlists.spice import I, Netlist, V, X
from tests.cosim.runs.stubs import Actor, job
from tests.reference_circuits import RC_RAMP, netlist

P = replace(opamp.OpampParams(), v_offset=2e-3, a0=1e4)
FOLLOWER = Netlist(
    title="follower",
    elements=(
        V("in", "inp", "0", 0.3),
        V("p", "vp", "0", P.v_high),
        V("m", "vm", "0", P.v_low),
        X("dut", ("inp", "out", "out", "vp", "vm"), "opamp"),
    ),
    probes=("v(out)",),
    subckts=(opamp.build(P),),
)


class Stubborn(Actor):
    """Answers only analyses that `accepts` takes; fails otherwise as ngspice does."""

    def __init__(self, accepts, why: str = "Note: timestep too small", kind=SimulationError) -> None:
        super().__init__()
        self.accepts, self.why, self.kind, self.asked = accepts, why, kind, []

    def run(self, netlist: Netlist, analysis) -> Waveforms:
        self.asked.append(analysis)
        if not self.accepts(analysis):
            raise self.kind(self.why, hint="the first hint")
        return super().run(netlist, analysis)


def test_a_follower_whose_gmin_stepping_fails_is_solved_by_source_stepping(ngspice: Engine):
    """Gain a0 / (1 + a0) of input plus offset, less 9e-6 of the output stage's 90 ohms: none here, it is unloaded."""
    with pytest.raises(SuspectError, match="gmin stepping failed"):
        ngspice.run(FOLLOWER, Op())
    waves = Ladder(ngspice).run(FOLLOWER, Op())
    assert waves.value("v(out)") == pytest.approx(0.302 * P.a0 / (1 + P.a0), abs=1e-6)  # vntol
    assert waves.verdict == "trustworthy" and waves.engine.endswith("+ladder") and waves.analysis == Op()
    assert "gmin stepping failed" in waves.tried[0] and waves.tried[-1] == "source stepping: answered"


def test_what_converges_is_not_touched(ngspice: Engine):
    plain, waves = (engine.run(RC_RAMP.netlist, RC_RAMP.analysis) for engine in (ngspice, Ladder(ngspice)))
    assert waves.tried == () and (waves["v(b)"] == plain["v(b)"]).all()


@pytest.mark.parametrize(
    ("accepts", "last"),
    [
        (lambda a: isinstance(a.options, HelpedOptions) and a.options.start == "100 gmin steps", "100 gmin steps"),
        (lambda a: a.options.method == "gear", "gear"),
        (lambda a: a.max_step < 1e-9, "gear with a quarter of max_step"),
    ],
)
def test_rungs_are_climbed_in_order_and_recorded(accepts, last):
    waves = Ladder(Stubborn(accepts)).run(job()[0], Tran(stop=1e-6, max_step=1e-9))
    assert waves.tried[-1] == f"{last}: answered"
    assert waves.tried[0] == "as asked: Note: timestep too small"
    assert waves.analysis == Tran(stop=1e-6, max_step=1e-9)


def test_tolerances_are_kept_on_every_rung():
    engine = Stubborn(lambda a: False)
    with pytest.raises(SimulationError):
        Ladder(engine).run(job()[0], Tran(stop=1e-6, max_step=1e-9, options=Options(reltol=1e-5)))
    assert len(engine.asked) == 6 and {a.options.reltol for a in engine.asked} == {1e-5}


def test_the_first_error_is_raised_when_no_rung_helps():
    with pytest.raises(SuspectError, match="gmin stepping failed") as caught:
        Ladder(Stubborn(lambda a: False, "Warning: gmin stepping failed", SuspectError)).run(job()[0], Op())
    assert "source stepping, 100 source steps, 100 gmin steps" in caught.value.hint
    assert "the first hint" in caught.value.hint


@pytest.mark.parametrize("why", ["ngspice knows none of v(x)", "the answer is suspect: no dc path to ground from c"])
def test_a_defect_of_the_circuit_is_not_climbed_over(why):
    engine = Stubborn(lambda a: False, why)
    with pytest.raises(SimulationError):
        Ladder(engine).run(job()[0], Op())
    assert len(engine.asked) == 1


def test_a_floating_node_stays_suspect(ngspice: Engine):
    floating = netlist("floating", V("1", "b", "0", 1.0), I("1", "0", "x", 1e-3))
    with pytest.raises(SuspectError, match="no dc path"):
        Ladder(ngspice).run(floating, Op())


def test_the_cache_keeps_the_ladder_apart_and_what_it_tried(tmp_path):
    cache, plain = Cache(tmp_path), Stubborn(lambda a: isinstance(a.options, HelpedOptions))
    ladder, one = Ladder(plain), job()
    waves = ladder.run(*one)
    cache.put(one, ladder, waves)
    assert cache.get(one, plain, one[0].digest) is None
    kept = cache.get(one, ladder, one[0].digest)
    assert kept is not None and kept.tried == waves.tried and kept.engine == waves.engine == "actor+ladder"


def test_an_engine_that_allows_suspects_is_refused():
    with pytest.raises(ValueError, match="refuses suspect answers"):
        Ladder(NgspiceBatch(allow_suspect=True))


@pytest.mark.parametrize("signs", [FATAL, SUSPECT])
def test_every_sign_in_a_log_contains_the_literal_that_is_looked_for_first(signs):
    for literal, pattern in zip(signs.literals, signs.patterns, strict=True):
        plain = pattern.replace("\\b", "").replace(".*", "x").replace("\\", "")
        assert literal == literal.lower() and literal in plain
        assert signs.search(plain.upper()) and signs.may_occur(plain.upper())
