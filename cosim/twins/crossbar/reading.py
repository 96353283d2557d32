"""Reads of a crossbar: currents for given voltages, and everything inside the array."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.twins.crossbar.effective import check, effective_conductance
from cosim.twins.crossbar.lines import LineResistances
from cosim.twins.crossbar.solver import Network, compiled
from netlists.crossbar import CrossbarParams

METHODS = ("auto", "geff", "pcg")


class NodeVoltages(NamedTuple):
    """Inside of an array: potentials of the word- and bit-line nodes (V), cell currents (A) and power per cell (W)."""

    word: Float[Tensor, "batch row col"]
    bit: Float[Tensor, "batch row col"]
    current: Float[Tensor, "batch row col"]
    power: Float[Tensor, "batch row col"]


class _Solve(torch.autograd.Function):
    """Currents into the sense nodes; the reverse mode solves the same network once more, driven from them."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, g: Tensor, resistances: Tensor | None, p: CrossbarParams, backend: str) -> Tensor:
        ctx.network = Network(g.detach().numpy(), p, backend)
        ctx.driver = v.detach().numpy()
        ctx.solution = ctx.network.solve(ctx.driver, v.new_zeros(len(v), g.shape[1]).numpy())
        return torch.from_numpy(ctx.network.out_of_bit_lines(ctx.solution.current))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (grad,) = grads
        sense = grad.contiguous().numpy()
        adjoint = ctx.network.solve(np.zeros_like(ctx.driver), sense)
        into_drivers = torch.from_numpy(-ctx.network.out_of_word_lines(adjoint.current))
        cells = torch.from_numpy(-np.einsum("bij,bij->ij", ctx.solution.voltage, adjoint.voltage))
        lines = None
        if ctx.needs_input_grad[2]:
            found = ctx.network.resistance_gradient(ctx.driver, ctx.solution.current, sense, adjoint.current)
            lines = torch.from_numpy(found)
        return into_drivers, cells, lines, None, None


def read(
    v: Float[Tensor, "*tile batch row"],
    g: Float[Tensor, "*tile row col"],
    p: CrossbarParams,
    method: str = "auto",
    *,
    lines: LineResistances | None = None,
    backend: str = "auto",
) -> Float[Tensor, "*tile batch col"]:
    """Exact currents (A) into the virtual grounds for the word-line voltages `v` (V) and the cells `g` (S).

    `method` "geff" makes the effective conductance and one matrix product; "pcg" solves the network for every vector
    of one array on the CPU, which is faster for few vectors; "auto" takes the faster. Both take gradients in v, g and
    `lines`. `backend` of "pcg" is "scipy", "numba" (the extra "fast") or "auto", numba where it is installed.
    """
    p = lines.params(p) if lines else p
    check(g, p)
    if v.ndim < 2 or v.shape[-1] != g.shape[-2]:
        raise ValueError(
            f"crossbar: v must have the shape [batch, {g.shape[-2]}] of the word lines of g, got {tuple(v.shape)}"
        )
    if method not in METHODS:
        raise ValueError(f"crossbar: method must be one of {', '.join(METHODS)}, got {method!r}")
    one_array = v.ndim == 2 and g.ndim == 2 and g.device.type == "cpu" and v.dtype == g.dtype and len(v) > 0
    if method == "pcg" and not one_array:
        raise ValueError("crossbar: method 'pcg' takes v [batch, row] and g [row, col] of one dtype on the CPU")
    fast = backend != "scipy" and compiled() and p.r_wl > 0 and p.r_bl > 0
    if method == "pcg" or (method == "auto" and one_array and _few(v, g, fast) and not p.r_wl == p.r_bl == 0):
        currents: Tensor = _Solve.apply(v, g, lines.vector(p) if lines else None, p, backend)
        return currents
    return v @ effective_conductance(g, p, lines)


def _few(v: Tensor, g: Tensor, fast: bool) -> bool:
    """Whether one solve per vector is faster than G_eff, as measured: with numba up to 25 vectors at 128 x 128."""
    return len(v) <= 2 + (3000 if fast else 1000) // max(g.shape)


def node_voltages(v: Float[Tensor, "batch row"], g: Float[Tensor, "row col"], p: CrossbarParams) -> NodeVoltages:
    """Potentials, cell currents (positive from word to bit line) and dissipated power; no gradients.

    Solved on the CPU in the dtype of g. Raises ValueError where currents are undefined: shorts between ideal lines.
    """
    check(g, p)
    if g.ndim != 2 or v.ndim != 2 or v.shape[1] != g.shape[0]:
        raise ValueError(f"crossbar: needs g [row, col] and v [batch, row], got {tuple(g.shape)} and {tuple(v.shape)}")
    drive = v.detach().to(device="cpu", dtype=g.dtype).numpy()
    sense = np.zeros((len(v), g.shape[1]), drive.dtype)
    solution = Network(g.detach().cpu().numpy(), p).solve(drive, sense)
    word, bit, current, voltage = (torch.from_numpy(values.copy()).to(g.device) for values in solution[:4])
    return NodeVoltages(word, bit, current, current * voltage)
