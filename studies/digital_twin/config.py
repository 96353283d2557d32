"""The sizes of the study. Fields are plain numbers, so that a run's config.json says all of it."""

from dataclasses import dataclass
from typing import Annotated, Any

from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Count, One, Second, validate
from studies.digital_twin.systems import WAVEFORMS

PARTS = ("memristor", "lorenz96")
MODELS = ("twin", "aware", "resnet", "lstm", "gru")
"""The analogue twin, the same trained with programming errors, and the discrete rivals."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run: what is twinned, training, noise and the circuits."""

    parts: tuple[str, ...] = PARTS
    models: tuple[str, ...] = MODELS
    trained_on: tuple[str, ...] = ("sine", "modulated")
    """Waveforms of the memristor that are trained on; the test has all four, at another amplitude."""
    amplitudes: tuple[float, ...] = (0.5, 1.0)
    """Volts of the training waveforms."""
    starts: tuple[float, ...] = (0.2, 0.4)
    """Initial states x of the training waveforms."""
    test_amplitude: Annotated[One, POSITIVE] = 0.8
    test_start: Annotated[One, FRACTION] = 0.3145
    length: Annotated[Second, POSITIVE] = 4.0
    """Of a memristor's trajectory: one period of the modulation."""
    memristor_hidden: Annotated[Count, POSITIVE] = 16
    memristor_iterations: Annotated[Count, POSITIVE] = 1200
    """Iterations on segments of 10 steps, then half as many on segments of 50."""
    n: Annotated[Count, POSITIVE] = 6
    """Variables of Lorenz96."""
    forcing: Annotated[One, POSITIVE] = 8.0
    trajectories: Annotated[Count, POSITIVE] = 40
    """Of Lorenz96 for training, each of 10 units of time; half as many for the test."""
    lorenz_hidden: Annotated[Count, POSITIVE] = 64
    lorenz_iterations: Annotated[Count, POSITIVE] = 6000
    """Iterations on segments of 4 steps, then half as many on segments of 20."""
    rival_share: Annotated[One, FRACTION] = 0.25
    """Iterations of the rivals over those of the twin, whose steps are many times cheaper."""
    dt: Annotated[One, POSITIVE] = 0.02
    """Sample time and step of the twin."""
    batch: Annotated[Count, POSITIVE] = 64
    rate: Annotated[One, POSITIVE] = 5e-3
    """Learning rate (Adam), cosine to 0."""
    noise: Annotated[One, NONNEGATIVE] = 0.05
    """Programming error over g_max that the aware twin is trained with."""
    clip: Annotated[One, POSITIVE] = 2.5
    """Largest weight of the aware twin in standard deviations of its layer."""
    limit: Annotated[One, POSITIVE] = 0.4
    """Error over the spread of the attractor at which a prediction ceases to be valid."""
    errors: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
    """Programming errors over g_max."""
    read_noises: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1)
    """Relative read noises, drawn anew every `hold` steps."""
    hold: Annotated[Count, POSITIVE] = 5
    draws: Annotated[Count, POSITIVE] = 5
    """Writings of every network."""
    circuit_length: Annotated[One, NONNEGATIVE] = 2.0
    """Units of time of the memristor's closed loop in the simulator, on each unseen waveform; 0 for none."""
    lorenz_circuit_length: Annotated[One, NONNEGATIVE] = 1.0
    """The same of Lorenz96."""
    seed: Annotated[Count, NONNEGATIVE] = 0
    threads: Annotated[Count, POSITIVE] = 1

    def __post_init__(self) -> None:
        validate(self)
        for name, known in (("parts", PARTS), ("models", MODELS), ("trained_on", WAVEFORMS)):
            chosen = getattr(self, name)
            if not chosen or set(chosen) - set(known):
                raise ValueError(f"Config.{name} must name some of {', '.join(known)}, got {chosen!r}")
        if "twin" not in self.models:
            raise ValueError(f"Config.models must have twin, which goes into the circuit, got {self.models!r}")
        if self.circuit_length > self.length:
            raise ValueError(f"Config.circuit_length must be at most length, got {self.circuit_length!r}")

    @staticmethod
    def of(saved: dict[str, Any]) -> "Config":
        """The configuration that config.json has."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()
        }
        return Config(**values)
