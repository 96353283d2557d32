"""From a retention per step to the components of the circuit that has it, and back.

The circuit is fed with one packet of charge per step: a current for the time `width`. At the end of each packet its
membrane is `volt` times that of the retention neuron, exactly: between two ends the membrane keeps exp(-step / tau).
"""

from dataclasses import dataclass, replace
from math import exp, expm1, log
from typing import Annotated

import numpy as np
from jaxtyping import Float

from cosim.layers.spiking.neuron import RetentionNeuron
from cosim.twins.lif import LifFit
from devicemodels.units import POSITIVE, Ampere, One, Second, Volt, validate
from netlists.lif import LifParams


@dataclass(frozen=True, kw_only=True)
class Realisation:
    """A circuit that does in every `step` what a retention neuron does."""

    params: LifParams
    step: Annotated[Second, POSITIVE]
    width: Annotated[Second, POSITIVE]
    """Length of a packet."""
    volt: Annotated[Volt, POSITIVE]
    """Membrane voltage per unit of the neuron's input."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.width <= self.params.t_refractory < self.step - self.width:
            raise ValueError(
                f"Realisation.params.t_refractory must be from width to step - width ({self.width!r} to "
                f"{self.step - self.width!r} s), so that a reset outlasts its packet and not its step, got "
                f"{self.params.t_refractory!r}"
            )

    @property
    def unit(self) -> Ampere:
        """Current of a packet per unit of input."""
        return self.volt / (self.params.r_leak * -expm1(-self.width / self.params.tau))

    @property
    def largest(self) -> One:
        """Input at which the current of a packet reaches what the reset can sink."""
        return self.params.i_max / self.unit

    def packets(
        self, x: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, " change"], Float[np.ndarray, " change"]]:
        """Times (s) of the changes, the first 0, and currents (A) from then on; one packet in the middle of each step.

        Raises ValueError for an input that the reset could not sink.
        """
        if np.max(x, initial=0.0) >= self.largest:
            raise ValueError(
                f"inputs must stay below Realisation.largest = {self.largest!r}, got {float(np.max(x))!r}; make the "
                "packets longer or lower LifParams.r_reset"
            )
        starts = (np.arange(len(x)) + 0.5) * self.step - self.width / 2
        times = np.stack([starts, starts + self.width], -1).ravel()
        levels = np.stack([self.unit * x, np.zeros(len(x))], -1).ravel()
        return np.concatenate([[0.0], times]), np.concatenate([[0.0], levels])


def realise(
    neuron: RetentionNeuron, step: Second, *, base: LifParams | None = None, width: Second = 40e-9
) -> Realisation:
    """The circuit with the membrane capacitor, threshold voltage and reset of `base` that has the neuron's retention.

    The leak is chosen: r_leak = step / (c ln(1 / retention)). Raises ValueError for what the circuit does not have:
    soft resets, a membrane that is not linear, and a retention of 0 or 1.
    """
    base = LifParams() if base is None else base
    if neuron.reset != "hard" or neuron.negative_slope != 1:
        raise ValueError(
            "the circuit resets hard and has a linear membrane, got "
            f"reset={neuron.reset!r}, negative_slope={neuron.negative_slope!r}"
        )
    if not 0 < neuron.retention < 1:
        raise ValueError(f"RetentionNeuron.retention must be between 0 and 1 for a leak, got {neuron.retention!r}")
    if base.v_reset != 0:
        raise ValueError(f"LifParams.v_reset must be 0, where the retention neuron resets to, got {base.v_reset!r}")
    params = replace(base, r_leak=step / base.c / log(1 / neuron.retention))
    return Realisation(params=params, step=step, width=width, volt=base.v_threshold / neuron.threshold)


def discretise(circuit: LifParams | LifFit, step: Second, *, volt: Volt = 1.0) -> RetentionNeuron:
    """The retention neuron of a circuit fed once per `step`, its input in units of `volt`."""
    if circuit.v_reset != 0:
        raise ValueError(f"v_reset must be 0, where the retention neuron resets to, got {circuit.v_reset!r}")
    return RetentionNeuron(retention=exp(-step / circuit.tau), threshold=circuit.v_threshold / volt)
