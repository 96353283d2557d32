"""How often the 95 % intervals of a fit hold the truth: python -m tests.bench.fit [[first:]end] [device ...]

Data: a loop, solved by LSODA at rtol 1e-9, with 2 % of Gaussian noise on each reading. Each seed, by default of
0 to 49, draws a truth.
"""

import math
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from devicemodels import Device, device
from devicemodels.fit import Fit, fit
from devicemodels.fit.data import Trace, sweep
from netlists.spice import Pwl
from tests.devicemodels.benches import oracle

NOISE = 0.02
READINGS = 401
LOOPS = {
    "ohmic": (0.5, -0.5, 1e-6),
    "sinh": (0.5, -0.5, 1e-6),
    "vteam": (1.2, -2.6, 40e-9),
    "hp": (1.6, -1.6, 2.0),
    "pershin": (3.0, -3.0, 80e-9),
    "yakopcic": (0.5, -0.5, 10e-3),
}
"""Peaks (V) and duration (s) of a loop that takes the state from bound to bound, so that all it can show it shows."""
VARIED = {
    "ohmic": ("g",),
    "sinh": ("g", "a"),
    "vteam": ("r_on", "r_off", "v_on", "v_off", "k_on", "k_off"),
    "hp": ("r_on", "r_off", "d"),
    "pershin": ("r_on", "r_off", "v_t"),
    "yakopcic": ("a1", "a2", "a_p", "a_n"),
}
"""Parameters whose truth is drawn within 10 % of the default; of those that act together, the one that is fitted."""


def truth(d: Device, rng: np.random.Generator) -> Any:
    """A parameter set near the default."""
    default = d.params()
    return replace(default, **{n: getattr(default, n) * rng.uniform(0.9, 1.1) for n in VARIED[d.name]})


def as_kept(p: Any, found: Fit) -> Any:
    """The same cell as `p` written with the values that a fit kept of parameters that act only together with others:
    of hp the data show mu_v/d², of vteam k/(w_off - w_on), of yakopcic a b, as sinh(b v) is b v within 1e-4."""
    kept = found.params
    if found.device.name == "hp" and "mu_v" not in found.free:
        return replace(p, mu_v=kept.mu_v, d=p.d * math.sqrt(kept.mu_v / p.mu_v))
    if found.device.name == "vteam":
        share = (kept.w_off - kept.w_on) / (p.w_off - p.w_on)
        return replace(p, w_on=kept.w_on, w_off=kept.w_off, k_on=p.k_on * share, k_off=p.k_off * share)
    if found.device.name == "yakopcic" and "b" not in found.free:
        return replace(p, b=kept.b, a1=p.a1 * p.b / kept.b, a2=p.a2 * p.b / kept.b)
    return p


def measured(d: Device, p: Any, rng: np.random.Generator, noise: float = NOISE, readings: int = READINGS) -> Trace:
    """A noisy loop of a cell of parameters `p`."""
    plus, minus, duration = LOOPS[d.name]
    wave = Pwl(tuple((duration * k / 4, v) for k, v in enumerate((0.0, plus, 0.0, minus, 0.0))))
    t = np.linspace(0, duration, readings)
    v = np.interp(t, [point[0] for point in wave.points], [point[1] for point in wave.points])
    i = oracle(d, p, wave, t)[1]
    return sweep(v, i * (1 + noise * rng.standard_normal(len(i))), t)


def main() -> None:
    torch.set_num_threads(1)
    first, _, last = (sys.argv[1] if len(sys.argv) > 1 else "0:50").rpartition(":")
    seeds = range(int(first or 0), int(last))
    for name in sys.argv[2:] or list(LOOPS):
        d, began = device(name), time.process_time()
        inside, identified, fits, arrived = Counter[str](), Counter[str](), 0, 0
        for done, seed in enumerate(seeds, start=1):
            rng = np.random.default_rng(seed)
            p = truth(d, rng)
            found = fit(d, measured(d, p, rng), starts=2, seed=seed, spread=False)
            p = as_kept(p, found)
            fits += found.verdict.fits
            arrived += found.solution.arrived
            for n, (low, high) in found.interval.items():
                if n not in found.weak:
                    identified[n] += 1
                    inside[n] += low <= getattr(p, n) <= high
            seconds = (time.process_time() - began) / done
            shares = ", ".join(f"{n} {inside[n]}/{identified[n]}" for n in identified)
            verdicts = f"verdict 'fits' {fits}/{done}, searches arrived {arrived}/{done}"
            report = f"{name}: {seconds:.1f} CPU s per fit, {verdicts}; truth inside: {shares}"
            print(report, end="\n" if done == len(seeds) else "\r", flush=True)


if __name__ == "__main__":
    main()
