"""Oracle of the crossbar: nodal analysis of every resistor with scipy's sparse LU, sharing nothing with the project."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu


def nodal(
    g, v, *, r_wl, r_bl, r_source=0.0, r_sense=0.0, drive="left", sense="bottom", far_wl="floating", far_bl="floating",
    r_ground=0.0,
):  # fmt: skip
    """Output currents [batch, col], word- and bit-line potentials [batch, row, col] for v [batch, row]."""
    m, n = g.shape
    w = np.arange(m * n).reshape(m, n)
    b, driver, collector = w + m * n, 2 * m * n + np.arange(m), 2 * m * n + m + np.arange(n)
    ground = np.array([2 * m * n + m + n])
    with np.errstate(divide="ignore"):
        branches = [(w[:, :-1], w[:, 1:], r_wl), (w, b, 1 / g), (b[:-1], b[1:], r_bl)]
    for side, nodes in (("left", w[:, 0]), ("right", w[:, -1])):
        if drive in (side, "both"):
            branches.append((driver, nodes, r_source + r_wl))
        elif far_wl == "grounded":
            branches.append((nodes, ground.repeat(m), r_ground + r_wl))
    for side, nodes in (("bottom", b[-1]), ("top", b[0])):
        if sense in (side, "both"):
            branches.append((nodes, collector, r_bl + r_sense))
        elif far_bl == "grounded":
            branches.append((nodes, ground.repeat(n), r_ground + r_bl))
    a = np.concatenate([x.ravel() for x, _, _ in branches])
    c = np.concatenate([y.ravel() for _, y, _ in branches])
    r = np.concatenate([np.broadcast_to(r, x.shape).ravel() for x, _, r in branches])
    total = 2 * m * n + m + n + 1
    short = r == 0
    joined = sp.coo_array((np.ones(short.sum()), (a[short], c[short])), shape=(total, total))
    count, label = connected_components(joined, directed=False)
    a, c, y = label[a[~short]], label[c[~short]], 1 / r[~short]
    data, rows, cols = np.r_[y, y, -y, -y], np.r_[a, c, a, c], np.r_[a, c, c, a]
    laplacian = sp.csr_array(sp.coo_array((data, (rows, cols)), shape=(count, count)))
    fixed = label[np.r_[driver, collector, ground]]
    assert len(set(fixed.tolist())) == m + n + 1, "two ideal sources are shorted"
    potential = np.zeros((count, len(v)))
    potential[fixed[:m]] = v.T
    free = np.setdiff1d(np.arange(count), fixed)
    free = free[laplacian.diagonal()[free] > 0]
    if len(free):
        injected = -(laplacian @ potential)[free]
        potential[free] = splu(laplacian[free][:, free].tocsc()).solve(injected)
    currents = -(laplacian @ potential)[fixed[m : m + n]].T
    at_nodes = potential[label].T
    return currents, at_nodes[:, w], at_nodes[:, b]
