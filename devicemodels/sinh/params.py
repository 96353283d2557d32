"""Numbers of the sinh cell.

`a` falls as a cell conducts better: 0 to 1 /V for well-formed low-resistance states, 2 to 4 /V for gap-like ones. At
a = 2 /V the current exceeds the ohmic one by 0.67 % at 0.1 V, 2.69 % at 0.2 V, 17.5 % at 0.5 V.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import NONNEGATIVE, POSITIVE, One, PerVolt, Range, Siemens, validate

ARGUMENT = Range("above 0 and at most 80, where float32 still holds sinh", low=0.0, high=80.0, open_low=True)


@dataclass(frozen=True, kw_only=True)
class SinhParams:
    """i = g sinh(a v)/a."""

    g: Annotated[Siemens, NONNEGATIVE] = 34.055e-6
    """Conductance at 0 V, which is also the constant state of the cell."""
    a: Annotated[PerVolt, POSITIVE] = 2.0
    """Nonlinearity; for an ohmic cell use `devicemodels.ohmic`."""
    z_max: Annotated[One, ARGUMENT] = 40.0
    """Numerical guard (ours): for |a v| above it the tangent replaces sinh, so that no trial voltage overflows."""

    def __post_init__(self) -> None:
        validate(self)

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Instance parameters that give each cell the conductance `g` (S, any shape) at 0 V; g must be >= 0."""
        return {"g": conductances("SinhParams", g)}


MICHIGAN = SinhParams(a=2.0)
"""delta of the Michigan (Chang, Lu) model; g is ours."""
SKYWATER = SinhParams(a=1 / 0.43)
"""SkyWater 130 nm ReRAM model, V0 = 0.43 V; g is ours."""
STANFORD_PKU_2 = SinhParams(a=2.5)
"""Stanford-PKU model 2.0, VT = 0.4 V; g is ours."""
JIANG_2016 = SinhParams(a=1 / 0.35)
"""Jiang et al., IEEE TED 63(5), 1884, 2016, TiOx/HfOx, V0 = 0.35 V; g is ours."""
STANFORD_V1 = SinhParams(a=4.0)
"""Stanford RRAM model v1.0.0, V0 = 0.25 V; g is ours."""
MILO_2021_62US = SinhParams(g=62.5e-6, a=0.95)
"""Milo et al., IRPS 2021: a = sqrt(6 NL3/G) from a published cubic fit, |v| <= 0.5 V. Second hand."""
MILO_2021_76US = SinhParams(g=76.2e-6, a=0.58)
"""As MILO_2021_62US, at 76.2 µS."""
MILO_2021_94US = SinhParams(g=93.9e-6, a=0.14)
"""As MILO_2021_62US, at 93.9 µS: the better formed, the more linear."""

PUBLISHED: Mapping[str, SinhParams] = {
    "michigan": MICHIGAN,
    "skywater": SKYWATER,
    "stanford_pku_2": STANFORD_PKU_2,
    "jiang_2016": JIANG_2016,
    "stanford_v1": STANFORD_V1,
    "milo_2021_62us": MILO_2021_62US,
    "milo_2021_76us": MILO_2021_76US,
    "milo_2021_94us": MILO_2021_94US,
}
