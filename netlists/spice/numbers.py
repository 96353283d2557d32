"""The one way a number is printed."""

from collections.abc import Mapping

import numpy as np


def number(x: float) -> str:
    """`x` as SPICE text, exact to the last bit; raises ValueError for NaN and infinity, which ngspice would misread."""
    value = float(x)
    if not np.isfinite(value):
        raise ValueError(f"a netlist cannot contain the number {value!r}; remove the element or replace the value")
    return repr(value)


def assignments(pairs: Mapping[str, float]) -> str:
    """` name=value` for each pair."""
    return "".join(f" {name}={number(value)}" for name, value in pairs.items())
