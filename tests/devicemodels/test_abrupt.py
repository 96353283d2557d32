"""Each parameter of an abrupt device, in each language: by RMS of a loop it would not be seen."""

from dataclasses import fields, replace
from functools import cache
from itertools import product, zip_longest
from typing import Any

import pytest
import torch

from cosim.engines import Tran
from devicemodels import DEVICES, Device
from tests.devicemodels.benches import TIGHT, simulate
from tests.devicemodels.test_contract import each_language, moved

WAY = 1e-3


@pytest.mark.parametrize("d", [d for d in DEVICES.values() if d.abrupt], ids=lambda d: d.name)
@each_language
def test_every_parameter_of_an_abrupt_device_acts_and_acts_as_in_torch(d, language):
    """It acts as in torch at constant voltage, by current and speed, over a way on which neither jumps."""
    for field in fields(d.params):
        p, v = acting_at_rest(d.name, field.name)
        i, speed = push(d, p, v)
        stop = min(WAY / max(abs(speed), 1e-99), d.drive.duration)
        analysis = Tran(stop=stop, max_step=stop / 50, options=replace(TIGHT, vntol=1e-9))
        waves = simulate(("ngspice", language), d, p, analysis, dc=v)
        assert -waves["i(va)"][0] == pytest.approx(i, rel=1e-4), field.name
        moved_by = waves["v(x)"][-1] - waves["v(x)"][0]
        # The state carries 1e-6, the last Newton step 1e-3 of the way.
        assert moved_by == pytest.approx(speed * stop, rel=1e-2, abs=1e-6), field.name


def push(d: Device, p: Any, v: float) -> tuple[float, float]:
    """Current at the start and speed half WAY on, at constant voltage."""
    x, volt = torch.tensor(getattr(p, d.state), dtype=torch.float64), torch.tensor(v, dtype=torch.float64)
    start = d.model.rate(p, x, volt)
    half = d.model.rate(p, x + WAY / 2 * torch.sign(start), volt)
    return float(d.model.current(p, x, volt)), float(half)


@cache
def acting_at_rest(device_name: str, name: str) -> tuple[Any, float]:
    """A cell that differs by that parameter alone from another, and a voltage at which this shows by a hundredth."""
    d = DEVICES[device_name]
    bases = [replace(d.params(), **{d.state: start}) for start in (0.5, 0.005, 0.995)]
    # The smallest change first, in each state: a large one makes a cell that no solver follows.
    for changes in zip_longest(*(moved(d, base, name) for base in bases)):
        cells = [(base, p) for base, p in zip(bases, changes, strict=True) if p is not None]
        for (base, p), share in product(cells, (0.5, 0.9)):
            for v in (share * d.drive.v_plus, share * d.drive.v_minus):
                before, after = push(d, base, v), push(d, p, v)
                if any(abs(b - a) > 0.01 * abs(b) for b, a in zip(before, after, strict=True)):
                    return p, v
    pytest.fail(f"{name} changes neither current nor speed")
