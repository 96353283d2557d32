"""The sizes of the study. Fields are plain numbers, so that a run's config.json says all of it."""

from dataclasses import dataclass
from typing import Annotated

from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Count, One, Siemens, Volt, validate
from studies.prime.events import SPLITS


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run: events, network, training, early stop, circuits."""

    data: str = "nmnist"
    """"nmnist" (recordings, from MEMSPICE_DATA), a folder or zip of them, or "shipped": events made from the shipped
    Fashion-MNIST images."""
    train_recordings: Annotated[Count, NONNEGATIVE] = 1000
    """Recordings to train on; with "shipped" they are made from images."""
    test_recordings: Annotated[Count, POSITIVE] = 100
    generated: Annotated[Count, NONNEGATIVE] = 1000
    """Further training samples, made from MNIST images whose recordings are not used (data = "nmnist" only)."""
    generated_test: Annotated[Count, NONNEGATIVE] = 300
    """Test samples made from MNIST's test images, judged apart from the recordings."""
    steps: Annotated[Count, POSITIVE] = 10
    """Time steps (paper: 10)."""
    split: str = "time"
    """Slices of equal "time" or of equal "number" of events (paper: time for training)."""
    pool: Annotated[Count, POSITIVE] = 1
    """Pixels whose counts are added before the first layer, side of the square (paper: 1)."""
    channels: tuple[int, int] = (12, 64)
    """Outputs of the two convolutions (paper: 12 and 64)."""
    epochs: Annotated[Count, POSITIVE] = 14
    """Paper: 14."""
    sure_epochs: Annotated[Count, NONNEGATIVE] = 6
    """Last of them, in which the answer after every step is trained and not the last one alone, for the early stop; the
    learning rate starts again (ours; the paper's code defines a loss of each step, TET, but does not use it)."""
    batch: Annotated[Count, POSITIVE] = 32
    """Paper: 128."""
    rate: Annotated[One, POSITIVE] = 1e-3
    """Of Adam, cosine to 0 in both parts of the training (paper: 1e-3)."""
    decay: Annotated[One, NONNEGATIVE] = 5e-4
    """Weight decay (paper: 5e-4)."""
    density: Annotated[One, FRACTION] = 0.5
    """Share of a layer's weights that stay (paper: 0.5)."""
    weight_std: Annotated[Siemens, POSITIVE] = 6.352e-6
    """Spread of the difference of the two cells of a pair (paper's code: 6.352, in no unit)."""
    weight_unit: Annotated[Siemens, POSITIVE] = 100e-6
    """Difference that is a weight of 1 (paper's code: 1/0.01 in that unit)."""
    negative_slope: Annotated[One, POSITIVE] = 1.0
    """Of a negative membrane in each step (paper: 0.1; 1 is the linear membrane of the circuit)."""
    threshold: Annotated[One, POSITIVE] = 0.2
    """Of the neurons of both convolutions (paper: 0.2)."""
    retention: Annotated[One, FRACTION] = 0.2
    """Of a membrane per step (paper: 0.2)."""
    stop_at: Annotated[One, FRACTION] = 0.3
    """Largest probability above which inference ends (paper: 0.8; ours was chosen on training recordings and generated
    samples, as fewer samples give smaller outputs)."""
    temperature: Annotated[One, POSITIVE] = 2.0
    """Divides the mean output before the softmax (paper: 2)."""
    v_read: Annotated[Volt, POSITIVE] = 0.1
    """Word-line voltage of the largest input of a layer (ours)."""
    certified: Annotated[Count, NONNEGATIVE] = 20
    """Test samples of the certificate."""
    noises: tuple[float, ...] = (0.0, 0.02, 0.1, 0.2)
    """Relative read noises."""
    errors: tuple[float, ...] = (0.0, 1e-6, 4e-6)
    """Programming errors (S)."""
    spreads: tuple[float, ...] = (0.0, 0.1, 0.3)
    """Relative spreads of thresholds, and of membrane capacitors."""
    swept: Annotated[Count, POSITIVE] = 100
    """Test samples of each sweep, recordings first."""
    draws: Annotated[Count, POSITIVE] = 2
    """Draws of each sweep's statistics."""
    seed: Annotated[Count, NONNEGATIVE] = 0
    threads: Annotated[Count, POSITIVE] = 1
    """Threads of torch."""

    def __post_init__(self) -> None:
        validate(self)
        if self.split not in SPLITS:
            raise ValueError(f"Config.split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        if len(self.channels) != 2 or min(self.channels) < 1:
            raise ValueError(f"Config.channels must be two positive numbers, got {self.channels!r}")
        if not self.sure_epochs < self.epochs:
            raise ValueError(f"Config.sure_epochs must be below epochs ({self.epochs}), got {self.sure_epochs}")
        if self.pool not in (1, 2):
            raise ValueError(f"Config.pool must be 1 or 2, got {self.pool!r}")
