"""Commands about this machine: doctor."""

import json
from dataclasses import asdict

import typer
from rich.table import Table

from cosim import doctor
from cosim.cli.app import Json, app, console


@app.command("doctor")
def doctor_command(as_json: Json = False) -> None:
    """Report what memspice found on this machine, and how to get what is missing.

    Example: memspice doctor
    """
    checks = doctor.checks()
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        table = Table("", "part", "found", "how to get it")
        for check in checks:
            mark = "[green]OK[/]" if check.ok else "[yellow]optional[/]" if check.optional else "[red]missing[/]"
            table.add_row(mark, check.name, check.found, "" if check.ok else check.remedy)
        console.print(table)
    if not all(check.ok or check.optional for check in checks):
        raise typer.Exit(1)
