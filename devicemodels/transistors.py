"""Access transistors: each one a folder like that of a device, but with gate and bulk and without a state.

`TRANSISTORS` is the list. It is not part of `DEVICES`, whose rows are cells between two terminals with a state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from devicemodels.nmos.params import PUBLISHED as NMOS
from devicemodels.nmos.params import NmosParams


@dataclass(frozen=True)
class Transistor:
    """One transistor: its name, the class of its parameters, the published sets, and the folder of its models.

    In every language the terminals are `d`, `g`, `s`, `b` (current flows from d to s, none through g and b); instance
    parameters carry the names and the defaults of the parameter class.
    """

    name: str
    params: type
    published: Mapping[str, Any]
    folder: Path

    @cached_property
    def spice(self) -> str:
        """Text of model.sp: `.subckt <subckt> d g s b params: ...`."""
        return (self.folder / "model.sp").read_text()

    @cached_property
    def veriloga(self) -> str:
        """Text of model.va: `module <module>(d, g, s, b)`."""
        return (self.folder / "model.va").read_text()

    @property
    def subckt(self) -> str:
        """Name of the subcircuit in `spice`."""
        return self.name

    @property
    def module(self) -> str:
        """Name of the module in `veriloga`."""
        return f"memspice_{self.name}"

    @property
    def model(self) -> ModuleType:
        """The torch module with `current(p, d, g, s, b)`; imported (with torch) on first use."""
        return import_module(f"devicemodels.{self.name}.model")


TRANSISTORS: dict[str, Transistor] = {
    "nmos": Transistor("nmos", NmosParams, NMOS, Path(__file__).parent / "nmos"),
}


def transistor_of(params: Any) -> Transistor:
    """The transistor that a parameter object belongs to; ValueError with the known classes otherwise."""
    for known in TRANSISTORS.values():
        if type(params) is known.params:
            return known
    classes = ", ".join(known.params.__name__ for known in TRANSISTORS.values())
    raise ValueError(f"{type(params).__name__} belongs to no transistor; parameters must be one of {classes}")
