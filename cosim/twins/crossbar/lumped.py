"""Lines without resistance: ports in series with drivers and sense amplifiers, and arrays of lumped lines only."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from cosim.twins.crossbar.lines import bit_ends, numbers, word_ends
from netlists.crossbar import CrossbarParams


def in_series(y: Float[Tensor, "*tile port port"], ports: slice, r: float | Tensor) -> Float[Tensor, "*tile port port"]:
    """The admittance (S) after each of `ports` got the resistance `r` (Ω) in series."""
    if not isinstance(r, Tensor) and r == 0:
        return y
    inner = y[..., ports, ports]
    eye = torch.eye(inner.shape[-1], dtype=y.dtype, device=y.device)
    seen = torch.linalg.solve(eye + r * inner, y[..., ports, :])
    return y - r * y[..., :, ports] @ seen


def grounded(y: Float[Tensor, "*tile port port"], ports: slice, r: float | Tensor) -> Float[Tensor, "*tile port port"]:
    """The admittance (S) after each of `ports` got the resistance `r` (Ω) to ground."""
    leak = torch.zeros(y.shape[-1], dtype=y.dtype, device=y.device)
    leak[ports] = 1 / r
    return y + torch.diag(leak)


def admittance(g: Float[Tensor, "*tile row col"]) -> Float[Tensor, "*tile port port"]:
    """Admittance (S) of word and bit lines without resistance, joined by the finite cells `g` (S)."""
    rows = torch.cat([torch.diag_embed(g.sum(-1)), -g], dim=-1)
    cols = torch.cat([-g.mT, torch.diag_embed(g.sum(-2))], dim=-1)
    return torch.cat([rows, cols], dim=-2)


def transfer_with_shorts(g: Float[Tensor, "row col"], p: CrossbarParams) -> Float[Tensor, "row col"]:
    """G_eff (S) of one array of lines without resistance in which some cells have infinite conductance.

    Nodes are word lines, bit lines, drivers, sense nodes; shorts merge them. Raises ValueError when a short joins two
    drivers or sense nodes.
    """
    m, n = g.shape
    nodes = m + n
    label = torch.as_tensor(_merged(torch.isinf(g).detach().cpu().numpy(), p), dtype=torch.long, device=g.device)
    incidence = torch.nn.functional.one_hot(label).to(g.dtype)
    ends = ((m, word_ends(p, numbers(p))), (n, bit_ends(p, numbers(p))))
    series = _diagonal([(k, (1 + e.tied) / e.near if e.near else 0.0) for k, e in ends], g)
    leak = _diagonal([(k, 0.0 if e.tied or e.far is None else 1 / e.far) for k, e in ends], g)
    cells = admittance(torch.where(torch.isinf(g), 0.0, g)) + series + leak
    y = incidence.mT @ torch.cat([torch.cat([cells, -series], 1), torch.cat([-series, series], 1)]) @ incidence
    inner = torch.ones(len(y), dtype=torch.bool, device=g.device).index_fill(0, label[nodes:], False)
    driver, sensor = label[nodes : nodes + m], label[nodes + m :]
    through = y[driver][:, inner] @ torch.linalg.solve(y[inner][:, inner], y[inner][:, sensor])
    return through - y[driver][:, sensor]


def _diagonal(values: list[tuple[int, float]], like: Tensor) -> Tensor:
    """Diagonal matrix of (count, value) groups."""
    return torch.cat([like.new_full((count,), value) for count, value in values]).diag()


def _merged(short: np.ndarray, p: CrossbarParams) -> np.ndarray:
    m, n = short.shape
    row, col = np.nonzero(short)
    a, b = [row], [m + col]
    for first, count, r in ((0, m, p.r_source), (m, n, p.r_sense)):
        if r == 0:
            a.append(first + np.arange(count))
            b.append(first + m + n + np.arange(count))
    links = (np.concatenate(a), np.concatenate(b))
    graph = coo_array((np.ones(links[0].size), links), shape=(2 * (m + n), 2 * (m + n)))
    label = connected_components(graph, directed=False)[1]
    if len(set(label[m + n :].tolist())) < m + n:
        raise ValueError(
            "crossbar: cells of infinite conductance join two drivers or sense nodes without any resistance; give "
            "r_source, r_sense, r_wl or r_bl a positive value, or the cells a finite conductance"
        )
    return label
