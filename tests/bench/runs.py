"""run_many against a loop in one process: rate, CPU time per run, two workers against one, and the cache.

python -m tests.bench.runs --folder runs/bench
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from cosim.engines import ENGINES, Engine, Op, Tran
from cosim.runs import Cache, Job, run_many
from netlists.spice import C, Netlist, Pwl, R, V
from tests.bench.measure import cpu_seconds, machine

STEP = V("in", "inp", "0", 0.0, Pwl(((0.0, 0.0), (1e-9, 1.0))))
Row = tuple[float, float]
"""Wall and CPU seconds of one run."""


def dividers(number: int) -> list[Job]:
    """Operating points of two resistors."""
    source, upper = V("1", "a", "0", 1.0), R("1", "a", "b", 1e3)
    lower = (R("2", "b", "0", 1.0 + k) for k in range(number))
    return [(Netlist(title="divider", elements=(source, upper, r), probes=("v(b)",)), Op()) for r in lower]


def transients(number: int) -> list[Job]:
    """1,000 points of an RC after a step."""
    c = C("1", "out", "0", 1e-9)
    resistors = (R("1", "inp", "out", 1e3 + k) for k in range(number))
    netlists = (Netlist(title="low-pass", elements=(STEP, r, c), probes=("v(out)",)) for r in resistors)
    return [(netlist, Tran(stop=1e-6, max_step=1e-9)) for netlist in netlists]


def timed(engine: Engine, jobs: list[Job], how: Callable[[Engine, list[Job]], object]) -> Row:
    """Per run, start and end of all processes included."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    how(engine, jobs)
    if close := getattr(engine, "close", None):
        close()
    return (time.perf_counter() - wall) / len(jobs), (cpu_seconds() - cpu) / len(jobs)


def loop(engine: Engine, jobs: list[Job]) -> None:
    """The limit of one process: no pool, no list, no cache."""
    for job in jobs:
        engine.run(*job)


def many(workers: int, cache: Cache | None = None) -> Callable[[Engine, list[Job]], None]:
    """run_many; every answer must be whole."""

    def run(engine: Engine, jobs: list[Job]) -> None:
        for answer in run_many(jobs, engine, workers=workers, cache=cache):
            if isinstance(answer, Exception):
                raise answer

    return run


def measure(name: str, jobs: list[Job], rounds: int) -> dict[str, list[Row]]:
    """Every way of running the jobs, one after the other in each round, so that a change of load meets all of them."""
    rows: dict[str, list[Row]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(folder)
            for what, how in {
                "loop": loop,
                "one worker": many(1),
                "two workers": many(2),
                "two workers, cache filled": many(2, cache),
                "two workers, from the cache": many(2, cache),
            }.items():
                rows.setdefault(what, []).append(timed(ENGINES[name](), jobs, how))
    return rows


def table(title: str, rows: dict[str, list[Row]]) -> str:
    """Medians, and ratios that were taken within each round."""
    lines = [
        f"### {title}\n",
        "| | runs/s | CPU ms per run | CPU / loop | rate / one worker |",
        "|---|---|---|---|---|",
    ]
    for what, found in rows.items():
        wall, cpu = (statistics.median(row[k] for row in found) for k in (0, 1))
        more = statistics.median(row[1] / base[1] for row, base in zip(found, rows["loop"], strict=True))
        faster = statistics.median(one[0] / row[0] for row, one in zip(found, rows["one worker"], strict=True))
        lines.append(f"| {what} | {1 / wall:.0f} | {1e3 * cpu:.3g} | {more:.3f} | {faster:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--points", type=int, default=10_000, help="operating points")
    parser.add_argument("--transients", type=int, default=2_000)
    parser.add_argument("--processes", type=int, default=500, help="operating points with one ngspice process each")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    parts = [" · ".join(f"{name} {value}" for name, value in machine().items())]
    print(parts[0], flush=True)
    for title, engine, jobs in (
        (f"{options.points} operating points, ngspice-shared", "ngspice-shared", dividers(options.points)),
        (f"{options.transients} transients of 1,000 points, ngspice-shared", "ngspice-shared",
         transients(options.transients)),
        (f"{options.processes} operating points, ngspice", "ngspice", dividers(options.processes)),
    ):  # fmt: skip
        parts.append(table(title, measure(engine, jobs, options.rounds)))
        print("\n" + parts[-1], flush=True)
    text = "\n\n".join(parts)
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "runs.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
