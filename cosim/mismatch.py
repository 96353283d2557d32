"""What varies from one made circuit to the next, by default: `MISMATCH[circuit]`, with the reasons.

The values are of the size that a process of 180 nm or a data sheet has, not those of one process: a user who knows his
gives them. Resistors and capacitors of one chip match to 0.1 %, but from chip to chip they differ by 5 to 10 %; these
sets are of one circuit among others on the same chip, with small devices, so between the two. Threshold voltages differ
by A_vt / sqrt(w l) with A_vt of about 4 mV µm, gains by 1 % µm.
"""

from cosim.spread import Mismatch
from cosim.sweeps.variation import Lognormal, Normal, Shift

RESISTOR, CAPACITOR = Normal(sigma=0.01), Normal(sigma=0.005)
"""Poly resistors and metal capacitors of some µm²."""
SPEED = Normal(sigma=0.05)
"""Gain-bandwidth product and slew rate: a bias current over a capacitor."""
OFFSET = Shift(sigma=2e-3)
"""V. An input pair of 4 µm²; also the largest offset in the data sheet of OPA4322."""
GAIN = Lognormal(sigma=0.2)
"""Open-loop gain: two output resistances, each loosely controlled."""

AMPLIFIER: dict[str, Mismatch] = {"gbw": SPEED, "slew": SPEED, "v_offset": OFFSET, "a0": GAIN}

MISMATCH: dict[str, dict[str, Mismatch]] = {
    "opamp": AMPLIFIER,
    "tia": {"r_f": RESISTOR} | {f"opamp.{name}": variation for name, variation in AMPLIFIER.items()},
    # Integrators of a solver are zeroed: 2 mV would move the output by a supply in one leak of the bench.
    "integrator": {"r": RESISTOR, "c": CAPACITOR}
    | {f"opamp.{name}": variation for name, variation in AMPLIFIER.items()}
    | {"opamp.v_offset": Shift(sigma=0.2e-3)},
    # The threshold is a comparator's, of about 2 µm². The leak is a transistor, not a resistor.
    "lif": {
        "c": CAPACITOR,
        "r_leak": Normal(sigma=0.02),
        "v_threshold": Shift(sigma=3e-3),
        "c_refractory": Normal(sigma=0.02),
        "r_reset": Normal(sigma=0.05),
    },
    "relu": {"r_in": RESISTOR, "r_f": RESISTOR, "opamp.v_offset": OFFSET, "opamp.gbw": SPEED},
    # All transistors of a polarity together: how one amplifier, or one neuron, differs from the next in its process.
    "opamp_cmos": {
        "nmos.vto": Shift(sigma=5e-3),
        "pmos.vto": Shift(sigma=5e-3),
        "nmos.kp": Normal(sigma=0.02),
        "pmos.kp": Normal(sigma=0.02),
        "c_c": CAPACITOR,
    },
    "axon_hillock": {
        "nmos.vto": Shift(sigma=5e-3),
        "pmos.vto": Shift(sigma=5e-3),
        "c_m": CAPACITOR,
        "c_f": CAPACITOR,
        "r_leak": Normal(sigma=0.05),
    },
    "multiplier": {"core.scale": Normal(sigma=2.5e-3), "w_offset": Shift(sigma=5e-3), "bandwidth": SPEED},
}
"""Default mismatch by circuit. Circuits of many equal parts (adc, dac, shift_add, encoder, tcam) draw theirs from a
sigma and a seed of their own."""
