"""Monte Carlo of a circuit: how mismatch, temperature and supply spread the parameters of its twin.

In each sample the circuit's own subcircuit is drawn anew and put into the nominal bench, and the nominal twin is
fitted to it: what differs between samples is the fit, and nothing that the twin is told.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np

from cosim.calibration import Record, Spread
from cosim.circuits import Circuit
from cosim.engines import Analysis, Engine, SimulationError
from cosim.external import Substituted
from cosim.runs import Answer, Cache, run_many
from cosim.runs.progress import Report
from cosim.settings import field_at, with_value
from cosim.sweeps.variation import Lognormal, Normal, Shift, generator
from cosim.waveforms import Waveforms
from devicemodels.units import Celsius
from netlists.external import External, replaced
from netlists.spice import Netlist, Subckt

Mismatch = Normal | Lognormal | Shift
"""What a number drawn from the standard normal distribution does to a parameter."""
Correlation = Mapping[tuple[str, str], float]
"""Correlation coefficients between the normal numbers of pairs of parameters; 0 for all others."""


@dataclass(frozen=True, kw_only=True)
class MonteCarlo:
    """What varies from sample to sample, and how many there are; the numbers of a sample depend on the seed alone."""

    samples: int
    vary: Mapping[str, Mismatch]
    correlation: Correlation = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(f"MonteCarlo.samples must be 2 or more, got {self.samples!r}")
        if not self.vary:
            raise ValueError("MonteCarlo.vary must name a parameter, as in {'c': Normal(sigma=0.01)}")
        self.factor()

    def factor(self) -> np.ndarray:
        """Cholesky factor of the correlations [parameter, parameter]; ValueError when no numbers can have them."""
        names, matrix = list(self.vary), np.eye(len(self.vary))
        for pair, value in self.correlation.items():
            if unknown := set(pair) - set(names):
                raise ValueError(f"MonteCarlo.correlation names {sorted(unknown)}, which do not vary; {names} do")
            i, j = (names.index(name) for name in pair)
            matrix[i, j] = matrix[j, i] = value
        try:
            return np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise ValueError(f"no numbers have the correlations {dict(self.correlation)}; lower them") from None

    def draw(self, params: Any, number: int) -> Any:
        """The parameters of sample `number`."""
        z = self.factor() @ generator(self.seed, number).standard_normal(len(self.vary))
        for (path, variation), value in zip(self.vary.items(), z, strict=True):
            owner, name = field_at(params, path)
            params = with_value(params, path, variation.at(getattr(owner, name), float(value)))
        return params


class AtTemperature(Engine):
    """`engine` at `temp` (°C), whatever the analysis says."""

    def __init__(self, engine: Engine, temp: Celsius) -> None:
        self.engine, self.temp = engine, temp
        self.limits, self.allow_suspect = engine.limits, engine.allow_suspect

    def version(self) -> str:
        return self.engine.version()

    def analysis(self, analysis: Analysis) -> Analysis:
        """The analysis at this temperature."""
        return replace(analysis, options=replace(analysis.options, temp=self.temp))

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        return self.engine.run(netlist, self.analysis(analysis))


class Remembering(Engine):
    """`engine` behind a cache."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        self.engine, self.cache = engine, cache
        self.limits, self.allow_suspect = engine.limits, engine.allow_suspect

    def version(self) -> str:
        return self.engine.version()

    def run(self, netlist: Netlist, analysis: Analysis) -> Waveforms:
        job = (netlist, analysis)
        if (known := self.cache.get(job, self.engine, netlist.digest)) is not None:
            return known
        waves = self.engine.run(*job)
        self.cache.put(job, self.engine, waves)
        return waves


def spread(
    circuit: Circuit,
    plan: MonteCarlo,
    engine: Engine,
    *,
    params: Any = None,
    temp: Celsius | None = None,
    workers: int | None = None,
    cache: Cache | None = None,
    progress: Report | bool | None = None,
) -> Record:
    """The record of the nominal circuit with the spread of its fit; `params` are the circuit's own by default.

    The benches of all samples run first, `workers` at a time; then one fit after the other, whose further simulations
    `cache` keeps as well: a call that was killed resumes where it was. A sample that cannot be simulated or fitted
    counts as failed; raises SimulationError when fewer than two are left.
    """
    nominal = circuit.params if params is None else params
    store = Cache() if cache is None else cache
    here = engine if temp is None else AtTemperature(engine, temp)
    bench, analysis = circuit.bench(nominal), circuit.analysis(nominal)
    _check(circuit, nominal, plan)
    name = _name(bench, circuit.build(nominal))
    draws = (plan.draw(nominal, number) for number in range(plan.samples))
    drawn = [replace(circuit.build(params), name=name) for params in draws]
    if isinstance(here, AtTemperature):
        analysis = here.analysis(analysis)
    jobs = [(replaced(bench, subckt), analysis) for subckt in drawn]
    answers = run_many(jobs, engine, workers=workers, cache=store, progress=progress)
    remembering: Engine = Remembering(engine, store)
    if temp is not None:
        remembering = AtTemperature(remembering, temp)
    found = [_fitted(circuit, nominal, *pair, remembering) for pair in zip(drawn, answers, strict=True)]
    records = [record for record in found if isinstance(record, Record)]
    if len(records) < 2:
        raise next(error for error in found if isinstance(error, SimulationError))
    return replace(circuit.calibrate(nominal, remembering), spread=_summary(plan, records))


def _check(circuit: Circuit, nominal: Any, plan: MonteCarlo) -> None:
    """Raises ValueError for a parameter that is not one of the subcircuit's."""
    for path, variation in plan.vary.items():
        owner, name = field_at(nominal, path)
        other = with_value(nominal, path, variation.at(getattr(owner, name), 0.1))
        if _text(circuit.build(other)) == _text(circuit.build(nominal)):
            raise ValueError(f"{path} is a value of the test bench and not of the circuit: it cannot vary")


def _name(bench: Netlist, subckt: Subckt) -> str:
    """What the bench calls the subcircuit; one that stands in for another has that one's name."""
    body = subckt.lines()[1:-1]
    return next(found.name for found in bench.all_subckts() if found.lines()[1:-1] == body)


def _text(subckt: Subckt) -> str:
    return Netlist("", (), ("v(0)",), (subckt,)).text()


def _fitted(
    circuit: Circuit, nominal: Any, subckt: Subckt, answer: Answer, engine: Engine
) -> "Record | SimulationError":
    if isinstance(answer, SimulationError):
        return answer
    try:
        with np.errstate(invalid="ignore"):  # a fit may try values that have no answer
            return circuit.calibrate(nominal, Substituted(engine, External(subckt)))
    except (SimulationError, ValueError) as error:
        return error if isinstance(error, SimulationError) else SimulationError(f"a sample has no fit: {error}")


def _summary(plan: MonteCarlo, records: list[Record]) -> Spread:
    names = tuple(records[0].fit)
    values = np.array([[record.fit[name] for name in names] for record in records])
    vary = {path: _described(variation) for path, variation in plan.vary.items()}
    return Spread(
        names=names,
        mean=tuple(values.mean(axis=0).tolist()),
        covariance=tuple(map(tuple, np.atleast_2d(np.cov(values.T)).tolist())),
        samples=plan.samples,
        failed=plan.samples - len(records),
        seed=plan.seed,
        vary=vary | {f"correlation {a}, {b}": str(value) for (a, b), value in plan.correlation.items()},
        worst=max(record.unseen.worst for record in records),
    )


def _described(variation: Mismatch) -> str:
    return f"{type(variation).__name__.lower()} {cast(float, asdict(variation)['sigma']):g}"
