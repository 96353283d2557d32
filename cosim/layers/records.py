"""Shipped calibrations for the parameters that a layer is built with."""

from collections.abc import Set
from pathlib import Path
from typing import Any

from cosim import calibration
from cosim.calibration import Record
from cosim.settings import flatten


def record_of(name: str, p: Any, where: str, own: Set[str] = frozenset(), file: str | None = None) -> Record:
    """The shipped record of the circuit `name`, or that in `file`; ValueError naming `where` if it is not of `p`.

    The parameters in `own` may differ: the layer puts its own values in their place.
    """
    record = calibration.load(name, None if file is None else Path(file))
    different = [
        f"{key} = {value!r} (calibrated: {record.params.get(key)!r})"
        for key, value in flatten(p).items()
        if key not in own and value != record.params.get(key)
    ]
    if different:
        raise ValueError(
            f"{where} differs from the calibrated circuit in {', '.join(different)}; run memspice calibrate {name} "
            "with these parameters, or use the calibrated ones"
        )
    return record
