"""The command `memspice`: the toolkit's commands and those of the studies."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cosim.cli import Engine, Json, Set, app, choose, clear_errors, console
from cosim.engines import ENGINES
from cosim.settings import with_settings
from studies import STUDIES
from studies import circuits as library
from studies.trained import Trained

Folder = Annotated[Path, typer.Argument(help="Folder of a run, as given to `memspice study --folder`.")]
Network = Annotated[str, typer.Option(help="Which trained network of the run, where it has several.")]
Plot = Annotated[Path | None, typer.Option(help="File of a picture.")]


@app.command()
def study(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES)}.")],
    size: Annotated[str, typer.Option(help="tiny, demo or full.")] = "demo",
    folder: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME-SIZE without it.")] = None,
    settings: Set = None,
) -> None:
    """Run a study, resuming it where it was interrupted, and write its report.

    Example: memspice study edge_pruning --size demo
    """
    with clear_errors():
        chosen = choose("study", STUDIES, name)
        config = with_settings(choose("size", chosen.sizes, size), settings or [])
        target = folder or Path("runs") / f"{name}-{size}"
        chosen.run(config, target, progress=console)
        path = chosen.report(target)
        console.print(f"report: {path.resolve()}", soft_wrap=True)


@app.command()
def certify(
    run: Folder,
    samples: Annotated[int, typer.Option(help="Test samples to send through the simulator.", min=1)] = 20,
    network: Network = "",
    match: Annotated[str, typer.Option(help="Name pattern of the layers to send through the simulator.")] = "*",
    seconds: Annotated[float | None, typer.Option(help="Stop after about so long, with the samples done.")] = None,
    engine: Engine = "ngspice",
    as_json: Json = False,
) -> None:
    """Send test samples through a trained model with its analogue layers solved by a circuit simulator, and compare.

    Example: memspice certify runs/demo --samples 10
    """
    with clear_errors():
        simulator = choose("engine", ENGINES, engine)()
        certificate = _study(run).certify(
            run, samples=samples, network=network, match=match, engine=simulator, seconds=seconds
        )
        print(certificate.to_json() if as_json else certificate)


@app.command()
def budget(
    run: Folder,
    samples: Annotated[int, typer.Option(help="Test samples.", min=1)] = 200,
    network: Network = "",
    seeds: Annotated[int, typer.Option(help="Draws of programming errors and of read noise.", min=2)] = 5,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """What each effect of the hardware costs a trained model, one at a time and as the last of all.

    Example: memspice budget runs/demo --samples 500 --plot budget.png
    """
    from cosim.budget import error_budget, picture

    with clear_errors():
        found = _trained(run, samples, network)
        result = error_budget(found.model, found.inputs, found.labels, seeds=seeds)
        if plot is not None:
            picture(result).savefig(plot)
        print(result.to_json() if as_json else result)


@app.command()
def energy(
    run: Folder,
    samples: Annotated[int, typer.Option(help="Test samples.", min=1)] = 20,
    network: Network = "",
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Energy and time of a trained model, by the records of the circuits and by a published table.

    Example: memspice energy runs/demo --plot energy.png
    """
    from cosim.energy import ledger, picture

    with clear_errors():
        found = _trained(run, samples, network)
        result = ledger(found.model, found.inputs)
        if plot is not None:
            picture(result).savefig(plot)
        print(result.to_json() if as_json else result)


@app.command()
def report(run: Folder) -> None:
    """Write the HTML report of a run again from its results.

    Example: memspice report runs/demo
    """
    with clear_errors():
        console.print(f"report: {_study(run).report(run).resolve()}", soft_wrap=True)


def _study(run: Path) -> Any:
    """The study that a run is of."""
    return choose("study", STUDIES, json.loads((run / "config.json").read_text())["study"])


def _trained(run: Path, samples: int, network: str) -> Trained:
    """A trained network of the run; ValueError where its study has none that stands alone."""
    trained = getattr(_study(run), "trained", None)
    if trained is None:
        raise ValueError(f"the network of {run} does not stand alone; its report says what its circuit takes and loses")
    return trained(run, samples=samples, network=network)


@app.command()
def circuits(
    report: Annotated[Path | None, typer.Option(help="HTML page to write, with circuit and twin overlaid.")] = None,
    docs: Annotated[Path | None, typer.Option(help="Table and drawings to write as Markdown.")] = None,
    engine: Engine = "ngspice",
) -> None:
    """Write what the library's circuits are, how good their twins are and what they take.

    Example: memspice circuits --report circuits.html
    """
    with clear_errors():
        if report is None and docs is None:
            raise ValueError("name what to write: --report FILE.html or --docs FILE.md")
        if docs is not None:
            docs.write_text(library.markdown())
            console.print(f"wrote {docs}", soft_wrap=True)
        if report is not None:
            path = library.report(report, choose("engine", ENGINES, engine)(), console.print)
            console.print(f"report: {path.resolve()}", soft_wrap=True)


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
