"""Neurons as circuits: random spike trains in ngspice against the twin, and retention neurons realised."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cosim.engines import ENGINES
from cosim.layers.spiking import CircuitNeuron, LifLayer, RetentionNeuron, discretise, realise, scan
from cosim.twins.lif import LifFit, spike_times, transient
from cosim.twins.lif.calibration import rising_edges
from netlists import lif
from netlists.lif import LifParams
from netlists.stimuli import held

NEURON = CircuitNeuron(conductance=0.25e-6, step=1e-6)
ENGINE = ENGINES["ngspice"](timeout=60.0)


def spike_trains(neurons: int, steps: int, seed: int, sources: int = 20, rate: float = 0.15) -> torch.Tensor:
    """Random spikes of sources, each through its own random conductance into every neuron: [time, neuron]."""
    generator = np.random.default_rng(seed)
    spikes = generator.random((steps, sources)) < rate
    return torch.from_numpy(spikes @ generator.uniform(0, 1, (sources, neurons)))


def test_fifty_neurons_in_ngspice_fire_as_their_twins_do():
    runs = LifLayer(NEURON, fidelity="spice", engine=ENGINE).simulate(spike_trains(50, 100, 0))
    same = [run for run in runs if run.same_count()]
    assert len(runs) == 50 and len(same) >= 0.99 * len(runs)
    assert sum(len(run.circuit) for run in runs) > 300
    # Spike times within 1 %, and even the intervals, the first from the start.
    assert max(np.abs(run.time_errors()).max(initial=0.0) for run in same) < 0.01
    assert max(np.abs(run.interval_errors()).max(initial=0.0) for run in same) < 0.01


def test_a_threshold_off_by_a_hundredth_would_be_seen():
    twin = NEURON.twin()
    wrong = replace(NEURON, fit=replace(twin.fit, v_threshold=1.01 * twin.fit.v_threshold))
    runs = LifLayer(wrong, fidelity="spice", engine=ENGINE).simulate(spike_trains(3, 100, 0))
    errors = [np.abs(run.time_errors()).max() if run.same_count() else np.inf for run in runs]
    assert max(errors) > 0.01


def test_chosen_neurons_are_simulated_and_the_others_are_the_twins():
    x = spike_trains(4, 60, 1).reshape(60, 2, 2)
    twin = LifLayer(NEURON, fidelity="twin")
    # A fit that is plainly wrong shows whose spikes are whose.
    slow = replace(NEURON, fit=replace(NEURON.twin().fit, v_threshold=0.3))
    mixed = LifLayer(slow, fidelity="spice", engine=ENGINE, neurons=[1])
    spikes = mixed(x)
    assert torch.equal(spikes[..., 0], LifLayer(slow, fidelity="twin")(x)[..., 0])
    assert torch.equal(spikes[..., 1], twin(x)[..., 1])
    assert not torch.equal(twin(x)[..., 0], spikes[..., 0])
    assert set(mixed.netlist(x)) == {(0, 1), (1, 1)}
    assert {run.digest for run in mixed.simulate(x)} == {job[0].digest for job in mixed.netlist(x).values()}


def test_gradients_at_the_fidelity_spice_are_the_twins():
    x, found = spike_trains(2, 40, 2), []
    for fidelity in ("twin", "spice"):
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        LifLayer(NEURON, fidelity=fidelity, engine=ENGINE)(scale * x).sum().backward()
        found.append(scale.grad)
    assert torch.equal(found[0], found[1]) and found[0] != 0


def test_spike_times_between_events_do_not_depend_on_the_step():
    x = spike_trains(3, 40, 3)
    fine = LifLayer(replace(NEURON, step=NEURON.step / 4), fidelity="twin")
    times, finer = LifLayer(NEURON, fidelity="twin").spike_times(x), fine.spike_times(x.repeat_interleave(4, 0))
    for index in times:
        np.testing.assert_allclose(finer[index], times[index], rtol=0, atol=1e-15)
    assert sum(map(len, times.values())) > 10
    steps = LifLayer(NEURON, fidelity="twin")(x)
    delay = NEURON.twin().fit.delay
    for (k,), found in times.items():
        assert steps[:, k].nonzero().flatten().tolist() == np.floor((found - delay) / NEURON.step).astype(int).tolist()


def test_a_state_goes_on_and_ideal_is_the_circuit_as_drawn():
    x, layer = spike_trains(3, 40, 4), LifLayer(NEURON)
    whole, first = layer.run(x), layer.run(x[:15])
    second = layer.run(x[15:], first[1])
    assert torch.equal(torch.cat([first[0], second[0]]), whole[0])
    assert layer.twin.fit == LifFit.ideal(NEURON.params)


@pytest.mark.parametrize(("retention", "step"), [(0.2, 10e-6), (0.25, 4e-6), (0.9, 2e-6)])
def test_a_retention_is_realised_by_the_components_of_the_circuit(retention, step):
    neuron = RetentionNeuron(retention=retention, threshold=0.5)
    made = realise(neuron, step)
    assert np.exp(-step / (made.params.r_leak * made.params.c)) == pytest.approx(retention, rel=1e-12)
    x = np.random.default_rng(0).uniform(-0.1, 0.7 - 0.4 * retention, 40)
    wanted = scan(torch.from_numpy(x), neuron).spikes.numpy()
    assert 4 < wanted.sum() < 36
    times, levels = made.packets(x)
    netlist = lif.testbench(made.params, held(levels.tolist(), times.tolist(), 1e-9))
    waves = ENGINE.run(netlist, transient(made.params, step * len(x)))
    found = np.floor(rising_edges(waves, "v(out)", made.params.v_dd / 2) / step).astype(int)
    assert found.tolist() == np.flatnonzero(wanted).tolist()
    # The membrane at the end of a packet is the neuron's, to the accuracy of the solver: 0.5 % of the threshold.
    u, ends = 0.0, []
    for one, fired in zip(x, wanted, strict=True):
        u = retention * u + one
        ends.append(np.nan if fired else u)
        u = 0.0 if fired else u
    seen = waves.at("v(m)", (np.arange(len(x)) + 0.5) * step + made.width / 2 + 1e-9) / made.volt
    quiet = ~np.isnan(ends)
    assert np.abs(seen - ends)[quiet].max() < 0.005 * neuron.threshold


def test_the_equations_realise_it_exactly_and_the_way_back_is_the_neuron():
    neuron = RetentionNeuron(retention=0.2, threshold=0.5)
    made = realise(neuron, 10e-6)
    back = discretise(made.params, made.step, volt=made.volt)
    assert back.retention == pytest.approx(0.2, rel=1e-12) and back.threshold == pytest.approx(0.5, rel=1e-12)
    assert made.params.r_leak == pytest.approx(LifParams().r_leak, rel=1e-12)
    x = np.random.default_rng(1).uniform(0, 0.6, 200)
    times, levels = (torch.from_numpy(values) for values in made.packets(x))
    spikes = spike_times(LifFit.ideal(made.params), times, levels, made.step * len(x)).numpy()
    wanted = scan(torch.from_numpy(x), neuron).spikes.nonzero().flatten().tolist()
    assert np.floor(spikes / made.step).astype(int).tolist() == wanted


def test_what_circuits_cannot_do_is_said():
    neuron = RetentionNeuron(retention=0.2, threshold=0.5)
    with pytest.raises(ValueError, match="resets hard and has a linear membrane, got reset='soft'"):
        realise(replace(neuron, reset="soft"), 1e-5)
    with pytest.raises(ValueError, match=r"between 0 and 1 for a leak, got 0.0"):
        realise(replace(neuron, retention=0.0), 1e-5)
    with pytest.raises(ValueError, match=r"t_refractory must be from width to step - width .* got 2e-07"):
        realise(neuron, 1e-5, width=1e-6)
    with pytest.raises(ValueError, match=r"below Realisation.largest = .*, got 100.0; make the packets longer"):
        realise(neuron, 1e-5).packets(np.array([100.0]))
    with pytest.raises(ValueError, match=r"CircuitNeuron.params differs .* c = 2e-12 \(calibrated: 1e-12\)"):
        LifLayer(replace(NEURON, params=LifParams(c=2e-12)), fidelity="twin")(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="needs an engine, got None"):
        LifLayer(NEURON, fidelity="spice")(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"neurons must be from 0 to 1 for these inputs, got \[2\]"):
        LifLayer(NEURON, fidelity="spice", engine=ENGINE, neurons=[2])(torch.zeros(3, 2))
    long = LifLayer(replace(NEURON, step=20e-6, conductance=4e-6), fidelity="spice", engine=ENGINE)
    with pytest.raises(ValueError, match=r"one spike in each, got 2e-05 s, in which neuron \(0,\) .* fires \d+ times"):
        long(torch.ones(1, 1, dtype=torch.float64))
