"""Smallest blocks of a crossbar: exact port admittance of h × w cells by one batched Cholesky factorisation.

With t the cell conductances in series with the diagonal of the line impedance, M the rest of that impedance and C the
open-circuit cell voltages per port voltage, the admittance is Y = Y0 + C' √t (I + √t M √t)⁻¹ √t C. Cells of
infinite conductance have a finite t.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.lines import Stretch


class Sizes(NamedTuple):
    """Number of ports of a block, in the order in which they are numbered."""

    word_near: int
    word_far: int
    bit_near: int
    bit_far: int

    def slices(self) -> tuple[slice, slice, slice, slice]:
        ends = np.cumsum(self)
        starts = ends - np.array(self)
        a, b, c, d = (slice(int(s), int(e)) for s, e in zip(starts, ends, strict=True))
        return a, b, c, d


class Leaf(NamedTuple):
    """Constants of a block of h × w cells, k = h w, with `ports` ports; tensors of one dtype and device."""

    sizes: Sizes
    through: Float[Tensor, "port port"]
    open_circuit: Float[Tensor, "k port"]
    impedance: Float[Tensor, "k k"]
    self_impedance: Float[Tensor, "k"]


@lru_cache(maxsize=1024)
def leaf(words: Stretch, bits: Stretch, dtype: torch.dtype, device: torch.device) -> Leaf:
    """Block whose word lines are all `words` and bit lines all `bits`."""
    word, bit = words.line(), bits.line()
    w, h = words.size, bits.size
    across, down = np.eye(h), np.eye(w)
    impedance = np.kron(across, word.impedance) + np.kron(bit.impedance, down)
    ends = [
        np.kron(across, word.near[:, None]),
        np.kron(across, word.far[:, None])[:, : h * word.has_far],
        -np.kron(bit.near[:, None], down),
        -np.kron(bit.far[:, None], down)[:, : w * bit.has_far],
    ]
    sizes = Sizes(*(end.shape[1] for end in ends))
    through = np.zeros((sum(sizes), sum(sizes)))
    slices = sizes.slices()
    for near, far, value in ((slices[0], slices[1], word.through), (slices[2], slices[3], bit.through)):
        for a in (near, far):
            through[a, a] += value * np.eye(a.stop - a.start)
        if far.stop > far.start:
            through[near, far] = through[far, near] = -value * np.eye(far.stop - far.start)
    diagonal = np.diag(impedance).copy()
    arrays = (through, np.hstack(ends), impedance - np.diag(diagonal), diagonal)
    return Leaf(sizes, *(torch.as_tensor(a, dtype=dtype, device=device) for a in arrays))


def admittance(c: Leaf, g: Float[Tensor, "*block k"]) -> tuple[Float[Tensor, "*block port port"], tuple[Tensor, ...]]:
    """Port admittance (S) of blocks with the cells `g` (S, row by row), and what `gradient` needs."""
    t = 1.0 / (1.0 / g + c.self_impedance)
    root = t.sqrt()
    matrix = root[..., :, None] * c.impedance * root[..., None, :]
    matrix.diagonal(dim1=-2, dim2=-1).add_(1.0)
    factor = torch.linalg.cholesky_ex(matrix).L
    half = torch.linalg.solve_triangular(factor, root[..., :, None] * c.open_circuit, upper=False)
    return c.through + half.mT @ half, (g, root, factor, half)


def gradient(c: Leaf, saved: tuple[Tensor, ...], grad: Float[Tensor, "*block port port"]) -> Float[Tensor, "*block k"]:
    """Gradient with respect to g from the symmetric gradient with respect to the admittance."""
    g, root, factor, half = saved
    current = root[..., :, None] * torch.linalg.solve_triangular(factor.mT, half, upper=True)
    voltage = c.open_circuit - c.impedance @ current
    return ((voltage @ grad) * voltage).sum(-1) / (1.0 + g * c.self_impedance) ** 2
