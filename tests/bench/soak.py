"""Long runs of run_many and sweep: resumed after `kill -9`, on Dask with a worker killed, and memory over many runs.

python -m tests.bench.soak                                  # 5,000 runs killed three times, 20,000 for memory
python -m tests.bench.soak --runs 200 --kills 2 --memory 2000
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from cosim.engines import ENGINES, Op, Tran
from cosim.engines.ngspice_shared import NgspiceShared
from cosim.engines.process import resident
from cosim.runs import Cache, Job, run_each
from cosim.sweeps import Measure, Normal, save, sweep
from devicemodels.units import POSITIVE, Farad, Ohm, validate
from netlists.spice import C, Netlist, Pwl, R, V

if TYPE_CHECKING:
    import xarray as xr

ROOT = Path(__file__).parents[2]
SEED = 7


@dataclass(frozen=True, kw_only=True)
class RcParams:
    """A low-pass filter."""

    r: Annotated[Ohm, POSITIVE] = 1e3
    c: Annotated[Farad, POSITIVE] = 1e-9

    def __post_init__(self) -> None:
        validate(self)


STEP = Tran(stop=1e-6, max_step=1e-9)


def step_response(p: RcParams, rng: np.random.Generator) -> Job:
    """The filter after a step of 1 V, plus an offset of the source that only this sample has."""
    source = V("in", "inp", "0", 0.0, Pwl(((0.0, 0.0), (1e-9, 1.0 + 0.01 * rng.standard_normal()))))
    netlist = Netlist(
        title="low-pass", elements=(source, R("1", "inp", "out", p.r), C("1", "out", "0", p.c)), probes=("v(out)",)
    )
    return netlist, STEP


def monte_carlo(runs: int, **options: Any) -> "xr.Dataset":
    """Samples of the filter in libngspice; the options are those of sweep."""
    with NgspiceShared(timeout=60.0) as engine:
        return sweep(
            step_response,
            {},
            engine=engine,
            base=RcParams(),
            samples=runs,
            vary={"r": Normal(sigma=0.1), "c": Normal(sigma=0.1)},
            seed=SEED,
            measure={"end": Measure(lambda waves: waves["v(out)"][-1], "V")},
            **options,
        )


def kept(folder: Path) -> int:
    """Answers in a cache."""
    return sum(1 for _ in folder.glob("*/*.run"))


def killed(runs: int, kills: int, folder: Path, workers: int) -> tuple[Path, list[tuple[int, int]]]:
    """The result of a Monte Carlo run that was killed with SIGKILL and started again.

    Also the number of answers in the cache when the signal was sent, and when all processes had gone.
    """
    output, cache = folder / "resumed.nc", folder / "cache"
    command = [sys.executable, "-m", "tests.bench.soak", "--child", str(output), "--cache", str(cache)]
    command += ["--runs", str(runs), "--workers", str(workers)]
    seen = []
    for kill in range(1, kills + 1):
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as child:
            while child.poll() is None and kept(cache) < runs * kill // (kills + 1):
                time.sleep(0.002)
            child.send_signal(signal.SIGKILL)
            count = kept(cache)
        if child.returncode != -signal.SIGKILL:
            raise RuntimeError("the run had ended before it could be killed; give it more runs")
        time.sleep(1.0)  # in which its workers notice
        seen.append((count, kept(cache)))
    subprocess.run(command, cwd=ROOT, check=True)
    return output, seen


def on_dask(runs: int) -> "xr.Dataset":
    """The same on two local Dask workers, one of which is killed halfway."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        pids: list[int] = list(client.run(os.getpid).values())  # pyright: ignore[reportAttributeAccessIssue]

        def kill(done: int, _: int) -> None:
            if pids and done >= runs // 2:
                os.kill(pids.pop(), signal.SIGKILL)
                pids.clear()

        return monte_carlo(runs, cluster=client, progress=kill)


def memory(runs: int, workers: int) -> list[tuple[int, float, float]]:
    """(runs, MB of this process, MB of all below it) at ten moments of many operating points."""
    seen = []
    with NgspiceShared(timeout=60.0) as engine:
        for done, _ in enumerate(run_each(_dividers(runs), engine, workers=workers, total=runs), 1):
            if done % (runs // 10) == 0 and done < runs:
                below = sum(resident(pid) or 0 for pid in _below(os.getpid()))
                seen.append((done, (resident(os.getpid()) or 0) / 1e6, below / 1e6))
    return seen


def _dividers(runs: int) -> Iterator[Job]:
    for k in range(runs):
        elements = (V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 1.0 + k))
        yield Netlist(title="divider", elements=elements, probes=("v(b)",)), Op()


def _below(pid: int) -> list[int]:
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for word in words for found in (int(word), *_below(int(word)))]


def _report(options: argparse.Namespace) -> None:
    import xarray as xr

    say: Callable[..., None] = lambda *words: print(*words, flush=True)  # noqa: E731
    say(f"# Soak, {ENGINES['ngspice']().version()}\n")
    whole = monte_carlo(options.runs, workers=options.workers)
    with tempfile.TemporaryDirectory() as folder:
        output, seen = killed(options.runs, options.kills, Path(folder), options.workers)
        with xr.open_dataset(output) as resumed:
            same = resumed.load().identical(whole)
    say(f"{int(whole.attrs['failed'])} of {options.runs} samples failed")
    say(f"{options.runs} samples, killed with SIGKILL at {seen} kept answers: identical to one run: {same}")
    say(f"the same on Dask, one of two workers killed: identical: {on_dask(options.runs).identical(whole)}\n")
    say("| runs | MB here | MB of workers and libraries |\n|---|---|---|")
    for runs, here, below in memory(options.memory, options.workers):
        say(f"| {runs} | {here:.1f} | {below:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Soak tests of run_many and sweep.")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--memory", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", type=Path, help="used by itself: run the samples and write this file")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    if options.child:
        save(monte_carlo(options.runs, cache=Cache(options.cache), workers=options.workers), options.child)
    else:
        _report(options)


if __name__ == "__main__":
    main()
