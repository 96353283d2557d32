"""Match lines of a ternary content-addressable memory in closed form: words × queries at once, by matrix products.

    C dv/dt = -G v - (c_slow/tau_slow) (v - s),    tau_slow ds/dt = v - s,    v(0) = s(0) = v_pre - q_pre/C

G is the sum over the branches that the query switches on. The branches that are off hold c_mid behind a memristor; seen
from the match line they are Y(s) = Σ s c/(1 + s c/g). Its first three moments are those of a capacitance C_fast, which
is part of C, beside one slow branch: tau_slow = m3/m2, c_slow = m2²/m3, C_fast = m1 - c_slow >= 0 (Cauchy-Schwarz) with
m1 = Σ c, m2 = Σ c²/g, m3 = Σ c³/g².
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cosim.twins.base import Twin
from devicemodels.units import FINITE, NONNEGATIVE, POSITIVE, Coulomb, Farad, Ohm, Second, Volt, validate
from netlists.tcam import TcamParams


@dataclass(frozen=True, kw_only=True)
class TcamFit:
    """What the bench finds."""

    c_sense: Annotated[Farad, NONNEGATIVE]
    """Capacitance of the match line that does not grow with the word."""
    c_cell: Annotated[Farad, POSITIVE]
    """Capacitance of the match line per cell."""
    c_mid: Annotated[Farad, POSITIVE]
    """Capacitance between a memristor and its transistor."""
    r_on: Annotated[Ohm, POSITIVE]
    """Transistor of a branch that is on."""
    q_pre: Annotated[Coulomb, FINITE] = 0.0
    """Charge that the end of the precharge and the edge of the search take from the match line."""
    t_start: Annotated[Second, FINITE] = 0.0
    """Time from the middle of the search lines' edge to the start of the discharge."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: TcamParams) -> "TcamFit":
        """The values of the netlist."""
        q_pre = (p.v_pre - p.v_start) * p.c_line
        return TcamFit(c_sense=p.c_sense + p.c_pre, c_cell=p.c_cell, c_mid=p.c_mid, r_on=p.r_on, q_pre=q_pre)


class Load(NamedTuple):
    """What a query makes of a match line, each [*batch]: conductance (S), number, Σ 1/g and Σ 1/g² of off branches."""

    g: Tensor
    off: Tensor
    resistance: Tensor
    square: Tensor


def conductances(p: TcamParams, stored: Float[Tensor, "*word cell"]) -> Float[Tensor, "*word cell 2"]:
    """Conductances (S) of words of +1, -1 and 0 (don't care)."""
    low = stored[..., None] == stored.new_tensor([-1.0, 1.0])
    return torch.where(low, stored.new_tensor(p.g_lrs), stored.new_tensor(p.g_hrs))


def mismatches(stored: Float[Tensor, "word cell"], query: Float[Tensor, "batch cell"]) -> Float[Tensor, "batch word"]:
    """Number of cells that disagree: stored times query is -1."""
    up, down = _sides(query)
    return up @ (stored == -1).to(query).T + down @ (stored == 1).to(query).T


def _sides(query: Tensor) -> tuple[Tensor, Tensor]:
    return (query == 1).to(query), (query == -1).to(query)


def load(fit: TcamFit, g: Float[Tensor, "word cell 2"], query: Float[Tensor, "batch cell"]) -> Load:
    """Every query (+1, -1, 0 masked) against every word of conductances g (S): shapes [batch, word]."""
    up, down = _sides(query)

    def selected(x: Tensor) -> Tensor:
        return up @ x[..., 0].T + down @ x[..., 1].T

    r = 1 / g
    off = 2 * query.shape[-1] - (up + down).sum(-1, keepdim=True).expand(-1, g.shape[0])
    return Load(selected(1 / (r + fit.r_on)), off, r.sum((1, 2)) - selected(r), (r**2).sum((1, 2)) - selected(r**2))


