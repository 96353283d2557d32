"""Differential equations on arrays: `AnalogODE` solves dh/dt = f(h, u, t), `AnalogRate` is an f made of crossbars."""

from cosim.layers.ode.rate import AnalogRate
from cosim.layers.ode.solver import AnalogODE

__all__ = ["AnalogODE", "AnalogRate"]
