r"""The circuits of the classifier: synapses, neurons, output integrators, and the values that realise the network.

    convolution:    x_i·v_unit ──[g⁺]── p ── TIA ── q ──┐
                             └───[g⁻]── n ── TIA ── o ──┴── gm (o − q) ──► membrane of the LIF neuron
                                               ┌─ r_f ─ o
    output layer:   x_i·v_unit ──[g⁺]── p ─────┴─ TIA ─ q ── r ──► integrator,   q = −r_f (i⁺ − i⁻)
                             └───[g⁻]── n ── TIA ── o

Every input is a packet: the word line is at x·v_unit for WIDTH in the middle of each step. The neuron's leak is chosen
so that a membrane keeps the retention of the network over one step, and the transconductance gm (a differential pair,
ideal here) so that one unit of the network's input moves the membrane by `volt`. Both amplifiers of a neuron settle
alike, so the current that their columns share reaches no membrane; an integrator does not mind when it comes and goes.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from cosim.layers.spiking import Realisation, realise
from cosim.twins.integrator import IntegratorFit
from cosim.twins.lif import LifFit
from devicemodels.units import Ohm, One, Second, Siemens, Volt
from netlists import crossbar, integrator, lif, opamp, tia
from netlists.crossbar import CrossbarParams
from netlists.integrator import IntegratorParams
from netlists.lif import LifParams
from netlists.opamp import CMOS_180NM, OpampParams
from netlists.spice import Element, I, Ic, Netlist, Pwl, R, Subckt, V, Vccs, X
from netlists.stimuli import held
from netlists.tia import TiaParams
from studies.prime.config import Config
from studies.prime.network import neuron_of

STEP: Second = 2e-6
"""Length of a time step."""
WIDTH: Second = 300e-9
"""Length of a packet."""
EDGE: Second = 10e-9
"""Rise and fall of a word line."""
LEAD = 2
"""Steps before the first packet, in which the output integrators are set to 0."""
AMPLIFIER: OpampParams = replace(CMOS_180NM, r_out=50.0)
"""Of every column: CMOS_180NM with an output stage that can sink a column's current (ours)."""
MEMBRANE = LifParams(c=1e-12, v_threshold=0.1, v_rearm=0.02, r_reset=800.0, t_refractory=600e-9, r_fire=2e3)
"""Capacitor, threshold and reset of the neurons; the leak follows from the retention. The output is charged (0.2 ns)
before the membrane is reset (0.8 ns), or the pulse would be low and the hold too short."""
R_F: dict[str, Ohm] = {"conv1": 5e3, "linear": 500.0}
"""Feedback resistors: a column's common current stays well inside the rails."""
COUNTS = 10
"""Events of a pixel in one step that drive its word line fully; more are cut off."""
PER_UNIT: Volt = 20e-3
"""Output of an integrator for a sum U of 1."""


def realisation(config: Config) -> Realisation:
    """The neuron circuit of the convolutions; ValueError for a membrane that the circuit does not have."""
    return realise(neuron_of(config), STEP, base=MEMBRANE, width=WIDTH)


def v_unit(layer: str, config: Config) -> Volt:
    """Word-line voltage of an input of 1: of one event, or of a spike of all pooled neurons."""
    return config.v_read / COUNTS if layer == "conv1" else config.v_read


def membrane_gain(fit: LifFit, found: Realisation) -> One:
    """What a calibrated neuron makes of a packet, over what the realisation asks of it."""
    return found.unit * fit.r * -np.expm1(-found.width / fit.tau) / found.volt


def transconductance(config: Config, found: Realisation) -> Siemens:
    """gm of the first layer: an input of 1 drives v_unit·weight_unit·r_f volts and must give `unit` amperes."""
    return found.unit / (v_unit("conv1", config) * config.weight_unit * R_F["conv1"])


def integrator_params(config: Config) -> IntegratorParams:
    """The output integrator: PER_UNIT for a packet of a sum of 1."""
    volts = v_unit("linear", config) * config.weight_unit * R_F["linear"]
    r = 20e3
    return IntegratorParams(r=r, c=volts * WIDTH / (r * PER_UNIT), opamp=AMPLIFIER)


def packets(levels: Float[np.ndarray, " time"], *, lead: int = 0) -> Pwl:
    """A stimulus of one packet in the middle of each step, after `lead` empty steps; its area is level times WIDTH."""
    starts = (lead + np.arange(len(levels)) + 0.5) * STEP - WIDTH / 2
    times = np.stack([starts, starts + WIDTH], -1).ravel()
    values = np.stack([levels, np.zeros(len(levels))], -1).ravel()
    return held([0.0, *values.tolist()], [0.0, *times.tolist()], EDGE)


