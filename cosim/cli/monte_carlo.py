"""Options of `memspice calibrate` for corners and Monte Carlo."""

from typing import Annotated, Any

import typer

from cosim.calibration import Record
from cosim.circuits import Circuit
from cosim.engines import Engine
from cosim.mismatch import MISMATCH
from cosim.settings import field_at
from cosim.spread import AtTemperature, Mismatch, MonteCarlo, spread
from cosim.sweeps.variation import Normal, Shift
from devicemodels.units import Celsius

Samples = Annotated[
    int, typer.Option("--monte-carlo", help="Samples of the circuit to fit; the record gets their spread.", min=0)
]
Mismatches = Annotated[
    str,
    typer.Option(help="What varies, as c=0.01,opamp.v_offset=+2e-3: relative sigma, or with + in the field's unit."),
]
Corner = Annotated[
    str, typer.Option(help="Temperature in °C and values that differ there, as temp=85,v_dd=1.62; needs --output.")
]


def corner(text: str) -> tuple[list[str], Celsius | None]:
    """The settings of "temp=85,v_dd=1.62" and its temperature."""
    pairs = [item.strip() for item in text.split(",") if item.strip()]
    temps = [item.removeprefix("temp=") for item in pairs if item.startswith("temp=")]
    return [item for item in pairs if not item.startswith("temp=")], _number(temps[-1], text) if temps else None


def mismatches(text: str, params: Any) -> dict[str, Mismatch]:
    """The variations of "c=0.01,opamp.v_offset=+2e-3"."""
    found: dict[str, Mismatch] = {}
    for item in text.split(","):
        path, _, value = item.strip().partition("=")
        owner, name = field_at(params, path)
        sigma = _number(value, item)
        if not value.startswith("+") and getattr(owner, name) == 0:
            raise ValueError(f"{path} is 0 and has no relative deviation; write {path}=+{value} in its unit")
        found[path] = Shift(sigma=sigma) if value.startswith("+") else Normal(sigma=sigma)
    return found


def calibrated(
    name: str,
    circuit: Circuit,
    params: Any,
    engine: Engine,
    samples: int,
    mismatch: str,
    temp: Celsius | None,
    seed: int,
) -> Record:
    """The record at a temperature, with the spread of `samples` when there are any."""
    if not samples:
        if mismatch:
            raise ValueError("--mismatch needs --monte-carlo, the number of samples")
        return circuit.calibrate(params, engine if temp is None else AtTemperature(engine, temp))
    if not mismatch and name not in MISMATCH:
        raise ValueError(f"{name} has no default mismatch; say what varies, as --mismatch c=0.01")
    vary = mismatches(mismatch, params) if mismatch else MISMATCH[name]
    plan = MonteCarlo(samples=samples, vary=vary, seed=seed)
    return spread(circuit, plan, engine, params=params, temp=temp, progress=True)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number (in {where!r})") from None
