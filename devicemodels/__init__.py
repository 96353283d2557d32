"""Memristive devices: each one a folder with one set of numbers and the model in SPICE, Verilog-A and torch.

`DEVICES` is the list; nothing here imports torch before `Device.model` is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from devicemodels.hp.params import PUBLISHED as HP
from devicemodels.hp.params import HpParams
from devicemodels.jart.params import PUBLISHED as JART
from devicemodels.jart.params import JartParams
from devicemodels.ohmic.params import PUBLISHED as OHMIC
from devicemodels.ohmic.params import OhmicParams
from devicemodels.pcm.params import PUBLISHED as PCM
from devicemodels.pcm.params import PcmParams
from devicemodels.pershin.params import PUBLISHED as PERSHIN
from devicemodels.pershin.params import PershinParams
from devicemodels.sinh.params import PUBLISHED as SINH
from devicemodels.sinh.params import SinhParams
from devicemodels.stanford.params import PUBLISHED as STANFORD
from devicemodels.stanford.params import StanfordParams
from devicemodels.units import NEGATIVE, POSITIVE, Second, Volt, validate
from devicemodels.vteam.params import PUBLISHED as VTEAM
from devicemodels.vteam.params import VteamParams
from devicemodels.yakopcic.params import PUBLISHED as YAKOPCIC
from devicemodels.yakopcic.params import YakopcicParams


@dataclass(frozen=True, kw_only=True)
class Drive:
    """An example of use: the triangle 0, `v_plus`, 0, `v_minus`, 0 of this duration takes a cell through a loop."""

    v_plus: Annotated[Volt, POSITIVE]
    v_minus: Annotated[Volt, NEGATIVE]
    duration: Annotated[Second, POSITIVE]

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class Device:
    """One device: its name, the class of its parameters, the published sets, the parameter that is the state at t = 0,
    an example of use, and the folder of its models.

    In every language a cell has the terminals `p`, `n` (current flows from p to n) and `x`, an output whose voltage to
    ground is the state; instance parameters carry the names and the defaults of the parameter class.
    """

    name: str
    params: type
    published: Mapping[str, Any]
    state: str
    drive: Drive
    folder: Path
    abrupt: str = ""
    """Why the contract judges this device by RMS instead of at every point of an edge; empty: it does not."""

    @cached_property
    def spice(self) -> str:
        """Text of model.sp: `.subckt <subckt> p n x params: ...`."""
        return (self.folder / "model.sp").read_text()

    @cached_property
    def veriloga(self) -> str:
        """Text of model.va: `module <module>(p, n, x)`."""
        return (self.folder / "model.va").read_text()

    @property
    def subckt(self) -> str:
        """Name of the subcircuit in `spice`."""
        return self.name

    @property
    def module(self) -> str:
        """Name of the module in `veriloga`, which cannot be that of a built-in device of a simulator."""
        return f"memspice_{self.name}"

    @property
    def model(self) -> ModuleType:
        """The torch module with current, rate, conductance, state; imported (with torch) on first use."""
        return import_module(f"{__name__}.{self.name}.model")


HERE = Path(__file__).parent
READ = Drive(v_plus=0.5, v_minus=-0.5, duration=1e-6)
DEVICES: dict[str, Device] = {
    "ohmic": Device("ohmic", OhmicParams, OHMIC, "g", READ, HERE / "ohmic"),
    "sinh": Device("sinh", SinhParams, SINH, "g", READ, HERE / "sinh"),
    "pcm": Device("pcm", PcmParams, PCM, "g", READ, HERE / "pcm"),
    "stanford": Device(
        "stanford",
        StanfordParams,
        STANFORD,
        "x0",
        Drive(v_plus=1.2, v_minus=-1.5, duration=2.0),
        HERE / "stanford",
        abrupt="the SET feeds itself: within a pulse's edge the rate grows e times per 42 mV and as the gap closes",
    ),
    "jart": Device(
        "jart",
        JartParams,
        JART,
        "x0",
        Drive(v_plus=1.7, v_minus=-1.0, duration=4e-6),
        HERE / "jart",
        abrupt="the SET heats itself: five decades of speed per half volt",
    ),
    "vteam": Device("vteam", VteamParams, VTEAM, "x0", Drive(v_plus=0.9, v_minus=-2.1, duration=16e-9), HERE / "vteam"),
    "hp": Device("hp", HpParams, HP, "x0", Drive(v_plus=1.6, v_minus=-1.6, duration=1.0), HERE / "hp"),
    "yakopcic": Device(
        "yakopcic",
        YakopcicParams,
        YAKOPCIC,
        "x0",
        Drive(v_plus=0.5, v_minus=-0.5, duration=10e-3),
        HERE / "yakopcic",
    ),
    "pershin": Device(
        "pershin", PershinParams, PERSHIN, "x0", Drive(v_plus=3.0, v_minus=-3.0, duration=10e-9), HERE / "pershin"
    ),
}


def device(name: str) -> Device:
    """The device of that name; ValueError with the known names otherwise."""
    if name not in DEVICES:
        raise ValueError(f"unknown device {name!r}; known devices: {', '.join(DEVICES)}")
    return DEVICES[name]


def device_of(params: Any) -> Device:
    """The device that a parameter object belongs to; ValueError with the known classes otherwise."""
    for known in DEVICES.values():
        if type(params) is known.params:
            return known
    classes = ", ".join(known.params.__name__ for known in DEVICES.values())
    raise ValueError(f"{type(params).__name__} belongs to no device; parameters must be one of {classes}")
