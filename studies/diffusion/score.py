r"""The score network 2-14-14-2 of the paper, its training with noise on its weights, and the software sampler.

    h1 = relu(W1 x + b1 + e)    h2 = relu(W2 h1 + b2 + e)    score = 5 (W3 h2 + b3)
    e = (sin 2πω t, cos 2πω t)                               ω: 7 fixed random frequencies

The embedding e is what digital-to-analogue converters give; the weights are what is in the crossbars.
"""

from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from devicemodels.units import Count, One
from netlists.mlp import Layer
from studies.diffusion.sde import Controls, marginal

HIDDEN = 14
AMPLIFIER: One = 5.0
"""Fixed gain behind the last layer."""
EMBEDDING = tuple(f"e{k}" for k in range(HIDDEN))
"""Names of the embedding's inputs in the circuit."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a score network is trained."""

    steps: Count = 20_000
    batch: Count = 512
    rate: One = 4e-3
    """Adam, cosine to 0 (the paper: 2e-4 for 200,000 steps)."""
    decay: One = 3e-5
    noise: One = 0.1
    """Relative deviation of every weight, drawn anew for each batch."""
    noise_limit: One = 0.2
    """Larger draws are replaced by uniform ones inside."""
    saturation: One = 1e-7
    """Weight in the loss of the sum of hidden activations above `knee`."""
    knee: One = 1.5
    """Hidden activation above which it counts."""
    clip: One = 1.0
    """Largest norm of the gradient."""


class ScoreNet(nn.Module):
    """The network."""

    frequencies: Tensor

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        sizes = ((2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2))
        self.weights = nn.ParameterList([_uniform((m, n), m, generator) for m, n in sizes])
        self.biases = nn.ParameterList([_uniform((n,), m, generator) for m, n in sizes])
        self.register_buffer("frequencies", torch.randn(HIDDEN // 2, generator=generator))

    def embedding(self, t: Float[Tensor, " batch"]) -> Float[Tensor, "batch hidden"]:
        """Embedding of the time."""
        angle = 2 * pi * t[:, None] * self.frequencies.to(t)
        return torch.cat([angle.sin(), angle.cos()], 1)

    def forward(self, x: Float[Tensor, "batch 2"], e: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch 2"]:
        """The score for the embedding e."""
        return score(list(self.weights), list(self.biases), x, e)[0]

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights [row, col] and biases [col] of the three layers."""
        return tuple([v.detach().double().numpy() for v in values] for values in (self.weights, self.biases))  # pyright: ignore


def score(
    weights: list[Tensor], biases: list[Tensor], x: Tensor, e: Tensor, limit: float = torch.inf
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The score and the hidden activations, those clipped at `limit`."""
    one = torch.relu(torch.addmm(biases[0], x, weights[0]) + e).clamp(max=limit)
    two = torch.relu(torch.addmm(biases[1], one, weights[1]) + e).clamp(max=limit)
    return AMPLIFIER * torch.addmm(biases[2], two, weights[2]), (one, two)


def layers(weights: list[np.ndarray], biases: list[np.ndarray]) -> tuple[Layer, ...]:
    """The three layers for the circuit: the embedding enters both hidden ones with weight 1."""
    driven = {"inputs": EMBEDDING, "input_weight": np.eye(HIDDEN)}
    own = ({"weight": w, "bias": b} for w, b in zip(weights, biases, strict=True))
    return tuple(Layer(**one, **more) for one, more in zip(own, (driven, driven, {}), strict=True))


def train(points: Float[Tensor, "sample 2"], how: Training, generator: torch.Generator) -> ScoreNet:
    """A network trained on `points` by denoising score matching, with noise on all weights."""
    net = ScoreNet(generator)
    optimiser = torch.optim.Adam(net.parameters(), how.rate, weight_decay=how.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.steps)
    for _ in range(how.steps):
        loss = _loss(net, points[torch.randint(len(points), (how.batch,), generator=generator)], how, generator)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), how.clip)
        optimiser.step()
        schedule.step()
    return net


def _loss(net: ScoreNet, x: Tensor, how: Training, generator: torch.Generator) -> Tensor:
    t = torch.rand(len(x), generator=generator).clamp(min=1e-5)
    m, sigma = marginal(t)
    z = torch.randn(x.shape, generator=generator)
    values = [_noisy(v, how, generator) for v in (*net.weights, *net.biases)]
    found, hidden = score(values[:3], values[3:], m[:, None] * x + sigma[:, None] * z, net.embedding(t))
    beyond = sum((h - how.knee).clamp(min=0).sum() for h in hidden)
    return (found * sigma[:, None] + z).square().sum(1).mean() + how.saturation * beyond


def _noisy(value: Tensor, how: Training, generator: torch.Generator) -> Tensor:
    e = how.noise * torch.randn(value.shape, generator=generator)
    flat = how.noise_limit * (2 * torch.rand(value.shape, generator=generator) - 1)
    return value * (1 + torch.where(e.abs() >= how.noise_limit, flat, e))


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter((2 * torch.rand(shape, generator=generator) - 1) / fan_in**0.5)


@torch.no_grad()
def sample(
    net: ScoreNet,
    x: Float[Tensor, "batch 2"],
    how: Controls,
    generator: torch.Generator,
    *,
    weights: tuple[list[Tensor], list[Tensor]] | None = None,
    limit: float = torch.inf,
    read_noise: One = 0.0,
) -> Float[Tensor, "batch 2"]:
    """Software sampler: Euler steps from x. `weights` replaces the network's, hidden values are clipped at `limit`,
    and every weight is read with fresh relative noise in every step."""
    values, biases = weights or (list(net.weights), list(net.biases))
    for k in range(len(how.t)):
        seen = [[_read(v, read_noise, generator).to(x) for v in group] for group in (values, biases)]
        e = net.embedding(how.t[k].to(x).expand(len(x)))
        s = score(seen[0], seen[1], x, e, limit)[0]
        x = x + how.ds * (how.drift[k].to(x) * x + how.score[k].to(x) * s)
        if how.noise[k] > 0:
            x = x + how.ds * how.noise[k].to(x) * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x


def _read(value: Tensor, noise: One, generator: torch.Generator) -> Tensor:
    return value * (1 + noise * torch.randn(value.shape, generator=generator)) if noise else value
