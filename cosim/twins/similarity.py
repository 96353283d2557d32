"""Twin of netlists/similarity.py: exact currents of the array with its lines, then the amplifiers of the words.

    v_j = Tia(gain, v_offset)( Σ_r v_r G_eff[r, j] ),      similarity_j = −(v_j/gain)/v_one

It is settled: `period` is the time that one search is given. Keys may be any, not only those that were calibrated.
"""

from dataclasses import asdict, dataclass, replace
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cosim.calibration import Record, Residual
from cosim.engines import Engine, Options, Tran
from cosim.settings import flatten
from cosim.twins.base import Overlay, Twin, supplied
from cosim.twins.crossbar import effective_conductance
from cosim.twins.tia import Tia, ideal
from cosim.twins.tia.model import period as settling
from cosim.waveforms import Waveforms
from devicemodels.units import FINITE, POSITIVE, One, Second, Volt, validate
from netlists import similarity
from netlists.similarity import SimilarityParams, keys, outputs, system, testbench
from netlists.spice import Netlist
from netlists.stimuli import held


@dataclass(frozen=True, kw_only=True)
class SimilarityFit:
    """What the bench finds of the amplifiers."""

    gain: Annotated[One, POSITIVE] = 1.0
    """Feedback resistance over r_f."""
    v_offset: Annotated[Volt, FINITE] = 0.0
    """Input offset of every amplifier."""

    def __post_init__(self) -> None:
        validate(self)

    @staticmethod
    def ideal(p: SimilarityParams) -> "SimilarityFit":
        """The values of the netlist."""
        return SimilarityFit(v_offset=p.tia.opamp.v_offset)


class Similarity(Twin[SimilarityParams, SimilarityFit]):
    """The calibrated memory; its keys are an argument."""

    FIT = SimilarityFit
    INPUT = "query"

    def __init__(
        self, p: SimilarityParams, fit: SimilarityFit, domain: dict[str, tuple[float, float]] | None = None
    ) -> None:
        super().__init__(p, fit, domain)
        self.amplifier = Tia(p.tia, replace(ideal(p.tia), **asdict(fit)))

    def conductances(self, stored: Float[Tensor, "word feature"]) -> Float[Tensor, "row word"]:
        """Cells (S) of keys in −1..1, G⁺ and G⁻ of each feature in neighbouring rows."""
        k = stored.T
        pair = torch.stack([k.clamp(min=0), (-k).clamp(min=0)], 1)
        return self.p.g_min + (self.p.g_max - self.p.g_min) * pair.reshape(2 * k.shape[0], k.shape[1])

    def volts(self, query: Float[Tensor, "batch feature"], g: Float[Tensor, "row word"]) -> Float[Tensor, "batch word"]:
        """Outputs (V) of all words for queries in −1..1 and cells g (S)."""
        lines = self.p.v_read * torch.stack([query, -query], -1).flatten(-2)
        effective = effective_conductance(g, self.p.crossbar)
        return self.amplifier(lines @ effective, effective.sum(0))

    def forward(
        self, query: Float[Tensor, "batch feature"], stored: Float[Tensor, "word feature"]
    ) -> Float[Tensor, "batch word"]:
        """Sums Σ q k as the circuit gives them, for queries and keys in −1..1."""
        return -self.volts(query, self.conductances(stored)) / (self.fit.gain * self.p.v_one)


def respond(twin: Similarity, u: Float[Tensor, "batch time"]) -> Float[Tensor, "batch time"]:
    """Output (V) of the first word for all elements of the query at u."""
    cells = twin.conductances(torch.as_tensor(keys(twin.p)).to(u))
    return twin.volts(u.reshape(-1, 1).expand(-1, twin.p.features), cells)[:, 0].reshape(u.shape)


def period(p: SimilarityParams) -> Second:
    """Time of one search: a full swing and the settling of the amplifiers."""
    g = similarity.conductances(p, keys(p))
    return settling(replace(p.tia, g_col=float(g.sum(0).max())))


def _queries(p: SimilarityParams) -> np.ndarray:
    """Queries [search, feature] of the bench: none, then a stored key, its inverse, and a stored key at half size."""
    stored = keys(p)
    return np.stack([np.zeros(p.features), stored[0], -stored[0], stored[-1] / 2])


def _netlist(p: SimilarityParams, queries: np.ndarray, g: np.ndarray | None = None) -> Netlist:
    times, edge = (np.arange(len(queries)) * period(p)).tolist(), period(p) / 50
    drives = [[held((s * p.v_read * q).tolist(), times, edge) for q in queries.T] for s in (1.0, -1.0)]
    return testbench(p, drives[0], drives[1], g)


def _transient(p: SimilarityParams, count: int) -> Tran:
    return Tran(stop=count * period(p), max_step=period(p) / 50, options=Options(reltol=1e-5, vntol=1e-8))


