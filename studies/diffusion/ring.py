"""The ring, and measures of how well generated points follow a distribution of points in the plane."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import entropy
from torch import Tensor

from devicemodels.units import One

RADIUS, WIDTH = 0.7, 0.04
SIDE = 1.2
"""Histograms cover -SIDE ... SIDE in both coordinates."""
BINS = 50
EPSILON: One = 1e-10


def ring(count: int, generator: torch.Generator) -> Float[Tensor, "count 2"]:
    """Points of radius N(0.7, 0.04²) at uniform angles."""
    radius = RADIUS + WIDTH * torch.randn(count, generator=generator)
    angle = 2 * torch.pi * torch.rand(count, generator=generator)
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


def kl(generated: Float[np.ndarray, "sample 2"], data: Float[np.ndarray, "sample 2"]) -> float:
    """KL divergence (nats) between 50 x 50 histograms, each bin plus 1e-10 [code of the group's follow-up].

    It falls with the number of points, also between two draws of the same distribution: quote the count.
    """
    edges = np.linspace(-SIDE, SIDE, BINS + 1)
    p, q = (np.histogram2d(*points.T, bins=[edges, edges])[0].ravel() for points in (generated, data))
    return float(entropy(p / max(p.sum(), 1) + EPSILON, q / q.sum() + EPSILON))


def radius(points: Float[np.ndarray, "sample 2"]) -> dict[str, float]:
    """Mean and standard deviation of the radius, and the emptiest and fullest of 12 sectors over their mean."""
    r = np.hypot(*points.T)
    sectors = np.histogram(np.arctan2(points[:, 1], points[:, 0]), 12, (-np.pi, np.pi))[0] / (len(points) / 12)
    spread = {"mean": r.mean(), "std": r.std(), "emptiest": sectors.min(), "fullest": sectors.max()}
    return {name: float(value) for name, value in spread.items()}
