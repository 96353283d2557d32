"""Numbers of the ohmic cell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import NONNEGATIVE, Siemens, validate


@dataclass(frozen=True, kw_only=True)
class OhmicParams:
    """i = g v."""

    g: Annotated[Siemens, NONNEGATIVE] = 34.055e-6
    """Conductance, which is also the constant state of the cell."""

    def __post_init__(self) -> None:
        validate(self)

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """Instance parameters that give each cell the conductance `g` (S, any shape); ValueError unless g >= 0."""
        return {"g": conductances("OhmicParams", g)}


TAOX_40NM_FORMED = OhmicParams(g=34.055e-6)
"""Mean formed cell of a 40 nm TaOx 1T1R macro (published data and code; the unit µS is inferred)."""
TAOX_40NM_UNFORMED = OhmicParams(g=0.1e-6)
"""Pristine cell of the same macro, about 10 MΩ."""

PUBLISHED: Mapping[str, OhmicParams] = {"taox_40nm_formed": TAOX_40NM_FORMED, "taox_40nm_unformed": TAOX_40NM_UNFORMED}