def _ends(p: SimilarityParams, waves: Waveforms, count: int) -> np.ndarray:
    """Outputs (V) [search, word] just before the next search."""
    time = (np.arange(count) + 0.97) * period(p)
    return np.stack([waves.at(f"v({net})", time) for net in outputs(p)], 1)


def bench(p: SimilarityParams) -> Netlist:
    """`_queries` on the stored keys: the empty query shows the offset, the others the gain."""
    return _netlist(p, _queries(p))


def analysis(p: SimilarityParams) -> Tran:
    """The transient of the bench."""
    return _transient(p, len(_queries(p)))


NUDGE: Volt = 1e-4
"""Offset that shows what the noise gain of every word makes of one, far from all limits."""


def calibrate(p: SimilarityParams, engine: Engine) -> Record:
    """Gain and offset by least squares; energies from the waveforms of the bench."""
    waves, queries = engine.run(bench(p), analysis(p)), _queries(p)
    measured, cells = _ends(p, waves, len(queries)), similarity.conductances(p, keys(p))
    perfect = SimilarityFit(gain=1.0, v_offset=0.0)
    # Outputs are linear in gain and offset: what each makes of them.
    product = _outputs(Similarity(p, perfect), queries, cells)
    offset = (_outputs(Similarity(p, SimilarityFit(v_offset=NUDGE)), queries, cells) - product) / NUDGE
    basis = np.column_stack([product.ravel(), offset.ravel()])
    gain, v_offset = np.linalg.lstsq(basis, measured.ravel(), rcond=None)[0].tolist()
    fit = SimilarityFit(gain=gain, v_offset=v_offset)
    twin = Similarity(p, fit, {"query": (-1.0, 1.0), "sum": (-p.largest, p.largest)})
    return Record(
        circuit="similarity",
        params=flatten(p),
        fit=asdict(fit),
        digest=waves.digest,
        engine=waves.engine,
        analysis=repr(waves.analysis),
        bench=Residual.of(_outputs(twin, queries, cells) - measured, 2 * p.v_full),
        unseen=unseen(p, twin, engine),
        domain=twin.domain,
        extra=_energies(p, waves, len(queries)) | {"search_time": period(p), "v_one": p.v_one},
    )


def _energies(p: SimilarityParams, waves: Waveforms, count: int) -> dict[str, float]:
    """Energies (J) of one search in the mean of those with a query, from the rails and from the word lines."""
    rails = {f"v{net}": volts for net, volts in system(p).supplies.items()}
    lines = {f"v{net}": f"v({net})" for net in similarity.rows(p)}
    start, searches = period(p), count - 1
    amplifiers, array = (supplied(waves, given, start) / searches for given in (rails, lines))
    return {
        "energy_per_search": amplifiers + array,
        "energy_per_search_amplifiers": amplifiers,
        "energy_per_search_word_lines": array,
    }


def _outputs(twin: Similarity, queries: np.ndarray, cells: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return twin.volts(torch.from_numpy(queries), torch.from_numpy(cells)).numpy()


def unseen(p: SimilarityParams, twin: Similarity, engine: Engine) -> Residual:
    """How far the outputs are off on `overlay`'s searches."""
    return _overlay(p, engine, twin).residual(2 * p.v_full)


def overlay(p: SimilarityParams, engine: Engine, record: Record) -> Overlay:
    """Every word for each of twelve queries, on other cells: keys of any size in −1..1, with spread of 5 %.

    Half of the queries are keys with errors, so that large sums occur, half are random.
    """
    return _overlay(p, engine, Similarity.from_record(p, record))


SPREAD: One = 0.05
"""Relative standard deviation of the conductances in the unseen array."""


def _overlay(p: SimilarityParams, engine: Engine, twin: Similarity) -> Overlay:
    rng = np.random.default_rng(17)
    stored = rng.uniform(-1, 1, (p.words, p.features))
    stored[: p.words // 2] = np.sign(stored[: p.words // 2])
    cells = similarity.conductances(p, stored) * (1 + SPREAD * rng.standard_normal((2 * p.features, p.words)))
    alike = np.clip(stored[rng.integers(p.words, size=6)] + 0.2 * rng.standard_normal((6, p.features)), -1, 1)
    queries = np.concatenate([alike, rng.uniform(-1, 1, (6, p.features))])
    waves = engine.run(_netlist(p, queries, cells), _transient(p, len(queries)))
    circuit, out = _ends(p, waves, len(queries)), _outputs(twin, queries, cells)
    number, sums = np.arange(circuit.size, dtype=float), (queries @ stored.T).ravel()
    return Overlay(number, sums, circuit.ravel(), out.ravel(), "word of each search", "product of query and key (1)")
