"""The application of the command line: its options in common, its choices and its errors."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from cosim.engines import ENGINES, SimulationError

app = typer.Typer(
    name="memspice",
    help="SPICE-backed circuit co-simulation for memristive in-memory computing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

T = TypeVar("T")

Set = Annotated[list[str] | None, typer.Option("--set", "-s", help="A parameter in SI units, as in -s c=2e-12.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Engine = Annotated[str, typer.Option("--engine", "-e", help=f"One of {', '.join(ENGINES)}.")]


def choose(kind: str, table: Mapping[str, T], name: str) -> T:
    """The row `name` of a list; raises ValueError naming the rows there are."""
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}; there are {', '.join(table)}")
    return table[name]


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turns the errors a user can mend into one message and a non-zero exit code."""
    try:
        yield
    except (ValueError, KeyError, SimulationError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"memspice: {text}", file=sys.stderr)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        print("memspice: interrupted; nothing partial was left behind", file=sys.stderr)
        raise typer.Exit(130) from None
