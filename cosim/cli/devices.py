"""Commands on devices: device, lint, fit."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cosim.cli.app import Json, Set, app, choose, clear_errors, console
from cosim.pictures import PICTURES
from cosim.settings import flatten, with_settings
from devicemodels import DEVICES
from devicemodels.fit import Pulses, fit, read_csv, rows, summary, write
from devicemodels.fit import plot as draw_fit
from devicemodels.lint import lint_file


@app.command()
def device(
    name: Annotated[str, typer.Argument(help="A device; without it, the list of devices.")] = "",
    text: Annotated[str, typer.Option("--text", help="Print the model instead: spice or veriloga.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Draw the device into a PNG, SVG or PDF.")] = None,
    picture: Annotated[str, typer.Option(help=f"What to draw: {', '.join(PICTURES)}.")] = "loop",
    published: Annotated[str, typer.Option("--params", help="The published set to draw; the defaults if none.")] = "",
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """List devices, or show one device's parameter sets, its SPICE or Verilog-A text, or its picture.

    The picture "loop" shows the pinched loop and the switching time over the voltage, "staircase" identical pulses up
    and down with spread, "levels" the histogram of programmed levels, "drift" the conductance over logarithmic time.

    Example: memspice device vteam --plot vteam.png --picture staircase
    """
    with clear_errors():
        if not name:
            print("\n".join(DEVICES))
            return
        chosen = choose("device", DEVICES, name)
        texts = {"spice": chosen.spice, "veriloga": chosen.veriloga}
        sets = {label: flatten(params) for label, params in chosen.published.items()}
        if plot is not None:
            params = choose("parameter set", chosen.published, published) if published else chosen.params()
            draw = choose("picture", PICTURES, picture)
            draw(chosen, with_settings(params, settings or [])).savefig(plot, dpi=150)
            console.print(f"wrote {plot}")
        elif text:
            print(choose("text", texts, text), end="")
        elif as_json:
            print(json.dumps(sets, indent=2))
        else:
            table = Table("parameter", *sets)
            for field in next(iter(sets.values())):
                table.add_row(field, *(f"{values[field]:g}" for values in sets.values()))
            console.print(table)


@app.command("lint")
def lint_command(
    files: Annotated[list[Path], typer.Argument(help="Verilog-A files.")],
    as_json: Json = False,
) -> None:
    """Refuse Verilog-A that open simulators take without a word and simulate wrongly; say what to write instead.

    Example: memspice lint model.va
    """
    with clear_errors():
        findings = [found for path in files for found in lint_file(path)]
    if as_json:
        print(json.dumps([asdict(found) for found in findings], indent=2))
    else:
        for found in findings:
            print(found)
        errors = sum(found.severity == "error" for found in findings)
        print(f"{len(files)} files, {errors} errors, {len(findings) - errors} warnings")
    if any(found.severity == "error" for found in findings):
        raise typer.Exit(1)


@app.command("fit")
def fit_command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(DEVICES)}.")],
    data: Annotated[Path, typer.Argument(help="CSV: V,I[,t][,cycle][,device]; states,mean,std; up_pulse,down_pulse.")],
    columns: Annotated[str, typer.Option(help="Headers of the file, as in v=AV,i=AI,t=Time.")] = "",
    rate: Annotated[float | None, typer.Option(help="Sweep rate in V/s where the file has no time.")] = None,
    pulse: Annotated[str, typer.Option(help="Pulses: UP:DOWN:WIDTH[:READ] in V, V, s, V.")] = "",
    free: Annotated[str, typer.Option(help="Parameters to fit, as in r_on,r_off; without it, all that act.")] = "",
    settings: Set = None,
    noise: Annotated[float | None, typer.Option(help="Relative noise of a reading, 0.02 for 2 %.")] = None,
    starts: Annotated[int, typer.Option(help="Starts to follow.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the starts.")] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the fitted set.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw data, model and residuals into a PNG, SVG or PDF.")] = None,
    as_json: Json = False,
) -> None:
    """Fit the parameters of a device to measurements; exit code 1 if the model does not fit them.

    Example: memspice fit vteam sweep.csv --noise 0.02 -o my_cell --plot fit.png
    """
    with clear_errors():
        device = choose("device", DEVICES, name)
        traces = read_csv(data, columns=_pairs(columns), rate=rate, protocol=_protocol(pulse))
        start = with_settings(device.params(), settings) if settings else None
        names = [n.strip() for n in free.split(",")] if free else None
        found = fit(device, traces, free=names, start=start, starts=starts, seed=seed, noise=noise)
        if output is not None:
            write(found, output)
        if plot is not None:
            draw_fit(found, plot)
    if as_json:
        print(json.dumps(summary(found), indent=2))
    else:
        table = Table("parameter", "value", "95 % interval", "", title=found.verdict.text)
        for row in rows(found):
            table.add_row(*row)
        console.print(table)
        for kind, spreads in (("cycles", found.cycle_spread), ("devices", found.device_spread)):
            for n, s in spreads.items():
                console.print(f"spread of {n} between {s.count} {kind}: {s.deviation:.3g}")
        for reading, z in list(found.outliers)[:10]:
            console.print(f"outlier: reading {reading}, {z:.1f} standard deviations")
    if not found.verdict.fits:
        raise typer.Exit(1)


def _pairs(text: str) -> dict[str, str]:
    """`v=AV,i=AI` as a mapping; raises ValueError."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, header = part.partition("=")
        if not equals:
            raise ValueError(f"--columns looks like v=AV,i=AI, got {part!r}")
        found[name.strip()] = header.strip()
    return found


def _protocol(text: str) -> Pulses | None:
    """`UP:DOWN:WIDTH[:READ]` as pulses; raises ValueError."""
    if not text:
        return None
    try:
        up, down, width, *read = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(f"--pulse looks like 1.2:-1.5:1e-6 (V:V:s, and :V of the read), got {text!r}") from None
    return Pulses(up=up, down=down, width=width, v_read=read[0] if read else 0.1)
