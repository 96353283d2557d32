"""The calibrated amplifier of the bit lines."""

from functools import cache

from jaxtyping import Float
from torch import Tensor

from cosim.layers.records import record_of
from cosim.twins.tia import Tia, TiaFit
from netlists.tia import TiaParams


@cache
def calibrated(p: TiaParams, record_file: str | None = None) -> Tia:
    """The twin of the amplifier `p` with the fit of its shipped record, or of that in `record_file`.

    Raises ValueError if the record is of another amplifier.

    The conductance and capacitance of the column may differ: the layer's own bit lines take their place.
    """
    record = record_of("tia", p, "Hardware.tia", own={"g_col", "c_col"}, file=record_file)
    return Tia(p, TiaFit(**record.fit))


def reported_current(
    i: Float[Tensor, "batch band col2"],
    g_col: Float[Tensor, "band col2"],
    p: TiaParams,
    record_file: str | None = None,
) -> Float[Tensor, "batch band col2"]:
    """Current (A) that the output voltage stands for by −r_f·i, for bit lines of conductance `g_col` (S)."""
    return -calibrated(p, record_file)(i, g_col) / p.r_f
