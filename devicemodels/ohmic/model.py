"""Ohmic cell in torch: i = x v, where the state x is the conductance in S and never changes."""

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.ohmic.params import OhmicParams


def current(p: OhmicParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x (S) and voltage v (V)."""
    return x * v


def rate(p: OhmicParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt: 0."""
    return torch.zeros_like(x * v)


def conductance(p: OhmicParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance (S) at 0 V: x itself."""
    return x


def state(p: OhmicParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State (S) of a cell of conductance g (S) at 0 V: g itself."""
    return g
