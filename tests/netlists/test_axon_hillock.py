"""The axon-hillock neuron against the equations of its docstring, and its energy against the record."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cosim.calibration import load
from cosim.circuits import CIRCUITS
from cosim.engines import Engine, Options, Tran
from cosim.twins.base import supplied
from cosim.twins.lif import spike_energy
from cosim.twins.lif.calibration import rising_edges
from cosim.waveforms import Waveforms
from netlists import axon_hillock, lif
from netlists.axon_hillock import AxonHillockParams
from netlists.external import replaced
from netlists.stimuli import held

P = AxonHillockParams()
Q = axon_hillock.nominal(P)


def fired(engine: Engine, i: float, stop: float) -> Waveforms:
    bench = replace(Q, r_reset=Q.r_reset / 3)  # which refuses no current up to 3 i_pulse
    netlist = replaced(lif.testbench(bench, held((0.0, i), (0.0, 50e-9), 1e-9)), axon_hillock.build(P))
    return engine.run(netlist, Tran(stop=stop, max_step=5e-9, options=Options(method="gear", reltol=1e-4)))


def test_neuron_charges_fires_and_resets_as_its_equations_say(ngspice: Engine) -> None:
    i = 300e-9
    waves = fired(ngspice, i, 6e-6)
    spikes = rising_edges(waves, "v(out)", P.v_dd / 2)
    charge = P.r_leak * P.c * np.log((i * P.r_leak - Q.v_reset) / (i * P.r_leak - Q.v_threshold))
    expected = charge + P.c * P.jump / (P.i_pulse - i)
    # Square-law currents without channel-length modulation and a constant gate capacitance: some per cent.
    assert np.diff(spikes) == pytest.approx(expected, rel=0.05)
    after = waves.time > spikes[0]
    assert waves["v(m)"][after].min() == pytest.approx(Q.v_reset, abs=0.02 * P.jump)


def test_input_above_the_pulse_current_leaves_the_neuron_stuck(ngspice: Engine) -> None:
    assert len(rising_edges(fired(ngspice, 0.5 * P.i_pulse, 4e-6), "v(out)", P.v_dd / 2)) > 5
    stuck = fired(ngspice, 1.3 * P.i_pulse, 4e-6)
    assert len(rising_edges(stuck, "v(out)", P.v_dd / 2)) == 1 and stuck["v(out)"][-1] > 0.9 * P.v_dd


def test_energy_of_a_spike_at_another_current_is_that_of_the_record_within_five_percent(ngspice: Engine) -> None:
    i = 100e-9
    waves = fired(ngspice, i, 20e-6)
    spikes = rising_edges(waves, "v(out)", P.v_dd / 2)
    energy = supplied(waves, {"vdd": P.v_dd}, spikes[0], spikes[-1]) / (len(spikes) - 1)
    assert energy == pytest.approx(float(spike_energy(load("axon_hillock"), np.array(i))), rel=0.05)


def test_transistors_and_switches_have_the_same_ports_but_not_the_same_digest() -> None:
    mine, ours = CIRCUITS["axon_hillock"], CIRCUITS["lif"]
    assert mine.build(P).ports == ours.build(Q).ports
    assert mine.bench(P).digest != ours.bench(Q).digest


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"v_dd": 0.8}, r"AxonHillockParams.v_dd must be above both thresholds together \(0.9\), got 0.8"),
        ({"v_pulse": 0.4}, r"AxonHillockParams.v_pulse must be between the threshold \(0.45\) and v_dd, got 0.4"),
    ],
)
def test_bad_parameter_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AxonHillockParams(**change)
