"""A sample of finished jobs run again, at tighter tolerances and in a second simulator, and how far that is off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from cosim.engines.base import Analysis, Engine, SimulationError, Tran
from cosim.runs.jobs import Answer, Job
from cosim.runs.many import run_many
from cosim.waveforms import Waveforms
from devicemodels.units import One

TIGHTER: One = 0.1
"""Factor on every tolerance; steps become half as long."""
AGREE: One = 0.02
"""Difference, as a fraction of the swing of a signal, above which two runs disagree."""


@dataclass(frozen=True)
class Recheck:
    """Job `index` run again by `how`: the worst difference, as a fraction of the swing of its signal.

    `difference` is NaN where `error` says why there is none.
    """

    index: int
    how: str
    difference: Annotated[float, "fraction"]
    signal: str = ""
    error: str = ""

    @property
    def agrees(self) -> bool:
        """False also when there was nothing to compare."""
        return self.difference <= AGREE

    def __str__(self) -> str:
        found = self.error or f"{self.signal} differs by {100 * self.difference:.3g} % of its swing"
        return f"job {self.index}, {self.how}: {found}"


def tighter(analysis: Analysis) -> Analysis:
    """The same analysis with a tenth of every tolerance and, for a transient, half the longest step."""
    old = analysis.options
    options = replace(old, reltol=TIGHTER * old.reltol, abstol=TIGHTER * old.abstol, vntol=TIGHTER * old.vntol)
    if isinstance(analysis, Tran):
        return replace(analysis, options=options, max_step=analysis.max_step / 2)
    return replace(analysis, options=options)


def chosen(number: int, share: float, seed: int) -> list[int]:
    """Which of `number` jobs are run again: at least one, the same for the same seed."""
    if not 0 < share <= 1:
        raise ValueError(f"recheck must be a share above 0 and at most 1, got {share!r}")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    return sorted(rng.choice(number, size=max(1, round(share * number)), replace=False).tolist()) if number else []


def recheck(
    jobs: Sequence[Job],
    answers: Sequence[Answer],
    engine: Engine,
    *,
    share: float = 0.02,
    second: Engine | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> list[Recheck]:
    """Run a random `share` of the jobs again: tighter in `engine`, and tighter in `second`, such as VACASK.

    Jobs whose answer is an error are left out. A circuit that the second simulator cannot do is reported as such. A
    transient that spikes may differ by a whole swing where a spike comes a step later: that is reported too.
    """
    done = [k for k, answer in enumerate(answers) if isinstance(answer, Waveforms)]
    indices = [done[k] for k in chosen(len(done), share, seed)]
    found: list[Recheck] = []
    for how, other in (("tighter", engine), (second.version() if second else "", second)):
        if other is None:
            continue
        again = run_many([(jobs[k][0], tighter(jobs[k][1])) for k in indices], other, workers=workers)
        found += [_compared(k, how, answers[k], answer) for k, answer in zip(indices, again, strict=True)]
    return found


def _compared(index: int, how: str, first: Answer, again: Answer) -> Recheck:
    assert isinstance(first, Waveforms)
    if isinstance(again, SimulationError):
        return Recheck(index, how, float("nan"), error=again.what)
    worst, signal = max((_difference(name, first, again), name) for name in first.signals)
    return Recheck(index, how, worst, signal)


def _difference(name: str, first: Waveforms, again: Waveforms) -> float:
    """Worst difference over the largest value of a signal, on the points of the first run that both cover."""
    inside = (first.axis >= again.axis[0]) & (first.axis <= again.axis[-1])
    reference = first[name][inside]
    off = np.abs(again.at(name, first.axis[inside]) - reference)
    scale = np.ptp(reference) if np.isrealobj(reference) and reference.size > 1 else 0.0
    scale = scale or np.abs(reference).max()
    return float(off.max() / scale) if scale else float(off.max() > 0)
