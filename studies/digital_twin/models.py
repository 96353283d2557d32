"""The analogue neural ODE and its discrete rivals, all rolled out from an initial state under a drive.

twin        dx/dt = f(x, u), f rectified products on crossbars, Runge and Kutta's rule with the samples' step
resnet      x[k+1] = x[k] + f(x[k], u[k]), f the same network in digital: a residual network of finite depth
lstm, gru   x[k+1] = x[k] + W s[k],  s[k] the cell's state for the input (x[k], u[k]), from 0 at the start
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cosim import clip_weights, set_training_noise
from cosim.hardware import Hardware
from cosim.layers import AnalogODE, AnalogRate, TrainingNoise
from devicemodels.statistics import ProgrammingError, ReadNoise
from netlists.mlp import MlpParams
from studies.digital_twin.systems import Data

RIVALS = ("resnet", "lstm", "gru")


class Twin(nn.Module):
    """The neural ODE; `rate` holds its crossbars."""

    def __init__(self, rate: AnalogRate) -> None:
        super().__init__()
        self.rate = rate

    def forward(
        self, x0: Float[Tensor, "batch state"], drives: Float[Tensor, "half_step batch input"], steps: int, dt: float
    ) -> Float[Tensor, "time batch state"]:
        times = torch.arange(steps + 1, dtype=x0.dtype) * dt
        return AnalogODE(self.rate, step=dt)(x0, times, drives)


class Rival(nn.Module):
    """One of the discrete models."""

    def __init__(self, kind: str, states: int, inputs: int, hidden: int) -> None:
        super().__init__()
        if kind not in RIVALS:
            raise ValueError(f"kind must be one of {', '.join(RIVALS)}, got {kind!r}")
        cells = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}
        rows = states + inputs
        self.cell = cells[kind](rows, hidden) if kind in cells else nn.Sequential(nn.Linear(rows, hidden), nn.ReLU())
        self.kind, self.out = kind, nn.Linear(hidden, states)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, x0: Float[Tensor, "batch state"], drives: Float[Tensor, "half_step batch input"], steps: int, dt: float
    ) -> Float[Tensor, "time batch state"]:
        x, state, path = x0, None, [x0]
        for k in range(steps):
            rows = torch.cat([x, drives[2 * k]], 1)
            state = self.cell(rows) if self.kind == "resnet" else self.cell(rows, state)
            x = x + self.out(state[0] if self.kind == "lstm" else state)
            path.append(x)
        return torch.stack(path)


def hardware(error: float = 0.0, read_noise: float = 0.0) -> Hardware:
    """The crossbars of netlists.mlp as tiles, with a programming error over g_max and a relative read noise."""
    p = MlpParams()
    return Hardware(
        g_min=p.g_min,
        g_max=p.g_max,
        v_read=p.unit,
        crossbar=p.crossbar,
        programming=ProgrammingError(absolute=error * p.g_max) if error else None,
        read_noise=ReadNoise(relative=read_noise) if read_noise else None,
    )


def twin(states: int, inputs: int, hidden: int, seed: int, *, error: float = 0.0, read_noise: float = 0.0) -> Twin:
    rate = AnalogRate((states, hidden, states), hardware(error, read_noise), inputs=inputs, seed=seed)
    return Twin(rate.double())


def rival(kind: str, states: int, inputs: int, hidden: int, seed: int) -> Rival:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Rival(kind, states, inputs, hidden).double()


def train(
    model: nn.Module,
    data: Data,
    phases: tuple[tuple[int, int], ...],
    *,
    batch: int,
    rate: float,
    seed: int,
    noise: float = 0.0,
    clip: float | None = None,
) -> list[float]:
    """Train on segments of the data from true states; `phases` are (iterations, steps of a segment).

    The loss is the mean square over a segment, divided by its length in time: an error of the rate counts alike in
    short and long ones. `noise` is the programming error over g_max drawn anew for each iteration, `clip` the largest
    weight in standard deviations of its layer. Returns the loss of every 100th iteration.
    """
    generator = torch.Generator().manual_seed(seed)
    if noise:
        error = ProgrammingError(absolute=noise * MlpParams().g_max)
        set_training_noise(model, TrainingNoise(programming=error, cells="each"), generator)
    states, drives = (torch.from_numpy(x) for x in (data.states, data.drives))
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, sum(count for count, _ in phases))
    losses = []
    model.train()
    for count, steps in phases:
        for k in range(count):
            path, segment = _segments(states, drives, steps, batch, generator)
            optimiser.zero_grad()
            loss = (model(path[0], segment, steps, data.dt) - path).square().mean() / (steps * data.dt) ** 2
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if clip is not None:
                clip_weights(model, clip)
            if k % 100 == 0:
                losses.append(float(loss.detach()))
    if noise:
        set_training_noise(model, None)
    model.eval()
    return losses


def _segments(
    states: Tensor, drives: Tensor, steps: int, batch: int, generator: torch.Generator
) -> tuple[Float[Tensor, "time batch state"], Float[Tensor, "half_step batch input"]]:
    count, length = states.shape[:2]
    which = torch.randint(count, (batch,), generator=generator)
    start = torch.randint(length - steps, (batch,), generator=generator)
    at = start + torch.arange(steps + 1)[:, None]
    half = 2 * start + torch.arange(2 * steps + 1)[:, None]
    return states[which, at], drives[which, half]
