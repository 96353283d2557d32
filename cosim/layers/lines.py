r"""Line resistance to first order, in closed form: what the fidelity `twin` takes for the array.

The word line reaches cell (i, j) after r_source and the segments 0…j, and segment k carries the current of the cells
l ≥ k; the bit line likewise. To first order in the resistances the current of cell (i, j) then falls by

    D_ij = r_source Σ_l g_il + r_wl Σ_{k≤j} Σ_{l≥k} g_il  +  r_sense Σ_l g_lj + r_bl Σ_{k≥i} Σ_{l≤k} g_lj

of itself. g / (1 + D) has the same first order as g (1 − D) and stays positive where the drop is large.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from netlists.crossbar import CrossbarParams


def first_order(g: Float[Tensor, "*tile row col"], p: CrossbarParams) -> Float[Tensor, "*tile row col"]:
    """Effective conductances (S) of arrays `g` with the lines of `p`, exact to first order in the resistances."""
    drop = p.r_source * g.sum(-1, keepdim=True) + p.r_sense * g.sum(-2, keepdim=True)
    beyond_col = _reverse_cumsum(g, -1)
    drop = drop + p.r_wl * beyond_col.cumsum(-1)
    above_row = g.cumsum(-2)
    drop = drop + p.r_bl * _reverse_cumsum(above_row, -2)
    return g / (1 + drop)


def _reverse_cumsum(x: Tensor, dim: int) -> Tensor:
    return torch.flip(torch.flip(x, (dim,)).cumsum(dim), (dim,))
