r"""A cell whose conductance fluctuates as given samples say: the noise of a time series inside a circuit.

    p ──(sense 0 V)── m ──[ cell ]── n      x: state of the cell (an output)
    p ──( i = i(sense) v(f) )─────── n      f: source, piecewise linear through the samples

    i = i_cell(x, v) (1 + f(t))

f is the relative fluctuation, without unit, mean 0. At the moment of a sample the current is that sample's exactly;
between two it is a straight line. The state moves as without noise. A piecewise-linear source costs ngspice time that
grows with the square of its points and four or more steps a point: at most LONGEST samples are taken (0.14 s at 1e3,
2.9 s at 1e4 points).
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from devicemodels import device_of
from devicemodels.units import Second
from netlists.cell_1t1r import View
from netlists.spice import B, Element, N, Netlist, Stimulus, Subckt, SubcktText, V, VerilogA, X
from netlists.stimuli import sampled

PORTS = ("p", "n", "x")
LONGEST = 5000


def build(
    cell: Any, samples: Float[np.ndarray, "time"], dt: Second, *, view: View = "spice", name: str = "noisy_cell"
) -> Subckt:
    """Subcircuit `noisy_cell p n x` of the cell whose parameters are `cell`, with one sample every `dt` (s) from t = 0.

    Each noisy cell of a netlist has samples and so a name of its own. ValueError for no samples, more than LONGEST, or
    one that is not finite.
    """
    values, kind = np.asarray(samples, float), device_of(cell)
    if values.ndim != 1 or not 2 <= values.size <= LONGEST:
        raise ValueError(f"samples must be 2 to {LONGEST} values of one cell, got shape {values.shape}; cut a window")
    if not np.isfinite(values).all() or not dt > 0:
        raise ValueError(f"samples must be finite and dt above 0, got dt {dt!r} and {values[~np.isfinite(values)]}")
    if view not in ("spice", "veriloga"):
        raise ValueError(f"noisy_cell: view must be 'spice' or 'veriloga', got {view!r}")
    nodes, spice = ("m", "n", "x"), view == "spice"
    core: Element = (
        X("cell", nodes, kind.subckt, asdict(cell)) if spice else N("cell", nodes, kind.module, asdict(cell))
    )
    return Subckt(
        name,
        PORTS,
        (
            V("sense", "p", "m", 0.0),
            core,
            B("noise", "p", "n", "i", "i(vsense) * v(f)"),
            V("noise", "f", "0", wave=sampled(np.arange(values.size) * dt, values)),
        ),
        subckts=(SubcktText(kind.subckt, kind.spice),) if spice else (),
        veriloga=() if spice else (VerilogA(kind.module, kind.veriloga),),
    )


def testbench(
    cell: Any,
    samples: Float[np.ndarray, "time"],
    dt: Second,
    v: Stimulus | float,
    *,
    view: View = "spice",
) -> Netlist:
    """The noisy cell across a source of `v` (V); "-i(va)" is its current."""
    source = V("a", "a", "0", dc=v) if isinstance(v, float | int) else V("a", "a", "0", wave=v)
    return Netlist(
        title="cell with noise",
        elements=(source, X("dut", ("a", "0", "x"), "noisy_cell")),
        probes=("v(a)", "v(x)", "i(va)"),
        subckts=(build(cell, samples, dt, view=view),),
    )
