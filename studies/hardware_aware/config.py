"""The sizes of the study. Fields are plain numbers, so that a run's config.json says all of it."""

from dataclasses import dataclass
from typing import Annotated, Any

from cosim.hardware import TAOX_40NM, Hardware
from devicemodels.statistics import ProgrammingError
from devicemodels.units import FRACTION, NONNEGATIVE, POSITIVE, Count, Ohm, One, validate
from netlists.crossbar import CrossbarParams


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run: data, networks, training and the hardware."""

    data: str = "shipped"
    """"shipped" (the subset), "whole" (all 60,000, wherever installed) or a folder."""
    train_images: Annotated[Count, POSITIVE] = 6000
    test_images: Annotated[Count, POSITIVE] = 1000
    networks: tuple[str, ...] = ("mlp", "cnn")
    hidden: Annotated[Count, POSITIVE] = 64
    """Hidden units of the MLP."""
    batch: Annotated[Count, POSITIVE] = 64
    software_epochs: Annotated[Count, POSITIVE] = 20
    """Epochs of plain training, where every arm starts."""
    epochs: Annotated[Count, POSITIVE] = 12
    """Epochs of every arm after that."""
    rate: Annotated[One, POSITIVE] = 2e-3
    """Learning rate of plain training, cosine to 0 (Adam)."""
    aware_rate: Annotated[One, POSITIVE] = 1e-3
    """The same of the arms after that."""
    clip: Annotated[One, POSITIVE] = 2.5
    """Largest weight in standard deviations of its layer, in the arms that clip."""
    errors: tuple[float, ...] = (0.02, 0.05, 0.1)
    """Programming errors, standard deviation over g_max."""
    bits: tuple[int, ...] = (6, 8)
    """Bits of both converters."""
    draws: Annotated[Count, POSITIVE] = 5
    """Times that each network is written and tested."""
    tile: Annotated[Count, POSITIVE] = 128
    """Word lines and bit lines of a tile."""
    r_line: Annotated[Ohm, NONNEGATIVE] = 2.0
    """Line resistance per cell."""
    cells: str = "sum"
    """Noise of training: a draw for "each" cell, or for the "sum" of an output (cosim/layers/noise.py)."""
    calibration: Annotated[Count, POSITIVE] = 500
    """Training images that set the ranges of the converters."""
    share: Annotated[One, FRACTION] = 0.999
    """Share of their values within range."""
    certify_mlp: Annotated[Count, NONNEGATIVE] = 100
    certify_cnn: Annotated[Count, NONNEGATIVE] = 10
    """Test images through every layer in the circuit simulator, at the middle error and the last bits."""
    seed: Annotated[Count, NONNEGATIVE] = 0
    threads: Annotated[Count, POSITIVE] = 1

    def __post_init__(self) -> None:
        validate(self)
        if not self.networks or set(self.networks) - {"mlp", "cnn"}:
            raise ValueError(f"Config.networks must name mlp, cnn or both, got {self.networks!r}")
        if self.cells not in ("sum", "each"):
            raise ValueError(f"Config.cells must be 'sum' or 'each', got {self.cells!r}")
        if not self.errors or not self.bits:
            raise ValueError(f"Config.errors and bits must not be empty, got {self.errors!r} and {self.bits!r}")
        for name, there in (("batch", self.train_images), ("calibration", self.train_images)):
            if getattr(self, name) > there:
                raise ValueError(f"Config.{name} must be at most train_images ({there}), got {getattr(self, name)}")

    def hardware(self, error: float, bits: int) -> Hardware:
        """Tiles of a 40 nm TaOx array with a converter for each pair of bit lines."""
        g_max = TAOX_40NM.g_max
        return Hardware(
            rows=self.tile,
            cols=self.tile,
            g_min=TAOX_40NM.g_min,
            g_max=g_max,
            v_read=TAOX_40NM.v_read,
            crossbar=CrossbarParams(r_wl=self.r_line, r_bl=self.r_line),
            dac_bits=bits,
            adc_bits=bits,
            adc_of="pair",
            programming=ProgrammingError(absolute=error * g_max),
        )

    @property
    def corners(self) -> list[tuple[float, int]]:
        """(error, bits) of every column of the table."""
        return [(error, bits) for bits in self.bits for error in self.errors]

    @staticmethod
    def of(saved: dict[str, Any]) -> "Config":
        """The configuration that config.json has."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
        return Config(**values)
