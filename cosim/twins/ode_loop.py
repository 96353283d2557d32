r"""Behavioural twin of netlists/ode_loop.py: the closed loop as a differential equation, from the twins of its parts.

    dw/dt = -k (v_z - v_offset) - leak x - k (w - x),   k = gain/(r c),   x = w between the rails v_low and v_high
    v_z = network(x - lag·dx/dt, inputs)

v_z, the inputs of the integrators, are what crossbars, amplifiers and rectifiers settle to (twins/system.py). That they
take a moment to do so acts as one delay: to first order the network sees where x was, `lag` ago. `lag` and `gain` are
what the closed loop shows; all else comes from the parts. The rule is the classical one of Runge and Kutta.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from cosim.calibration import Record, Residual, load
from cosim.engines import Engine, Tran
from cosim.settings import flatten
from cosim.twins import integrator
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.integrator import Integrator, IntegratorFit
from cosim.twins.system import SystemTwin, parts
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, One, Second, Volt, validate
from netlists.mlp import BIAS, Layer
from netlists.ode_loop import OdeLoopParams, driven_rotor, stimulus, system, testbench
from netlists.spice import Netlist


@dataclass(frozen=True, kw_only=True)
class OdeLoopFit(IntegratorFit):
    """The integrator's fit with the gain that the closed loop shows, and the loop's delay."""

    lag: Annotated[Second, FINITE] = 0.0
    """Delay from the states to the inputs of the integrators."""

    def __post_init__(self) -> None:
        validate(self)

    @property
    def integrator(self) -> IntegratorFit:
        """Without the delay."""
        return IntegratorFit(**{field.name: getattr(self, field.name) for field in fields(IntegratorFit)})


class OdeLoop(Twin[OdeLoopParams, OdeLoopFit]):
    """The calibrated loop around a network, by default the one of the calibration.

    `records` are those of the circuits in it, "tia" and "relu"; by default the shipped ones.
    """

    FIT = OdeLoopFit
    INPUT = "x"

    def __init__(
        self,
        p: OdeLoopParams,
        fit: OdeLoopFit,
        domain: Mapping[str, tuple[float, float]] | None = None,
        *,
        layers: Sequence[Layer] | None = None,
        records: Mapping[str, Record] | None = None,
    ) -> None:
        super().__init__(p, fit, domain)
        self.layers = tuple(layers or driven_rotor())
        loop = system(p, self.layers)
        known = records or {name: load(name) for name in ("tia", "relu")}
        self.network = SystemTwin(loop, parts(loop, known, {"states": Integrator(p.integrator, fit.integrator)}))
        self.inputs = tuple(dict.fromkeys(name for layer in self.layers for name in layer.inputs))
        base = [p.unit if name == BIAS else 0.0 for name in loop.sources[: len(loop.sources) - len(self.inputs)]]
        self.register_buffer("_base", torch.tensor(base, dtype=torch.float64))

    def rate(self, w: Float[Tensor, "batch state"], u: Float[Tensor, "batch input"]) -> Float[Tensor, "batch state"]:
        """dw/dt (V/s) for the states w (V) and the inputs u (V)."""
        now = self._rate(w, w, u)
        return self._rate(w, w - self.fit.lag * now, u) if self.fit.lag else now

    def _rate(self, w: Tensor, seen: Tensor, u: Tensor) -> Tensor:
        fit, k = self.fit, self.fit.gain / self.p.tau
        base = self.get_buffer("_base").to(w).expand(len(w), -1)
        x = w.clamp(fit.v_low, fit.v_high)
        volts = self.network(torch.cat([base, u], 1), seen.clamp(fit.v_low, fit.v_high))
        return -k * (self.network.integrated(volts) - fit.v_offset) - fit.leak * x - k * (w - x)

    def forward(
        self,
        x0: Float[Tensor, "batch state"],
        dt: Second,
        steps: int,
        u: Float[Tensor, "batch half_step input"] | None = None,
    ) -> Float[Tensor, "batch time state"]:
        """States (units) at 0, dt, ..., steps·dt after the loop closes, from x0 (units).

        The inputs u (units) are given at 0, dt/2, ..., steps·dt: half_step = 2 steps + 1.
        """
        if u is None:
            u = x0.new_zeros(len(x0), 2 * steps + 1, len(self.inputs))
        if u.shape != (len(x0), 2 * steps + 1, len(self.inputs)):
            shape = (len(x0), 2 * steps + 1, len(self.inputs))
            raise ValueError(f"u must have shape {shape} for {steps} steps and inputs {self.inputs}, got {u.shape}")
        u, w = self.p.unit * u, self.p.unit * x0 + self.fit.start
        path = [w]
        for k in range(0, 2 * steps, 2):
            a = self.rate(w, u[:, k])
            b = self.rate(w + dt / 2 * a, u[:, k + 1])
            c = self.rate(w + dt / 2 * b, u[:, k + 1])
            d = self.rate(w + dt * c, u[:, k + 2])
            w = w + dt / 6 * (a + 2 * b + 2 * c + d)
            path.append(w)
        return torch.stack(path, 1).clamp(self.fit.v_low, self.fit.v_high) / self.p.unit


def respond(twin: OdeLoop, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """First state (units) under the first input in units, held for r c / 20 each, from the first state at 1."""
    x0 = torch.eye(len(twin.network.states), dtype=u.dtype)[:1].expand(len(u), -1)
    held = u.repeat_interleave(2, 1)
    samples = torch.cat([held, held[:, -1:]], 1)[..., None]
    return twin(x0, twin.p.tau / 20, u.shape[1], samples)[:, 1:, 0]


LENGTH: One = 8.0
"""Units of time of the bench and of the unseen stimulus: more than one turn."""
STEPS = 200
"""Steps of the twin in that time."""
BENCH_START = (0.4, 0.1)
UNSEEN_START = (-0.9, 0.7)
SWING: One = 2.0
"""Units: the diameter of the limit cycle."""


def transient(p: OdeLoopParams, length: One) -> Tran:
    """The analysis of a loop that runs for `length` units of time.

    The steps, not the tolerance, decide its accuracy; below 1e-3 ngspice may give up at the edge of the switches.
    """
    stop = p.t_load + length * p.tau
    return Tran(stop=stop, max_step=p.tau / 100, uic=True)


def bench(p: OdeLoopParams) -> Netlist:
    """The 2-14-2 rotor without drive, from the inside of its limit cycle: its period shows gain, its growth lag."""
    still = stimulus(p, np.array([0.0, LENGTH * p.tau]), np.zeros(2))
    return testbench(p, driven_rotor(), BENCH_START, {"u": still}, _probes(p))


def _sources(p: OdeLoopParams) -> dict[str, Volt | str]:
    """Every source that gives energy while the loop runs, and its voltage."""
    rails: dict[str, Volt | str] = {f"v{rail}": volts for rail, volts in system(p, driven_rotor()).supplies.items()}
    return rails | {"vbias": p.unit, "vclamp": p.network.relu.v_clamp, "vu": "v(u)"}


def _probes(p: OdeLoopParams) -> tuple[str, ...]:
    return ("v(u)", *(f"i({name})" for name in _sources(p)))


def analysis(p: OdeLoopParams) -> Tran:
    """The transient of the bench."""
    return transient(p, LENGTH)


def _times(p: OdeLoopParams) -> np.ndarray:
    return np.linspace(0, LENGTH * p.tau * (1 - 1e-9), STEPS + 1)


def _states(p: OdeLoopParams, waves: Waveforms) -> np.ndarray:
    """States (units) [time, state] of the circuit on the twin's steps."""
    at = np.minimum(p.t_load + _times(p), waves.time[-1])
    return np.stack([waves.at(f"v(x{k})", at) for k in range(2)], -1) / p.unit


