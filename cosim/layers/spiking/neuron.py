"""The two forms of a spiking neuron: a retention per time step, and the circuit in continuous time."""

from dataclasses import dataclass, field
from typing import Annotated

from cosim.layers.records import record_of
from cosim.twins.lif import Lif, LifFit
from devicemodels.units import NONNEGATIVE, POSITIVE, Ampere, One, Second, Siemens, Volt, validate
from netlists.lif import LifParams

SHAPES = ("fast_sigmoid", "rectangle", "atan")
RESETS = ("hard", "soft")


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """What stands for the derivative of the spike by x = membrane − threshold.

    fast_sigmoid: 1 / (1 + slope |x|)² (Zenke and Ganguli 2018). rectangle: slope where |x| < 1 / (2 slope), else 0
    (Wu et al. 2018). atan: slope/2 / (1 + (π/2 slope x)²) (Fang et al. 2021).
    """

    shape: str = "fast_sigmoid"
    slope: Annotated[One, POSITIVE] = 5.0

    def __post_init__(self) -> None:
        validate(self)
        if self.shape not in SHAPES:
            raise ValueError(f"Surrogate.shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")


@dataclass(frozen=True, kw_only=True)
class RetentionNeuron:
    """The neuron of the spiking-network papers, all in units of its input i.

    u ← retention · u + i, times `negative_slope` where negative; a spike where u ≥ threshold, which then resets u:
    to 0 (hard) or by the threshold (soft).
    """

    retention: Annotated[One, NONNEGATIVE]
    """Share of the membrane that is left after one step; at most 1."""
    threshold: Annotated[One, POSITIVE]
    reset: str = "hard"
    negative_slope: Annotated[One, POSITIVE] = 1.0
    """What a negative membrane is multiplied by in every step; 1 is a linear membrane."""
    surrogate: Surrogate = field(default_factory=Surrogate)
    detach_reset: bool = False
    """Leave the reset out of the gradient."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.retention <= 1:
            raise ValueError(f"RetentionNeuron.retention must be at most 1, got {self.retention!r}")
        if self.reset not in RESETS:
            raise ValueError(f"RetentionNeuron.reset must be one of {', '.join(RESETS)}, got {self.reset!r}")


PRIME_CONV = RetentionNeuron(
    retention=0.2, threshold=0.2, negative_slope=0.1, surrogate=Surrogate(shape="rectangle", slope=1.0)
)
"""Convolutional layers of "PRIME" (random memristor networks with early stop), from the code its authors published."""

PRIME_LINEAR = RetentionNeuron(
    retention=0.2, threshold=0.5, negative_slope=0.1, surrogate=Surrogate(shape="rectangle", slope=1.0)
)
"""Hidden linear layers of the same."""


@dataclass(frozen=True, kw_only=True)
class CircuitNeuron:
    """The circuit of netlists/lif.py, its input current held in steps: i = x · v_read · conductance for an input x."""

    conductance: Annotated[Siemens, POSITIVE]
    """Conductance that one unit of input stands for; the current flows into the membrane as from a mirror."""
    step: Annotated[Second, POSITIVE]
    """Length of a time step. Spikes are placed exactly inside, so it decides nothing but when the input changes."""
    v_read: Annotated[Volt, POSITIVE] = 0.1
    params: LifParams = field(default_factory=LifParams)
    fit: LifFit | None = None
    """Calibration of `params`; None is that of the shipped record."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.step > self.params.tau / 1000:
            raise ValueError(
                f"CircuitNeuron.step must be above a thousandth of the membrane's time constant "
                f"({self.params.tau / 1000!r} s), got {self.step!r}"
            )

    @property
    def unit(self) -> Ampere:
        """Input current per unit of input."""
        return self.v_read * self.conductance

    def twin(self) -> Lif:
        """The calibrated neuron; ValueError when neither `fit` nor the shipped record is of these parameters."""
        if self.fit is not None:
            return Lif(self.params, self.fit)
        return Lif.from_record(self.params, record_of("lif", self.params, "CircuitNeuron.params"))
