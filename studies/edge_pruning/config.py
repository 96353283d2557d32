"""The sizes of the study. Fields are plain numbers, so that a run's config.json says all of it."""

from dataclasses import dataclass
from typing import Annotated

from cosim.hardware import TAOX_40NM
from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Count, Ohm, One, Siemens, validate


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run: data, training, hardware and what is evaluated."""

    data: str = "shipped"
    """"shipped" (the subset), "whole" (all 60,000, wherever installed) or a folder."""
    train_images: Annotated[Count, POSITIVE] = 6000
    test_images: Annotated[Count, POSITIVE] = 1000
    validation: Annotated[Count, POSITIVE] = 500
    """Last training images, never trained on: their accuracy lowers the hysteresis (paper: the test images)."""
    networks: tuple[str, ...] = ("mlp", "cnn")
    epochs_mlp: Annotated[Count, POSITIVE] = 20
    epochs_cnn: Annotated[Count, POSITIVE] = 8
    hidden: Annotated[Count, POSITIVE] = 64
    """Hidden units of the MLP."""
    batch: Annotated[Count, POSITIVE] = 60
    """Paper: 60."""
    rate: Annotated[One, POSITIVE] = 0.1
    """Learning rate of the scores, cosine to 0 (paper: 0.1)."""
    weight_rate: Annotated[One, POSITIVE] = 0.02
    """Learning rate of the arms that train weights, cosine to 0 (ours)."""
    momentum: Annotated[One, FRACTION] = 0.9
    """Paper: 0.9."""
    decay: Annotated[One, NONNEGATIVE] = 5e-4
    """Weight decay (paper: 5e-4)."""
    density: Annotated[One, FRACTION] = 0.5
    """Share of the edges of a layer that stay (paper: 0.5)."""
    hysteresis_start: Annotated[One, NONNEGATIVE] = 3e-4
    """Least step of a |score| that flips its bit (ours; the paper's 0.01 would freeze the mask at our gradients)."""
    hysteresis_stop: Annotated[One, NONNEGATIVE] = 2e-4
    """The same after all decrements (paper: 0.007, the same ratio to the start)."""
    hysteresis_decrements: Annotated[Count, NONNEGATIVE] = 15
    """Paper's CNN: 15."""
    rewrite_noise: Annotated[One, NONNEGATIVE] = 0.0015
    """Relative error of a flipped cell (an early version of the paper's code: 0.15 %)."""
    bits: Annotated[Count, POSITIVE] = 4
    """Bits of an activation (paper: 4)."""
    write_error: Annotated[Siemens, NONNEGATIVE] = TAOX_40NM.forming.std if TAOX_40NM.forming else 0.0
    """Error of one pulse without verification: the spread of formed cells."""
    clip: Annotated[One, POSITIVE] = 2.0
    """Largest weight that is written once, in deviations of its layer (ours: near its best at an unverified write)."""
    errors: tuple[float, ...] = (0.0, 0.5e-6, 1e-6, 2e-6, 3.5e-6, 5.323e-6, 8e-6)
    """Programming errors (S) at which the once-written network is evaluated."""
    noises: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
    """Relative read noises."""
    lines: tuple[float, ...] = (0.0, 1.0, 2.0, 5.0, 10.0)
    """Line resistances per cell (Ω)."""
    frames: Annotated[Count, POSITIVE] = 5
    """Reads of the whole array, each with its own share of the test images; programming errors are drawn as often."""
    tile: Annotated[Count, POSITIVE] = 64
    """Word lines and bit lines of a tile."""
    r_line: Annotated[Ohm, NONNEGATIVE] = 2.0
    """Line resistance per cell of the headline and of the certificate."""
    read_noise: Annotated[One, NONNEGATIVE] = 0.02
    """Read noise of the headline and of the certificate."""
    adc_bits: Annotated[Count, POSITIVE] = 14
    headline_cnn: Annotated[Count, POSITIVE] = 500
    """Test images of the CNN's headline, where every patch is read bit by bit."""
    certify_mlp: Annotated[Count, NONNEGATIVE] = 100
    """Test images through every layer of the MLP in the circuit simulator."""
    certify_cnn: Annotated[Count, NONNEGATIVE] = 0
    seed: Annotated[Count, NONNEGATIVE] = 0
    threads: Annotated[Count, POSITIVE] = 1
    """Threads of torch; sums depend on it in the last bit. Layers this small gain little from a second one."""

    def __post_init__(self) -> None:
        validate(self)
        if not self.networks or set(self.networks) - {"mlp", "cnn"}:
            raise ValueError(f"Config.networks must name mlp, cnn or both, got {self.networks!r}")
        if not self.validation + self.batch <= self.train_images:
            raise ValueError(
                f"Config.train_images must leave a batch of {self.batch} beside {self.validation} for validation, "
                f"got {self.train_images}"
            )
        if self.test_images % self.frames:
            raise ValueError(f"Config.frames must divide test_images ({self.test_images}), got {self.frames}")

    def epochs(self, network: str) -> int:
        return {"mlp": self.epochs_mlp, "cnn": self.epochs_cnn}[network]