def uniform(p: TcamParams, fit: TcamFit, k: Float[Tensor, "*batch"]) -> Load:
    """Words without don't-care and without spread, with k mismatches (any number between 0 and cells)."""
    lrs, hrs, n = 1 / p.g_lrs, 1 / p.g_hrs, p.cells
    g = k / (lrs + fit.r_on) + (n - k) / (hrs + fit.r_on)
    return Load(g, torch.full_like(g, n), k * hrs + (n - k) * lrs, k * hrs**2 + (n - k) * lrs**2)


def match_line(
    p: TcamParams, fit: TcamFit, x: Load, t: Float[Tensor, "*batch"], cells: int | None = None
) -> Float[Tensor, "*batch"]:
    """Voltage (V) of the match line at t (s) after the search lines rose; `cells` is p.cells if not given."""
    n, c_mid = p.cells if cells is None else cells, fit.c_mid
    # In units of c_mid and c_mid/g, so that single precision holds the moments.
    tau_slow = c_mid * x.square / x.resistance
    c_slow = c_mid * x.resistance**2 / x.square
    c = fit.c_sense + n * fit.c_cell + c_mid * x.off - c_slow
    t = (t - fit.t_start).clamp(min=0.0)
    a, b, d = x.g / c, c_slow / (c * tau_slow), 1 / tau_slow
    total = a + b + d
    # (a + b + d)² - 4 a d without cancellation: a sum of squares and products of positive numbers.
    root = torch.sqrt((a - d) ** 2 + b * (b + 2 * (a + d)))
    fast = (total + root) / 2
    slow = a * d / fast
    share = (fast - a) / root
    start = p.v_pre - fit.q_pre / (c + c_slow)
    return start * (share * torch.exp(-slow * t) + (1 - share) * torch.exp(-fast * t))


class Tcam(Twin[TcamParams, TcamFit]):
    """The calibrated memory: words of `p.cells` cells, any number of them."""

    FIT = TcamFit
    INPUT = "g"

    def forward(
        self, g: Float[Tensor, "word cell 2"], query: Float[Tensor, "batch cell"], t: Second | None = None
    ) -> Float[Tensor, "batch word"]:
        """Voltage (V) of every match line for every query, t (s) after the search lines rose; by default at t_sense."""
        if g.shape[1:] != (self.p.cells, 2) or query.shape[1:] != (self.p.cells,):
            raise ValueError(
                f"g must be [word, {self.p.cells}, 2] and query [batch, {self.p.cells}] (TcamParams.cells), "
                f"got {tuple(g.shape)} and {tuple(query.shape)}"
            )
        x = load(self.fit, g, query)
        return match_line(self.p, self.fit, x, torch.full_like(x.g, self.p.t_sense if t is None else t))

    def search(
        self,
        g: Float[Tensor, "word cell 2"],
        query: Float[Tensor, "batch cell"],
        v_offset: Float[Tensor, " word"] | None = None,
    ) -> Bool[Tensor, "batch word"]:
        """Which words the sense amplifiers call a match at t_sense; v_offset (V) is added to each match line."""
        v = self(g, query)
        return (v if v_offset is None else v + v_offset) > self.v_ref

    @property
    def v_ref(self) -> Volt:
        """Reference of the sense amplifiers: half way between match and one mismatch at t_sense."""
        return float(self.levels(1).mean())

    def levels(self, most: int) -> Float[Tensor, " mismatches"]:
        """Match lines (V) of words without spread at t_sense, with 0, 1, ... `most` mismatches."""
        k = torch.arange(most + 1, dtype=torch.float64)
        return match_line(self.p, self.fit, uniform(self.p, self.fit, k), torch.full_like(k, self.p.t_sense))


def respond(twin: Tcam, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Match line (V) of a word with cells (1 + u)/2 mismatches, at times up to 2 t_sense."""
    t = torch.linspace(0, 2 * twin.p.t_sense, u.shape[1] + 1, dtype=u.dtype)[1:].expand_as(u)
    return match_line(twin.p, twin.fit, uniform(twin.p, twin.fit, twin.p.cells * (1 + u) / 2), t)
