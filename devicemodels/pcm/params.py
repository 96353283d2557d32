"""Numbers of a phase-change cell (Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473, 2020).

    i = g (age/t_c)^(-nu) v

The state is g, the conductance at age `t_c` after programming: constant, for drift is slow and, being a function of
age and not of voltage, goes on at 0 V. A simulation sees the cell at one `age`; its duration must be short against
that. `statistics.py` draws g, nu and the noise of a read; its formulas and constants are alike in a public library's
documentation and code, which credit the two papers. t_c is 20 s there; another library reads 27.36 s in the paper.

Not modelled: programming pulses, threshold switching, nonlinearity, temperature, drift within a transient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from devicemodels.cells import conductances
from devicemodels.units import NONNEGATIVE, POSITIVE, One, Second, Siemens, validate


@dataclass(frozen=True, kw_only=True)
class PcmParams:
    """One cell; the defaults are the set JOSHI_1_HOUR."""

    g: Annotated[Siemens, NONNEGATIVE] = 12.5e-6
    """Conductance at age t_c, which is the constant state; half of the range of 25 µS (ours)."""
    nu: Annotated[One, NONNEGATIVE] = 0.049
    """Drift exponent; the mean of a cell of 5 µS or more."""
    age: Annotated[Second, POSITIVE] = 3620.0
    """Time since programming."""
    t_c: Annotated[Second, POSITIVE] = 20.0
    """Age at which a cell is verified."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def remaining(self) -> One:
        """Conductance at `age` over that at `t_c`."""
        return (self.age / self.t_c) ** -self.nu

    def cell(self, g: np.ndarray) -> dict[str, np.ndarray]:
        """States that give each cell the conductance `g` (S, any shape) at `age`; g must be >= 0."""
        return {"g": conductances("PcmParams", g) / self.remaining}


JOSHI_WRITTEN = PcmParams(age=20.0)
"""Just verified."""
JOSHI_1_HOUR = PcmParams()
"""An hour later."""
JOSHI_1_YEAR = PcmParams(age=20.0 + 365 * 86400.0)
"""A year later, by the same power law."""

PUBLISHED: Mapping[str, PcmParams] = {
    "joshi_written": JOSHI_WRITTEN,
    "joshi_1_hour": JOSHI_1_HOUR,
    "joshi_1_year": JOSHI_1_YEAR,
}
