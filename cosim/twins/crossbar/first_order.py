"""Cheap line drop: effective conductance to first order in the line resistance.

To first order the currents are those of ideal lines, i = v g. Each volt at word line k then drops by the sum over l of
g[k, l] X[l, j] before it reaches cell (k, j), and its current loses the sum over i of Y[k, i] g[i, j] on the bit line,
with X and Y the resistance that two cells share on the way to the driver and to the sense node.

Worst error of the output currents, of the largest, at uniform 1-100 µS and 2 Ω: below 0.1 % at 32 x 32, 1 % at 64 x 64,
5 % at 128 x 128, about 12 % at 256 x 256; leaving the lines out is 9 %, 33 %, 97 %, 234 % wrong.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.effective import check
from cosim.twins.crossbar.lines import Ends, Stretch, bit_ends, mirrored, numbers, word_ends
from netlists.crossbar import CrossbarParams


def first_order(g: Float[Tensor, "*tile row col"], p: CrossbarParams) -> Float[Tensor, "*tile row col"]:
    """G_eff (S) to first order in the resistances of lines, drivers and sense amplifiers; two matrix products.

    The drop d is applied as g / (1 + d) and not as g (1 - d): of the same order, but never negative, and exact for one
    cell. Takes gradients; g must be finite. Grounded far ends divide the voltages and currents whatever g is; the
    drop is to first order on top of that.
    """
    check(g, p)
    axes = mirrored(p)
    cells = g.flip(axes)
    word, reach = shared(word_ends(p, numbers(p)), g.shape[-1], g)
    bit, arrive = shared(bit_ends(p, numbers(p)), g.shape[-2], g)
    arrive = arrive[:, None]
    drop = (cells * reach) @ word / reach + bit @ (cells * arrive) / arrive
    return (cells * reach * arrive / (1 + drop)).flip(axes)


def shared(ends: Ends, cells: int, like: Tensor) -> tuple[Float[Tensor, "cell cell"], Float[Tensor, "cell"]]:
    """Voltage (Ω) at one cell per ampere drawn at another, and the open-circuit voltage per volt of the driver."""
    line = Stretch(0, cells, cells, ends).line()
    impedance, reach = line.impedance, line.near + line.far if ends.tied else line.near
    if ends.r == 0:
        tied, far = ends.tied, np.inf if ends.far is None else ends.far
        parallel = ends.near / 2 if tied else ends.near if np.isinf(far) else ends.near * far / (ends.near + far)
        reach = np.full(cells, 1.0 if tied or np.isinf(far) else far / (ends.near + far))
        impedance = np.full((cells, cells), parallel)
    return torch.as_tensor(impedance).to(like), torch.as_tensor(reach).to(like)