def neurons(x: Float[np.ndarray, "time row"], g: Float[np.ndarray, "row col 2"], config: Config) -> Netlist:
    """First-layer neurons of one position: all cells, amplifiers and neurons, driven by the inputs `x` (counts).

    Probes v(m<k>) and v(out<k>) of each neuron, and the currents of the amplifiers' rails and the neurons' supply.
    """
    found = realisation(config)
    gm, unit = transconductance(config, found), v_unit("conv1", config)
    rows, count = g.shape[:2]
    array = crossbar.build(CrossbarParams(r_wl=0.0, r_bl=0.0), g.reshape(rows, 2 * count))
    drive = [V(f"in{i}", f"in{i}", "0", 0.0, packets(x[:, i].clip(max=COUNTS) * unit)) for i in range(rows)]
    elements: list[Element] = [*opamp.supplies(AMPLIFIER), V("dd", "vdd", "0", found.params.v_dd), *drive]
    lines = tuple(f"{side}{k}" for k in range(count) for side in ("p", "n"))
    elements.append(X("array", (*(f"in{i}" for i in range(rows)), *lines), array.name))
    for k in range(count):
        elements += [
            *_amplifiers(k),
            Vccs(f"m{k}", "0", f"m{k}", f"o{k}", f"q{k}", gm),
            X(f"lif{k}", (f"m{k}", f"out{k}", "vdd"), "lif"),
            Ic({f"m{k}": 0.0, f"out{k}": 0.0}),
        ]
    probes = [f"v({node}{k})" for k in range(count) for node in ("m", "out")]
    subckts = (array, lif.build(found.params), _amplifier(R_F["conv1"]))
    return Netlist("prime: neurons of one position", tuple(elements), (*probes, *RAILS, "i(vdd)"), subckts)


RAILS = ("i(vhigh)", "i(vlow)")


def outputs(currents: Float[np.ndarray, "time col 2"], g: Float[np.ndarray, "row col 2"], config: Config) -> Netlist:
    """The output layer: amplifiers and integrators of all classes at columns of the cells `g` (S).

    Without line resistance a column whose word lines are driven is a current source, `currents` (A), beside the sum
    of its cells, exactly; so they stand in the netlist. Probes v(u<k>), the integrators, and the rails' currents.
    """
    p = integrator_params(config)
    load = Pwl(((0.0, 1.0), (p.t_load, 1.0), (p.t_load + EDGE, 0.0)))
    elements: list[Element] = [*opamp.supplies(AMPLIFIER), V("load", "load", "0", 1.0, load)]
    for k in range(g.shape[1]):
        for side, node in enumerate(("p", "n")):
            wave = packets(currents[:, k, side], lead=LEAD)
            elements += [I(f"{node}{k}", "0", f"{node}{k}", 0.0, wave)]
            elements += [R(f"{node}{k}", f"{node}{k}", "0", 1 / float(g[:, k, side].sum()))]
        elements += [*_amplifiers(k), R(f"cross{k}", f"o{k}", f"p{k}", R_F["linear"])]
        elements.append(X(f"sum{k}", (f"q{k}", f"u{k}", "0", "load", "vp", "vm"), "integrator"))
    probes = tuple(f"v(u{k})" for k in range(g.shape[1]))
    subckts = (_amplifier(R_F["linear"]), integrator.build(p))
    return Netlist("prime: output layer", tuple(elements), (*probes, *RAILS), subckts)


def column_gains(positive: Siemens, negative: Siemens) -> tuple[Ohm, Ohm]:
    """What the amplifiers of an output, whose gain is finite, make of i⁺ and i⁻: q = −(first·i⁺ − second·i⁻)."""
    r_f = R_F["linear"]
    # The second amplifier also drives the resistor to the first: two loads at its r_out.
    low = _closed(r_f, negative, loads=2)
    high = _closed(r_f, positive + 1 / r_f, loads=1)
    return r_f * high, r_f * high * low


def _closed(r_f: Ohm, g: Siemens, *, loads: int) -> One:
    """Closed-loop gain over r_f of an amplifier with the conductance g at its input."""
    a0 = AMPLIFIER.a0 / (1 + loads * AMPLIFIER.r_out / r_f)
    return 1 / (1 + (1 + r_f * g) / a0)


def output_twin(
    currents: Float[np.ndarray, "time col 2"],
    g: Float[np.ndarray, "row col 2"],
    fit: IntegratorFit,
    config: Config,
) -> Float[np.ndarray, "time col"]:
    """Voltages of the calibrated integrators at the end of each step, with the amplifiers' finite gains."""
    p = integrator_params(config)
    sums = g.sum(0)
    gains = np.array([column_gains(*pair) for pair in sums.tolist()])
    volts = fit.gain * (currents * gains * [1, -1]).sum(-1) * WIDTH / p.tau
    offset = fit.gain * fit.v_offset * STEP / p.tau
    keep = np.exp(-STEP * fit.leak)
    u = np.zeros(len(sums))
    found = []
    for packet in volts:
        # The packet comes half a step before the end, so it leaks half as long.
        u = keep * u + np.sqrt(keep) * packet + offset
        found.append(u)
    return np.array(found)


def per_unit(fit: IntegratorFit) -> Volt:
    """Output of a calibrated integrator for a sum U of 1."""
    return fit.gain * PER_UNIT


def end(step: int) -> Second:
    """When the output of a step is looked at: the end of the step."""
    return (LEAD + step + 1) * STEP


def _amplifiers(k: int) -> list[Element]:
    return [X(f"{side}{k}", (f"{side}{k}", f"{out}{k}", "vp", "vm"), "tia") for side, out in (("p", "q"), ("n", "o"))]


def _amplifier(r_f: Ohm) -> Subckt:
    return tia.build(TiaParams(r_f=r_f, g_col=0.0, c_col=0.0, opamp=AMPLIFIER))
