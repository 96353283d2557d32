"""Lock step against one simulation of everything, and against what the controller's arithmetic says."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch

from cosim.calibration import load
from cosim.cosimulation import STOP, Stop, cosimulate, replay
from cosim.engines import Engine, Options, Tran
from cosim.engines.session import Crossing, Stretch
from cosim.twins.lif import LifFit, train
from netlists import integrator, lif
from netlists.integrator import IntegratorParams
from netlists.lif import LifParams
from netlists.opamp import OpampParams
from netlists.spice import C, Element, I, Netlist, R, V
from netlists.stimuli import held

NEAR_IDEAL = IntegratorParams(opamp=OpampParams(a0=1e6, v_offset=0.0, gbw=500e6, slew=500e6))
"""An integrator whose closed loop differs from the ideal one by less than 1e-3."""
GRID = 2.0 / 4096
"""Step of a 12-bit converter over 2 V."""


def dac(volts: float) -> float:
    return round(volts / GRID) * GRID


def test_a_sampled_loop_is_the_recursion_it_should_be_and_its_replay_is_the_same(ngspice: Engine) -> None:
    # d out/dt = -u / tau with u = dac(out): out shrinks by 1 - period/tau at each exchange.
    p, period = NEAR_IDEAL, 0.2 * NEAR_IDEAL.tau
    bench = integrator.testbench(p, held([0.0], [0.0], period), v_ic=-0.5)
    inputs = (V("in", "inp", "0") if isinstance(e, V) and e.name == "in" else e for e in bench.elements)
    loop = replace(bench, elements=tuple(inputs))
    start = ceil(p.t_load / period)
    analysis = Tran(stop=(start + 10) * period, max_step=p.tau / 100, options=Options(reltol=1e-6))
    seen: list[float] = []

    def controller(time: float, stretch: Stretch) -> Mapping[str, float] | None:
        if time < (start - 0.5) * period:
            return None
        seen.append(float(stretch.waves["v(out)"][-1]))
        return {"Vin": dac(seen[-1])}

    result = cosimulate(loop, analysis, controller, every=period)
    assert not result.stopped and result.exchanges == start + 10 and len(seen) == 11
    expected = [seen[0]]
    for _ in seen[1:]:
        expected.append(expected[-1] - dac(expected[-1]) * period / p.tau)
    # A step of the converter where rounding falls the other way, and the circuit's own 1e-3 (switch and amplifier).
    assert seen == pytest.approx(expected, abs=GRID + 1e-3 * abs(seen[0]))
    assert abs(seen[0]) == pytest.approx(0.5, rel=1e-2) and seen[-1] == pytest.approx(seen[0] * 0.8**10, rel=0.02)
    whole = ngspice.run(replay(loop, result.actions, 1e-3 * analysis.max_step), analysis)
    # The same edges in both; the solver's steps differ: 1e-4 of the swing.
    error = result.waves["v(out)"] - whole.at("v(out)", np.minimum(result.waves.time, whole.time[-1]))
    assert np.abs(error).max() < 1e-4


P = LifParams()
STEP = 2 * P.tau
CLASSES, STEPS, SURE = 3, 8, 0.8


def evidence(sample: int) -> np.ndarray:
    """Input currents (A) [class, step]: one class has more of it."""
    generator = np.random.default_rng(sample)
    base = generator.uniform(2.0, 3.0, (CLASSES, STEPS))
    base[sample % CLASSES] += generator.uniform(0.3, 3.0)
    return base * P.i_rheobase


def sure(counts: torch.Tensor, steps: int) -> bool:
    """Early stop of the papers: the largest softmax of the mean output over 2 passes a threshold."""
    return bool(torch.softmax(counts / steps / 2, 0).max() > SURE)


def stop_of_twin(currents: np.ndarray, fit: LifFit) -> int:
    edges = torch.arange(STEPS, dtype=torch.float64) * STEP
    spikes = [train(fit, edges, torch.from_numpy(row), STEPS * STEP, P.v_reset).times for row in currents]
    for step in range(1, STEPS + 1):
        counts = torch.tensor([float((times <= step * STEP).sum()) for times in spikes])
        if sure(counts, step):
            return step
    return STEPS


def stop_of_circuit(currents: np.ndarray, *, whole: bool = False) -> tuple[int, float]:
    """The step at which the controller stops ngspice, and the share of the time that saves; `whole` lets it run on."""
    elements: list[Element] = [V("dd", "vdd", "0", P.v_dd)]
    for k in range(CLASSES):
        source, neuron, rest = lif.neuron(P, str(k), float(currents[k, 0]))
        elements += [source, replace(neuron, nodes=(*neuron.nodes[:2], "vdd")), rest]
    netlist = Netlist("early stop", tuple(elements), tuple(f"v(out{k})" for k in range(CLASSES)), (lif.build(P),))
    analysis = Tran(stop=STEPS * STEP, max_step=P.tau / 300, options=Options(method="gear", reltol=1e-4))
    counts, step = torch.zeros(CLASSES), 0

    def controller(time: float, stretch: Stretch) -> Mapping[str, float] | Stop:
        nonlocal step
        step += 1
        for k in range(CLASSES):
            high = stretch.waves[f"v(out{k})"] > P.v_dd / 2
            counts[k] += sum(after and not before for before, after in pairwise(high))
        return (
            STOP
            if (sure(counts, step) and not whole) or step == STEPS
            else {f"Iin{k}": currents[k, step] for k in range(CLASSES)}
        )

    result = cosimulate(netlist, analysis, controller, every=STEP)
    return step, result.saved


def test_early_stop_ends_ngspice_where_the_twin_stops() -> None:
    fit = LifFit(**load("lif").fit)
    samples = range(5)
    twin = [stop_of_twin(evidence(sample), fit) for sample in samples]
    assert len(set(twin)) > 1 and min(twin) < STEPS
    circuit = [stop_of_circuit(evidence(sample)) for sample in samples]
    assert [step for step, _ in circuit] == twin
    assert [saved for _, saved in circuit] == pytest.approx([1 - step / STEPS for step in twin], abs=1e-6)


RC = Netlist("rc", (V("in", "a", "0"), R("1", "a", "out", 1e3), C("1", "out", "0", 1e-6)), ("v(out)",))


def test_a_two_point_controller_acts_on_crossings(ngspice: Engine) -> None:
    low, high = Crossing("v(out)", 0.3, rising=False), Crossing("v(out)", 0.7)
    netlist = replay(RC, [(1e-4, {"Vin": 0.0})], 1e-6)
    assert netlist.elements[1:] == RC.elements[1:]

    def controller(time: float, stretch: Stretch) -> Mapping[str, float] | None:
        if time < 1.5e-4 or low in stretch.crossed:
            return {"Vin": 1.0}
        return {"Vin": 0.0} if high in stretch.crossed else None

    step = 1e-5
    result = cosimulate(RC, Tran(stop=8e-3, max_step=step), controller, every=1e-4, crossings=[low, high])
    late = result.waves["v(out)"][result.waves.time > 2e-3]
    # Beyond a level by at most what happens in two steps: 2 h · 0.7 / tau.
    assert 0.3 - 0.014 <= late.min() <= 0.3 and 0.7 <= late.max() <= 0.7 + 0.014
    switched = [time for time, _ in result.actions if time > 1e-3]
    # Between 0.3 and 0.7 towards 1 and back towards 0: tau ln(0.7/0.3), longer by the overshoots.
    assert np.diff(switched).mean() == pytest.approx(1e-3 * np.log(0.7 / 0.3), rel=0.06)


def test_the_example_of_the_page_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "lock_step.md").read_text()
    exec(compile(page.split("```python\n")[1].split("```")[0], "lock_step.md", "exec"), {})
    assert "17 exchanges, 16 actions, 79 % of the time not simulated" in capsys.readouterr().out


def test_what_is_missing_is_said() -> None:
    analysis = Tran(stop=1e-3, max_step=1e-5)
    with pytest.raises(ValueError, match="needs `every`"):
        cosimulate(RC, analysis, lambda time, stretch: None)
    with pytest.raises(ValueError, match="every must be a positive time"):
        cosimulate(RC, analysis, lambda time, stretch: None, every=0.0)
    with pytest.raises(ValueError, match=r"no source 'Vx' .* there are \['Vin'\]"):
        replay(RC, [(0.0, {"Vx": 1.0})], 1e-9)
    assert isinstance(replay(Netlist("i", (I("in", "0", "a"),), ("v(a)",)), [(0.5, {"Iin": 1.0})], 0.1).elements[0], I)
