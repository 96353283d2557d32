"""Lines without resistance: ports in series with drivers and sense amplifiers, and arrays of lumped lines only."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from netlists.crossbar import CrossbarParams


def in_series(y: Float[Tensor, "*tile port port"], ports: slice, r: float) -> Float[Tensor, "*tile port port"]:
    """The admittance (S) after each of `ports` got the resistance `r` (Ω) in series."""
    if r == 0:
        return y
    inner = y[..., ports, ports]
    eye = torch.eye(inner.shape[-1], dtype=y.dtype, device=y.device)
    seen = torch.linalg.solve(eye + r * inner, y[..., ports, :])
    return y - r * y[..., :, ports] @ seen


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
    ends = m + n
    label = torch.as_tensor(_merged(torch.isinf(g).detach().cpu().numpy(), p), dtype=torch.long, device=g.device)
    incidence = torch.nn.functional.one_hot(label).to(g.dtype)
    source, sense = (
        torch.full((k,), 1 / r if r else 0.0, dtype=g.dtype, device=g.device)
        for k, r in ((m, p.r_source), (n, p.r_sense))
    )
    series = torch.diag(torch.cat([source, sense]))
    cells = admittance(torch.where(torch.isinf(g), 0.0, g)) + series
    y = incidence.mT @ torch.cat([torch.cat([cells, -series], 1), torch.cat([-series, series], 1)]) @ incidence
    inner = torch.ones(len(y), dtype=torch.bool, device=g.device).index_fill(0, label[ends:], False)
    driver, sensor = label[ends : ends + m], label[ends + m :]
    through = y[driver][:, inner] @ torch.linalg.solve(y[inner][:, inner], y[inner][:, sensor])
    return through - y[driver][:, sensor]


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
