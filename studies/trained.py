"""A trained network of a run, for whatever is asked of it after the study."""

from typing import NamedTuple

from torch import Tensor, nn


class Trained(NamedTuple):
    """A network on its hardware, and some test inputs [sample, ...] with their labels [sample]."""

    network: str
    model: nn.Module
    inputs: Tensor
    labels: Tensor
