"""Speed of `AnalogODE` beside torchdiffeq: one 6-64-6 trajectory, and a batch, forward and with all gradients.

Both solve the same rectified network with the same steps of Runge and Kutta's rule, and their answers are compared.
CPU time (user and system) per step, one thread, medians of interleaved runs after one to warm up (numba's compiler).

    python -m tests.bench.ode --steps 1000
"""

import argparse
import os
import statistics
from collections.abc import Callable
from itertools import product

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor
from torchdiffeq import odeint

from cosim.hardware import IDEAL
from cosim.layers import AnalogODE, AnalogRate
from cosim.layers.ode import fused
from tests.bench.measure import cpu_seconds

LIMIT = 10.0
"""Times that one trajectory has to be faster than torchdiffeq."""
OURS, FALLBACK, PEER = "fused, numba", "fused, torch", "torchdiffeq rk4"
Solve = Callable[[Tensor, Tensor], Tensor]


def arms(rate: AnalogRate, step: float) -> dict[str, Solve]:
    ode, plain = AnalogODE(rate, step=step), [p.detach().T.clone().requires_grad_() for p in rate.parameters()]

    def peer(h: Tensor, times: Tensor) -> Tensor:
        def f(_: Tensor, x: Tensor) -> Tensor:
            first, second = plain
            hidden = torch.addmm(first[-1], x, first[:-1]).relu()
            return torch.addmm(second[-1], hidden, second[:-1])

        solved = odeint(f, h, times, method="rk4", options={"perturb": False})
        assert isinstance(solved, Tensor)
        return solved

    def ours(compiled: object) -> Solve:
        def solve(h: Tensor, times: Tensor) -> Tensor:
            fused.compiled = compiled  # pyright: ignore[reportAttributeAccessIssue]
            return ode(h, times)

        return solve

    return {OURS: ours(fused.compiled), FALLBACK: ours(None), PEER: peer}


def seconds(solve: Solve, h: Tensor, times: Tensor, *, train: bool) -> float:
    begin = cpu_seconds()
    with torch.set_grad_enabled(train):
        path = solve(h, times)
        if train:
            path.sum().backward()
    return cpu_seconds() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 128])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assert fused.compiled is not None, "numba is not installed: pip install 'memspice[fast]'"
    solvers = arms(AnalogRate((6, 64, 6), IDEAL, seed=0).float(), step=0.01)
    print("| batch | arm | forward, CPU µs/step | torchdiffeq / | with gradients | torchdiffeq / |")
    print("|---|---|---|---|---|---|")
    for batch in options.batches:
        h = 0.1 * torch.randn(batch, 6, generator=torch.Generator().manual_seed(0))
        times = torch.arange(options.steps + 1) * 0.01
        # float32: rounding of a thousand steps. torchdiffeq takes the 3/8 rule, of the same order and price.
        answers = [solve(h, times[:101]).detach() for solve in solvers.values()]
        assert all((answer - answers[0]).abs().max() < 1e-4 for answer in answers)
        found = {key: [] for key in product(solvers, (False, True))}
        for run in range(options.runs + 1):
            for name, train in found:
                cpu = seconds(solvers[name], h, times, train=train)
                found[name, train] += [cpu] if run else []
        medians = {key: statistics.median(values) for key, values in found.items()}
        for name in solvers:
            cells = (
                f"{1e6 * medians[name, train] / options.steps:.1f} | {medians[PEER, train] / medians[name, train]:.1f}"
                for train in (False, True)
            )
            print(f"| {batch} | {name} | {' | '.join(cells)} |", flush=True)
        if batch == 1:
            ratios = [medians[PEER, train] / medians[OURS, train] for train in (False, True)]
            print(f"one trajectory, at least {LIMIT:g} times: {'met' if min(ratios) >= LIMIT else 'missed'}")


if __name__ == "__main__":
    main()
