"""JART VCM v1b in torch; equations, source and limits in params.py. The state x is 1 at low resistance."""

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from devicemodels.jart.params import E_CHARGE, K_BOLTZMANN, JartParams, Z

GAMMA_MAX = 0.99
OVERSHOOT = 2.0
ROUNDING = 1e-10
ITERATIONS = 40
K_E = K_BOLTZMANN / E_CHARGE


@dataclass(frozen=True)
class Point:
    """What holds in a cell: voltage of the contact (V), current (A), temperature (K)."""

    v_sch: Tensor
    i: Tensor
    kelvin: Tensor


@dataclass(frozen=True)
class Cell:
    """A cell at state x and voltage v: what does not depend on the voltage w of its contact, what follows from w."""

    p: JartParams
    v: Tensor
    grown: Tensor
    """N/n_min."""
    linear: Tensor
    scale: Tensor
    """Current at which r_cubic begins to matter."""
    e00: Tensor
    r_th: Tensor

    @classmethod
    def at(cls, p: JartParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> "Cell":
        """The cell at state x and voltage v (V)."""
        grown = _grown(p, x)
        linear = p.r_disc1 / grown + p.r_fixed
        e00 = p.e001 * torch.sqrt(grown)
        return cls(
            p, v, grown, linear, torch.sqrt(linear / (3 * p.r_cubic)), e00, p.r_th0 * (1 + (p.s_th - 1) * _plus(p, v))
        )

    def point(self, w: Float[Tensor, "*cells"]) -> Point:
        """Current and temperature, explicit in w."""
        p = self.p
        i = 2 * self.scale * torch.sinh(torch.asinh(1.5 * (self.v - w) / (self.linear * self.scale)) / 3)
        power = i * (self.v - i * (p.r_tiox + p.r0 + p.r_cubic * i**2))
        return Point(w, i, (p.t0 + power.clamp(min=0.0) * self.r_th).clamp(max=p.t_max))

    def mismatch(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """w less the contact voltage (V) at which the contact passes the current of the resistances; grows with w."""
        p, at = self.p, self.point(w)
        kt, phi = K_E * at.kelvin, _barrier(p, self.grown, w)
        ratio = self.e00 / kt
        bend, decay = torch.tanh(ratio), torch.exp(-2 * ratio)
        depth = (-w).clamp(min=0.0) + phi * 4 * decay / (1 + decay) ** 2 + ROUNDING
        tunnel = p.area * p.a_star / K_E * at.kelvin * torch.sqrt(pi * self.e00 * depth)
        tunnel = tunnel * torch.exp(-phi * bend / self.e00)
        forward = kt * torch.log1p((at.i / _saturation(p, kt, phi)).clamp(min=-0.5))
        reverse = self.e00 / (bend - ratio) * torch.log1p((-at.i / tunnel).clamp(min=-0.5))
        return w - torch.where(self.v >= 0, forward, reverse)


def current(p: JartParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Current (A) from p to n at state x and voltage v (V); x outside 0..1 acts as the nearer bound."""
    return solve(p, x, v).i


def rate(p: JartParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dx/dt (1/s) at state x and voltage v (V): `disc_rate` times F, and a stop beyond the bounds."""
    forward = torch.exp((-10 * p.span * x).clamp(max=OVERSHOOT))
    reverse = torch.exp((10 * p.span * (x - 1)).clamp(max=OVERSHOOT))
    plus = _plus(p, v)
    window = 1 - (plus * forward + (1 - plus) * reverse)
    stop = p.a_hop * p.nu0 / p.l_disc * (2 * plus - 1) ** 2 * (x - x.clamp(0.0, 1.0))
    return _growth(p, x, v) / p.span * window - stop


def disc_rate(p: JartParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """dN/dt (1/(m³ s)) without the window F; beyond float32 at high voltage."""
    return p.n_min * _grown(p, x) * _growth(p, x, v)


def _growth(p: JartParams, x: Tensor, v: Tensor) -> Tensor:
    """d(ln N)/dt (1/s) without the window F."""
    at, grown, plus = solve(p, x, v), _grown(p, x), _plus(p, v)
    inner = v - at.i * (p.r_tiox + p.r0 + p.r_cubic * at.i**2)
    field = (1 - plus) * at.i * (p.r_disc1 / p.l_disc / grown) + plus * inner / p.l_cell
    gamma = (Z * p.a_hop / (pi * p.dw_a) * field).clamp(-GAMMA_MAX, GAMMA_MAX)
    barrier = torch.sqrt(1 - gamma**2) + gamma * torch.asin(gamma)
    kt = K_E * at.kelvin
    forward, back = (torch.exp(p.dw_a * (sign * gamma * (pi / 2) - barrier) / kt) for sign in (1, -1))
    return -(p.n_plug / p.n_min / grown + 1) / 2 * (p.a_hop * p.nu0 / p.l_disc) * (forward - back)


def solve(p: JartParams, x: Float[Tensor, "*cells"], v: Float[Tensor, "*cells"]) -> Point:
    """Contact voltage, current and temperature; gradients by the implicit function theorem."""
    x, v = torch.broadcast_tensors(x, v)
    with torch.no_grad():
        cell = Cell.at(p, x, v)
        w = _root(cell)
    if torch.is_grad_enabled() and (x.requires_grad or v.requires_grad):
        with torch.enable_grad():
            free = w.clone().requires_grad_()
            (slope,) = torch.autograd.grad(cell.mismatch(free).sum(), free)
        cell = Cell.at(p, x, v)
        w = w - cell.mismatch(w) / slope
    return cell.point(w)


def conductance(p: JartParams, x: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """Conductance di/dv (S) at 0 V, from above, at state x."""
    kt, grown = torch.as_tensor(K_E * min(p.t0, p.t_max), dtype=x.dtype, device=x.device), _grown(p, x)
    phi = _barrier(p, grown, torch.zeros_like(x))
    return 1 / (p.r_disc1 / grown + p.r_fixed + kt / _saturation(p, kt, phi))


def state(p: JartParams, g: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
    """State of a cell of conductance g (S) at 0 V, by bisection; g outside the range acts as the nearer bound."""
    inside = g.clamp(p.g_at(0.0), p.g_at(1.0))
    with torch.no_grad():
        low, high = torch.zeros_like(g), torch.ones_like(g)
        for _ in range(60):
            middle = (low + high) / 2
            below = conductance(p, middle) < inside
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        x = (low + high) / 2
    if torch.is_grad_enabled() and g.requires_grad:
        with torch.enable_grad():
            free = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(conductance(p, free).sum(), free)
        x = x + (inside - conductance(p, x)) / slope
    return x


def _root(cell: Cell) -> Tensor:
    """Contact voltage between 0 and v at which `mismatch` is 0: secants inside a bracket."""
    v = cell.v
    low, high = v.clamp(max=0.0), v.clamp(min=0.0)
    old, f_old = v, v
    new = torch.zeros_like(v)
    for _ in range(ITERATIONS):
        f = cell.mismatch(new)
        low, high = torch.where(f < 0, new, low), torch.where(f > 0, new, high)
        step = f * (new - old) / (f - f_old)
        old, f_old, trial = new, f, new - step
        inside = (trial > low) & (trial < high)
        new = torch.where(f == 0, new, torch.where(inside, trial, (low + high) / 2))
        if bool(((new - old).abs() <= 64 * torch.finfo(v.dtype).eps * new.abs()).all()):
            break
    return new


def _barrier(p: JartParams, grown: Tensor, w: Tensor) -> Tensor:
    psi = p.phi0 - p.phi_n - w.clamp(max=(p.phi0 - p.phi_n) / 2)
    return (p.phi0 - (p.lowering * grown * psi) ** 0.25).clamp(min=0.0)


def _saturation(p: JartParams, kt: Tensor, phi: Tensor) -> Tensor:
    return p.area * p.a_star / K_E**2 * kt**2 * torch.exp(-phi / kt)


def _grown(p: JartParams, x: Tensor) -> Tensor:
    return torch.exp(p.span * x.clamp(0.0, 1.0))


def _plus(p: JartParams, v: Tensor) -> Tensor:
    return (1 + torch.tanh(v / p.v_sign)) / 2
