"""Early stop: inference ends when the answer is sure; and the load, counted by spikes.

After step t the probabilities are softmax(mean of U so far / temperature); a sample stops at the first step whose
largest probability is above the threshold, else after the last step.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from studies.prime.config import Config
from studies.prime.network import LAYERS, Classifier, answer

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Of the curve of accuracy against load; at 1 nothing stops."""


def certainty(u: Float[Tensor, "time sample 10"], temperature: float) -> Float[Tensor, "time sample"]:
    """Largest probability after each step."""
    return (answer(u) / temperature).softmax(-1).amax(-1)


def stops(u: Float[Tensor, "time sample 10"], threshold: float, temperature: float) -> Int[Tensor, " sample"]:
    """The step after which each sample stops, counted from 0."""
    sure = certainty(u, temperature) > threshold
    sure[-1] = True
    return sure.int().argmax(0)


def answers(u: Float[Tensor, "time sample 10"], step: Int[Tensor, " sample"]) -> Int[Tensor, " sample"]:
    """The class that each sample answers at its step."""
    return answer(u)[step, torch.arange(u.shape[1])].argmax(-1)


@torch.no_grad()
def operations(model: Classifier, x: Float[Tensor, "time sample 2 row col"]) -> Float[Tensor, "layer time sample"]:
    """Additions per layer, step and sample: inputs that are not 0, times the weights that each of them meets.

    As counted by the paper's code: kernel² times outputs for a convolution of stride 1, outputs for the last layer.
    """
    model.eval()
    fan = {"conv1": 25 * model.config.channels[0], "conv2": 25 * model.config.channels[1], "linear": 10}
    found = []
    for part in x.split(100, dim=1):
        inputs = zip(LAYERS, model.inputs(part), strict=True)
        found.append(torch.stack([(h != 0).flatten(2).sum(2) * float(fan[name]) for name, h in inputs]))
    return torch.cat(found, 2)


def up_to(ops: Float[Tensor, "time sample"], step: Int[Tensor, " sample"]) -> float:
    """Operations of all samples up to and with their steps."""
    done = torch.arange(len(ops)).reshape(-1, 1) <= step
    return float((ops * done).sum())


def curve(
    u: Float[Tensor, "time sample 10"], y: Tensor, ops: Float[Tensor, "time sample"], config: Config
) -> list[dict[str, Any]]:
    """Accuracy, mean steps and share of the operations saved at each threshold."""
    found = []
    for threshold in sorted({*THRESHOLDS, config.stop_at}):
        step = stops(u, threshold, config.temperature)
        found.append(
            {
                "threshold": threshold,
                "accuracy": float((answers(u, step) == y).float().mean()),
                "steps": float(step.float().mean()) + 1,
                "saved": 1 - up_to(ops, step) / float(ops.sum()),
            }
        )
    return found
