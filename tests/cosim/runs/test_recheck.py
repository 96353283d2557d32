"""Sampled re-runs: a wrong answer shows, a right one agrees, what cannot be compared is said."""

import numpy as np
import pytest

from cosim.engines import Engine, Op, Options, SimulationError, Tran
from cosim.engines.vacask import Vacask
from cosim.runs import recheck
from cosim.runs.recheck import chosen, tighter
from cosim.sweeps import sweep
from tests.conftest import demand
from tests.cosim.runs.stubs import Actor, job
from tests.reference_circuits import RC_RAMP


class Drifting(Actor):
    """Answers 1 % too much at default tolerances, and right at tighter ones."""

    def _answer(self, netlist, analysis, value):
        return super()._answer(netlist, analysis, value * (1 + 10 * analysis.options.reltol))


def test_an_answer_that_tighter_tolerances_change_shows():
    jobs, engine = [job(r=2.0) for _ in range(4)], Drifting()
    found = recheck(jobs, [engine.run(*one) for one in jobs], engine, share=1.0)
    assert [one.index for one in found] == [0, 1, 2, 3]
    assert found[0].difference == pytest.approx(0.009 / 1.01, rel=1e-9)
    assert found[0].agrees and not recheck(jobs, [Actor().run(*job(r=3.0))] * 4, engine, share=0.25)[0].agrees


def test_a_transient_agrees_with_itself_at_tighter_tolerances_and_in_a_second_simulator(ngspice: Engine, request):
    demand("vacask", request)
    jobs = [(RC_RAMP.netlist, RC_RAMP.analysis)]
    found = recheck(jobs, [ngspice.run(*jobs[0])], ngspice, second=Vacask())
    assert [one.how for one in found] == ["tighter", Vacask().version()]
    swing = 1.0
    assert max(one.difference for one in found) < 2 * RC_RAMP.tolerance / swing


def test_errors_are_left_out_or_said():
    engine = Actor()
    found = recheck([job(), job("refused")], [engine.run(*job()), SimulationError("x")], engine, share=1.0)
    assert [one.index for one in found] == [0]
    (said,) = recheck([job("refused")], [engine.run(*job())], engine, share=1.0)
    assert not said.agrees and np.isnan(said.difference) and "refused" in str(said)


def test_the_sample_depends_on_the_seed_only_and_has_its_share():
    assert chosen(1000, 0.02, 7) == chosen(1000, 0.02, 7) != chosen(1000, 0.02, 8)
    assert len(chosen(1000, 0.02, 7)) == 20 and len(chosen(3, 0.02, 0)) == 1 and chosen(0, 0.5, 0) == []
    with pytest.raises(ValueError, match="share"):
        chosen(10, 0.0, 0)


def test_tighter_is_a_tenth_of_every_tolerance_and_half_the_step():
    assert tighter(Op()) == Op(options=Options(reltol=1e-4, abstol=1e-13, vntol=1e-7))
    short = tighter(Tran(stop=1.0, max_step=0.1))
    assert isinstance(short, Tran) and short.max_step == 0.05 and short.options.reltol == 1e-4


def test_a_sweep_reports_verdicts_and_what_it_ran_again():
    data = sweep(lambda p, rng: job(r=1.0), {}, base=Options(), engine=Drifting(), samples=5, recheck=0.4)
    assert data.attrs["rechecked"] == 2 and data.attrs["recheck disagrees"] == ""
    assert data.attrs["recheck worst"] == pytest.approx(0.009 / 1.01, rel=1e-9)
    assert set(data["verdict"].values.ravel()) == {"trustworthy"} and data.attrs["suspect"] == 0
