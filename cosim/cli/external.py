"""Options of `calibrate` for a user's own circuit, and what they mean."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cosim.circuits import Circuit
from cosim.cli.app import console
from cosim.engines import Engine
from cosim.external import Substituted
from netlists.external import External, from_file
from netlists.spice import Subckt

File = Annotated[
    Path | None,
    typer.Option("--external", help="Your circuit (.cir, .sub, .lib, .net, .va) to take the place of ours."),
]
Name = Annotated[str | None, typer.Option("--subckt", help="The .subckt or module of that file.")]
Map = Annotated[
    str, typer.Option("--map", help="Ours=yours for each port of ours, as in inp=in,out=vo,vm=-; - means none.")
]
Tie = Annotated[str, typer.Option("--tie", help="Your other ports and their volts, as in vss=0,bias=0.6.")]
Param = Annotated[str, typer.Option("--param", help="Values for the parameters of your .subckt, as in w=2e-6.")]
Flavour = Annotated[str, typer.Option("--flavour", help="ngspice or ltspice: who can read the file.")]
Without = Annotated[str, typer.Option("--without", help="Elements of a flat file to leave out, as in V1,I1,Rload.")]
Part = Annotated[
    str | None,
    typer.Option("--as", help="The subcircuit inside ours that yours replaces, as in opamp; by default all of it."),
]


def substitute(
    engine: Engine,
    circuit: Circuit,
    params: Any,
    file: Path,
    *,
    name: str | None,
    ports: str,
    ties: str,
    parameters: str,
    flavour: str,
    without: str,
    part: str | None,
) -> Substituted:
    """`engine` with the circuit of the file in the place of ours; prints the notes. Raises ValueError."""
    bench = circuit.bench(params).all_subckts()
    wanted = part or circuit.build(params).name
    ours = next((s for s in bench if s.name == wanted and isinstance(s, Subckt)), None)
    if not isinstance(ours, Subckt):
        raise ValueError(f"--as names no subcircuit of the bench; there are {', '.join(s.name for s in bench)}")
    found: External = from_file(
        file,
        ours,
        _pairs("--map", ports),
        name=name,
        flavour=flavour,  # pyright: ignore[reportArgumentType]
        ties=_numbers("--tie", ties),
        parameters=_numbers("--param", parameters),
        without=[word.strip() for word in without.split(",") if word.strip()],
    )
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    return Substituted(engine, found)


def _pairs(option: str, text: str) -> dict[str, str]:
    pairs = [word.strip().partition("=") for word in text.split(",") if word.strip()]
    if bad := [name for name, equals, value in pairs if not (name and equals and value)]:
        raise ValueError(f"{option} looks like name=value,name=value, got {', '.join(bad)!r}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _numbers(option: str, text: str) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in _pairs(option, text).items()}
    except ValueError as error:
        raise ValueError(f"{option}: {error}; write SI units without prefixes") from None