def calibrate(p: OdeLoopParams, engine: Engine) -> Record:
    """The integrator's own record, then gain and lag by least squares on the closed loop; tia and relu as shipped."""
    waves = engine.run(bench(p), analysis(p))
    part = IntegratorFit(**integrator.calibrate(p.integrator, engine).fit)
    circuit, x0 = _states(p, waves), torch.tensor([BENCH_START], dtype=torch.float64)
    ideal = OdeLoopFit(**asdict(part))
    network = OdeLoop(p, ideal)

    def decode(x: np.ndarray) -> OdeLoopFit:
        return replace(ideal, gain=float(part.gain * x[0]), lag=float(x[1] * p.tau))

    def residual(x: np.ndarray) -> np.ndarray:
        network.fit = decode(x)
        with torch.no_grad():
            return (network(x0, LENGTH * p.tau / STEPS, STEPS)[0].numpy() - circuit).ravel()

    solution = least_squares(residual, [1.0, 1e-4], x_scale=[1e-2, 1e-2], diff_step=1e-3, xtol=1e-6, max_nfev=5)
    fit, error = decode(solution.x), residual(solution.x)
    seen, driven = _unseen(p, OdeLoop(p, fit), engine)
    energy = supplied(driven, _sources(p), p.t_load)
    return Record(
        circuit="ode_loop",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(error, SWING),
        unseen=seen.residual(SWING),
        domain={"x": (-1.2, 1.2), "u": (-1.0, 1.0), "duration": (0.0, LENGTH * p.tau)},
        extra={"energy_per_unit_of_time": energy / LENGTH, "energy_of_stimulus": energy},
    )


def unseen(p: OdeLoopParams, twin: OdeLoop, engine: Engine) -> Residual:
    """How far the twin is off on `overlay`'s stimulus, over the diameter of the limit cycle."""
    return _unseen(p, twin, engine)[0].residual(SWING)


def overlay(p: OdeLoopParams, engine: Engine, record: Record) -> Overlay:
    """Another initial state, the input two sines: all states one after the other, in `engine` and in the twin."""
    return _unseen(p, OdeLoop.from_record(p, record), engine)[0]


def _drive(p: OdeLoopParams) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the unseen input: times (s) and values (units); they lie on the twin's half steps."""
    time = _times(p)[::2]
    omega = 2 * np.pi / (np.array([2.3, 5.1]) * p.tau)
    return time, 0.6 * np.sin(omega[0] * time) + 0.3 * np.cos(omega[1] * time)


def _unseen(p: OdeLoopParams, twin: OdeLoop, engine: Engine) -> tuple[Overlay, Waveforms]:
    time, corners = _times(p), _drive(p)
    half = np.linspace(0, time[-1], 2 * STEPS + 1)
    drive = stimulus(p, *corners)
    waves = engine.run(testbench(p, driven_rotor(), UNSEEN_START, {"u": drive}, _probes(p)), transient(p, LENGTH))
    with torch.no_grad():
        u = torch.from_numpy(np.interp(half, *corners))[None, :, None]
        found = twin(torch.tensor([UNSEEN_START], dtype=torch.float64), LENGTH * p.tau / STEPS, STEPS, u)[0].numpy()
    at = np.concatenate([time, LENGTH * p.tau + time])
    series = (np.tile(np.interp(time, *corners), 2), _states(p, waves).T.ravel(), found.T.ravel())
    labels = ("time (s), states one after the other", "input (units)", "state (units)")
    return Overlay(at, *series, *labels), waves
