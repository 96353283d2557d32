"""Pictures of a device: its pinched loop, linear and logarithmic, and how its switching time depends on the voltage."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from devicemodels import Device
from devicemodels.fit.data import sweep
from devicemodels.fit.simulate import simulate, state_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 801
FROM, TO = 0.1, 0.9
"""Shares of the range of the state between which a switching time is taken."""


def loop(device: Device, params: Any) -> tuple[Float[np.ndarray, "point"], Float[np.ndarray, "point"]]:
    """Voltage (V) and current (A) along the device's triangle drive."""
    peaks = (0.0, device.drive.v_plus, 0.0, device.drive.v_minus, 0.0)
    t = np.linspace(0, device.drive.duration, POINTS)
    v = np.interp(t, np.linspace(0, device.drive.duration, 5), peaks)
    return v, simulate(device, [params], sweep(v, np.zeros_like(v), t))[0]


def switching_times(device: Device, params: Any, v: Float[np.ndarray, "v"]) -> Float[np.ndarray, "v"]:
    """Time (s) in which a constant voltage (V) takes the state from one tenth to nine tenths of its range, or back.

    It is the integral of dx over the rate, by the trapezoidal rule on 2001 states; NaN where the state stops before.
    """
    low, high = state_range(device)
    x = torch.linspace(low + FROM * (high - low), low + TO * (high - low), 2001, dtype=torch.float64)
    with torch.no_grad():
        rate = device.model.rate(params, *torch.broadcast_tensors(x[None, :], torch.from_numpy(v)[:, None])).numpy()
    one_way = (rate > 0).all(axis=1) | (rate < 0).all(axis=1)
    safe = np.where(one_way[:, None], np.abs(rate), 1.0)
    return np.where(one_way, np.trapezoid(1 / safe, x.numpy(), axis=1), np.nan)


def picture(device: Device, params: Any) -> "Figure":
    """The three panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    linear, log, times = figure.subplots(1, 3)
    v, i = loop(device, params)
    for panel, current, label in ((linear, i, "current (A)"), (log, np.abs(i), "|current| (A)")):
        panel.plot(v, np.where(current == 0, np.nan, current) if panel is log else current, lw=1.3)
        panel.set_xlabel("voltage (V)")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    log.set_yscale("log")
    _draw_times(device, params, times)
    figure.suptitle(
        f"{device.name}: {device.drive.duration:g} s from 0 to {v.max():g} V, {v.min():g} V and back", fontsize=10
    )
    return figure


def _draw_times(device: Device, params: Any, panel: Any) -> None:
    drawn = False
    if np.isfinite(np.subtract(*state_range(device))):
        for peak, colour in ((device.drive.v_plus, "tab:red"), (device.drive.v_minus, "tab:blue")):
            v = np.linspace(0.02, 1.5, 300) * peak
            times = switching_times(device, params, v)
            drawn = drawn or bool(np.isfinite(times).any())
            panel.plot(np.abs(v), times, color=colour, lw=1.3, label="positive" if peak > 0 else "negative")
    if drawn:
        panel.set_yscale("log")
        panel.legend(fontsize=8)
    else:
        panel.text(0.5, 0.5, "the state does not move\nfrom 10 % to 90 %", ha="center", transform=panel.transAxes)
    panel.set_xlabel("|voltage| (V)")
    panel.set_ylabel("switching time, 10 % to 90 % (s)")
    panel.grid(alpha=0.3)
