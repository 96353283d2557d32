"""Commands on circuits: netlist, simulate, calibrate."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.table import Table

from cosim import calibration
from cosim.circuits import CIRCUITS, Circuit
from cosim.cli import external
from cosim.cli.app import Engine, Json, Set, app, choose, clear_errors, console
from cosim.engines import ENGINES, Analysis, Dc, Op
from cosim.hardware import TAOX_40NM
from cosim.settings import with_settings
from cosim.waveforms import Waveforms
from devicemodels.statistics import Forming, form
from netlists import crossbar
from netlists.spice import Netlist


def _bench(
    name: str,
    settings: list[str] | None,
    size: tuple[int, int],
    seed: int,
    conductances: Path | None,
    inputs: Path | None,
) -> tuple[Netlist, Analysis]:
    """Test bench and analysis of a circuit, or of the array that the options describe."""
    if name != "crossbar":
        circuit = choose("circuit", CIRCUITS, name)
        params = with_settings(circuit.params, settings or [])
        return circuit.bench(params), circuit.analysis(params)
    lines = with_settings(TAOX_40NM.crossbar, settings or [])
    g = _formed(size, seed) if conductances is None else np.loadtxt(conductances, delimiter=",", ndmin=2)
    v = np.full(g.shape[0], TAOX_40NM.v_read) if inputs is None else np.loadtxt(inputs, delimiter=",", ndmin=1)
    return crossbar.testbench(lines, g, v), Op() if v.ndim == 1 else Dc(source="Vidx", start=0, stop=len(v) - 1, step=1)


def _formed(size: tuple[int, int], seed: int) -> np.ndarray:
    return form(size, TAOX_40NM.forming or Forming(), torch.Generator().manual_seed(seed), dtype=torch.float64).numpy()


Rows = Annotated[int, typer.Option(help="Word lines of a random formed 40 nm TaOx array (crossbar only).", min=1)]
Cols = Annotated[int, typer.Option(help="Bit lines of a random formed array (crossbar only).", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of the random array (crossbar only).")]
Conductances = Annotated[Path | None, typer.Option(help="CSV of conductances in S, [row, col] (crossbar only).")]
Inputs = Annotated[
    Path | None, typer.Option(help="CSV of row voltages in V, one vector or [batch, row] (crossbar only).")
]


@app.command()
def netlist(
    name: Annotated[str, typer.Argument(help=f"crossbar, {', '.join(CIRCUITS)}.")],
    settings: Set = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; standard output if none.")
    ] = None,
    veriloga: Annotated[bool, typer.Option("--veriloga", help="Print the Verilog-A view.")] = False,
    rows: Rows = 8,
    cols: Cols = 8,
    seed: Seed = 0,
    conductances: Conductances = None,
    inputs: Inputs = None,
) -> None:
    """Write the SPICE netlist of a circuit with its test bench, or its Verilog-A view.

    Example: memspice netlist lif -s c=2e-12 -o lif.cir
    """
    with clear_errors():
        if veriloga:
            circuit = choose("circuit", CIRCUITS, name)
            if circuit.veriloga is None:
                raise ValueError(f"circuit {name!r} has no Verilog-A view")
            text = circuit.veriloga(with_settings(circuit.params, settings or []))
        else:
            text = _bench(name, settings, (rows, cols), seed, conductances, inputs)[0].text()
        if output is None:
            print(text, end="")
        else:
            output.write_text(text)
            console.print(f"wrote {output} ({text.count(chr(10))} lines)")


@app.command()
def simulate(
    name: Annotated[str, typer.Argument(help=f"crossbar, {', '.join(CIRCUITS)}.")],
    settings: Set = None,
    engine: Engine = "ngspice",
    csv: Annotated[Path | None, typer.Option(help="Write the waveforms as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the waveforms into a PNG, SVG or PDF file.")] = None,
    rows: Rows = 8,
    cols: Cols = 8,
    seed: Seed = 0,
    conductances: Conductances = None,
    inputs: Inputs = None,
    as_json: Json = False,
) -> None:
    """Simulate the test bench of a circuit and summarise, save or draw its waveforms.

    Example: memspice simulate lif --plot lif.png --csv lif.csv
    """
    with clear_errors():
        chosen = choose("engine", ENGINES, engine)()
        bench, analysis = _bench(name, settings, (rows, cols), seed, conductances, inputs)
        waves = chosen.run(bench, analysis)
        if csv is not None:
            waves.to_csv(csv)
        if plot is not None:
            draw(waves, plot)
        _summarise(waves, bench.title, as_json=as_json)


def _summarise(waves: Waveforms, title: str, *, as_json: bool) -> None:
    real = {name: np.abs(values) if np.iscomplexobj(values) else values for name, values in waves.signals.items()}
    rows = {name: (float(values.min()), float(values.max()), float(values[-1])) for name, values in real.items()}
    if as_json:
        signals = {name: dict(zip(("min", "max", "last"), row, strict=True)) for name, row in rows.items()}
        print(
            json.dumps({"engine": waves.engine, "digest": waves.digest, "points": len(waves.axis), "signals": signals})
        )
        return
    table = Table("signal", "min", "max", "last", title=f"{title}: {len(waves.axis)} points, {waves.engine}")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.6g}" for value in row))
    console.print(table)


def draw(waves: Waveforms, path: Path) -> None:
    """One panel for each signal over the axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 * len(waves.signals) + 0.8), layout="constrained")
    panels = figure.subplots(len(waves.signals), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, values) in zip(panels, waves.signals.items(), strict=True):
        panel.plot(waves.axis, np.abs(values) if np.iscomplexobj(values) else values, lw=1)
        panel.set_ylabel(name + (" (A)" if name.startswith("i(") else " (V)"))
        panel.grid(alpha=0.3)
    unit = {"time": "time (s)", "frequency": "frequency (Hz)"}.get(waves.axis_name, waves.axis_name)
    panels[-1].set_xlabel(unit)
    if waves.axis_name == "frequency":
        panels[-1].set_xscale("log")
    figure.savefig(path, dpi=150)


