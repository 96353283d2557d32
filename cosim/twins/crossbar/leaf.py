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

STEP = 1e-30
"""Imaginary part of a resistance that carries its derivative: exact, as nothing is subtracted."""


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


def _constants(words: Stretch, bits: Stretch) -> tuple[Sizes, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Port sizes, and `through`, `open_circuit` and the whole line impedance of a block."""
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
    through = np.zeros((sum(sizes), sum(sizes)), dtype=impedance.dtype)
    slices = sizes.slices()
    for near, far, value in ((slices[0], slices[1], word.through), (slices[2], slices[3], bit.through)):
        for a in (near, far):
            through[a, a] += value * np.eye(a.stop - a.start)
        if far.stop > far.start:
            through[near, far] = through[far, near] = -value * np.eye(far.stop - far.start)
    return sizes, (through, np.hstack(ends), impedance)


@lru_cache(maxsize=1024)
def leaf(words: Stretch, bits: Stretch, dtype: torch.dtype, device: torch.device) -> Leaf:
    """Block whose word lines are all `words` and bit lines all `bits`."""
    sizes, (through, open_circuit, impedance) = _constants(words, bits)
    diagonal = np.diag(impedance).copy()
    arrays = (through, open_circuit, impedance - np.diag(diagonal), diagonal)
    return Leaf(sizes, *(torch.as_tensor(a, dtype=dtype, device=device) for a in arrays))


def derivative(words: Stretch, bits: Stretch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Imaginary parts over STEP: derivatives of `_constants` along the imaginary resistances of the stretches."""
    _, found = _constants(words, bits)
    a, b, c = (np.imag(array) / STEP for array in found)
    return a, b, c


def admittance(c: Leaf, g: Float[Tensor, "*block k"]) -> tuple[Float[Tensor, "*block port port"], tuple[Tensor, ...]]:
    """Port admittance (S) of blocks with the cells `g` (S, row by row), and what `gradient` needs."""
    t = 1.0 / (1.0 / g + c.self_impedance)
    root = t.sqrt()
    matrix = root[..., :, None] * c.impedance * root[..., None, :]
    matrix.diagonal(dim1=-2, dim2=-1).add_(1.0)
    factor = torch.linalg.cholesky_ex(matrix).L
    half = torch.linalg.solve_triangular(factor, root[..., :, None] * c.open_circuit, upper=False)
    return c.through + half.mT @ half, (g, root, factor, half)


class Gradient(NamedTuple):
    """Of the cells, and summed over all blocks of `through`, `open_circuit` and the impedance."""

    cells: Float[Tensor, "*block k"]
    constants: tuple[Tensor, Tensor, Tensor] | None


def gradient(
    c: Leaf, saved: tuple[Tensor, ...], grad: Float[Tensor, "*block port port"], *, constants: bool
) -> Gradient:
    """Gradient with respect to g, and to the constants if asked for, from the symmetric one of the admittance."""
    g, root, factor, half = saved
    current = root[..., :, None] * torch.linalg.solve_triangular(factor.mT, half, upper=True)
    voltage = c.open_circuit - c.impedance @ current
    cells = ((voltage @ grad) * voltage).sum(-1) / (1.0 + g * c.self_impedance) ** 2
    if not constants:
        return Gradient(cells, None)
    flow = current @ grad
    impedance = torch.einsum("...ip,...jp->ij", flow, current)
    over = tuple(range(grad.ndim - 2))
    return Gradient(cells, (grad.sum(over), 2 * flow.sum(over), -impedance))
