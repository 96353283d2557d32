"""Parameters given as text on the command line."""

from dataclasses import dataclass, field
from typing import Annotated

import pytest

from cosim.settings import flatten, with_settings
from devicemodels.units import POSITIVE, Count, Farad, Hertz, validate


@dataclass(frozen=True, kw_only=True)
class Amp:
    gbw: Annotated[Hertz, POSITIVE] = 1e7
    stages: Annotated[Count, POSITIVE] = 2

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True, kw_only=True)
class Filter:
    c: Annotated[Farad, POSITIVE] = 1e-9
    amp: Amp = field(default_factory=Amp)
    kind: str = "low"
    poles: tuple[float, ...] = (1e3, 1e6)

    def __post_init__(self) -> None:
        validate(self)


def test_settings_reach_nested_fields_and_keep_the_rest() -> None:
    changed = with_settings(Filter(), ["c=2e-12", "amp.gbw=5e6", "amp.stages=3", "kind=high", "poles=1, 2,3"])
    assert flatten(changed) == {"c": 2e-12, "amp.gbw": 5e6, "amp.stages": 3, "kind": "high", "poles": (1.0, 2.0, 3.0)}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("c", "looks like name=value"),
        ("d=1", "Filter has no field 'd'.*it has c, amp, kind, poles"),
        ("poles=1;2", "'1;2' is not a number"),
        ("c.x=1", "Filter.c has no fields of its own"),
        ("amp.gain=1", "Amp has no field 'gain'"),
        ("c=2p", "'2p' is not a number.*without prefixes"),
        ("c=-1", "Filter.c must be positive, got -1.0"),
        ("amp.stages=1.5", "'1.5' is not a number"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_settings(Filter(), [setting])