@app.command()
def calibrate(
    names: Annotated[list[str] | None, typer.Argument(help=f"Any of {', '.join(CIRCUITS)}.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Calibrate every circuit.")] = False,
    settings: Set = None,
    engine: Engine = "ngspice",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Record to write, for one circuit.")] = None,
    file: external.File = None,
    subckt: external.Name = None,
    ports: external.Map = "",
    ties: external.Tie = "",
    param: external.Param = "",
    flavour: external.Flavour = "ngspice",
    without: external.Without = "",
    part: external.Part = None,
) -> None:
    """Fit the twin of a circuit to what a simulator says of its bench, and write the record.

    Without --set the shipped record is renewed; with it, --output says where the new record goes. --external puts your
    own circuit behind the ports of ours; --set then says what it should be, which scales the bench.

    Example: memspice calibrate lif -s c=2e-12 -o my_lif.json

    Example: memspice calibrate lif --external n.cir --map m=in,out=spike,vdd=vcc -o my.json
    """
    with clear_errors():
        chosen = list(CIRCUITS) if every else names or []
        if not chosen or (output and len(chosen) > 1) or ((settings or file) and output is None):
            raise ValueError(
                "name one circuit (or --all); with --set or --external, also --output FILE for the new record"
            )
        simulator = choose("engine", ENGINES, engine)()
        table = Table("circuit", "bench worst", "unseen worst", "unseen rms", "fit")
        for name in chosen:
            circuit: Circuit = choose("circuit", CIRCUITS, name)
            params = with_settings(circuit.params, settings or [])
            if file is not None:
                simulator = external.substitute(
                    simulator, circuit, params, file, name=subckt, ports=ports, ties=ties, parameters=param,
                    flavour=flavour, without=without, part=part,
                )  # fmt: skip
            record = circuit.calibrate(params, simulator)
            path = calibration.save(record, output)
            fit = ", ".join(f"{key}={value:.4g}" for key, value in record.fit.items())
            errors = (record.bench.worst, record.unseen.worst, record.unseen.rms)
            table.add_row(name, *(f"{100 * error:.3g} %" for error in errors), fit)
            console.print(f"wrote {path}", soft_wrap=True)
        console.print(table)
