"""Runs a model with its effects one at a time, all but one at a time, and all together."""

from collections.abc import Sequence, Set
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import t as student
from torch import Tensor, nn

from cosim.budget.budget import Budget, Loss
from cosim.budget.effects import EFFECTS, Switches, active_effects
from cosim.certification import tango


@torch.no_grad()
def error_budget(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor | None,
    *,
    seeds: int = 5,
    fidelity: str = "exact",
    effects: Sequence[str] | None = None,
    batch: int | None = None,
) -> Budget:
    """What each effect costs `model`, which maps inputs [sample, ...] to outputs [sample, class].

    The model is copied, in evaluation mode. Each seed programs the copy anew (errors, stuck cells, ageing) and has one
    frame of read noise; a seed has the same draws whatever is switched off. `effects` (None: all the model has) are
    switched; any other is off. Programming errors that the model already has are replaced. Without labels accuracy is
    agreement with the model without effects. `batch` inputs run at a time (None: all); an input range that was not
    calibrated follows the batch.

    The interval of an accuracy joins two: that of Tango over the samples, for the counts of answers won and lost that a
    seed has on average, and Student's over the seeds, by adding the squares of their widths at each side. That of the
    error of outputs is Student's over the seeds, and empty where nothing is drawn. Raises ValueError for arguments that
    do not fit.
    """
    known = active_effects(model)
    chosen = tuple(known if effects is None else effects)
    _check(known, chosen, inputs, labels, seeds, fidelity)
    run = _Run(Switches(deepcopy(model).eval(), fidelity), inputs, inputs.shape[0] if batch is None else batch)
    nothing = run.outputs(frozenset(), 0)
    right = nothing.argmax(1) if labels is None else labels
    everything = frozenset(chosen)
    random = any(EFFECTS[name].random for name in chosen)
    sets = {frozenset[str](), everything} | {frozenset({name}) for name in chosen}
    sets |= {everything - {name} for name in chosen}
    drawn: dict[frozenset[str], list[Tensor]] = {one: [] for one in sets}
    for seed in range(seeds if random else 1):
        run.switches.program(torch.Generator().manual_seed(seed))
        for one in sets:
            drawn[one].append(run.outputs(one, seed))
    compare = _Compare(drawn, right, float(nothing.double().square().mean().sqrt()))
    return Budget(
        alone={name: compare(frozenset(), frozenset({name})) for name in chosen},
        left_out={name: compare(everything - {name}, everything) for name in chosen},
        everything=compare(frozenset(), everything),
        accuracy_without=float((nothing.argmax(1) == right).double().mean()),
        samples=len(inputs),
        seeds=seeds if random else 1,
        fidelity=fidelity,
        labelled=labels is not None,
    )


@dataclass
class _Run:
    switches: Switches
    inputs: Tensor
    batch: int

    def outputs(self, active: Set[str], frame: int) -> Float[Tensor, "sample class"]:
        self.switches.switch(active, frame)
        found = torch.cat([self.switches.model(x) for x in self.inputs.split(self.batch)])
        if found.ndim != 2 or len(found) != len(self.inputs):
            raise ValueError(f"the model must return [{len(self.inputs)}, class], got {list(found.shape)}")
        return found


@dataclass
class _Compare:
    """Losses between two sets of effects, of outputs for every seed."""

    outputs: dict[frozenset[str], list[Tensor]]
    right: Tensor
    scale: float

    def __call__(self, fewer: frozenset[str], more: frozenset[str]) -> Loss:
        pairs = list(zip(self.outputs[fewer], self.outputs[more], strict=True))
        lost = np.array([self._changes(a, b) for a, b in pairs])
        errors = np.array([float((b.double() - a.double()).square().mean().sqrt()) / self.scale for a, b in pairs])
        accuracy = (lost[:, 1] - lost[:, 0]) / len(self.right)
        won, gone = lost.mean(axis=0)
        low, high = tango(gone, won, len(self.right))
        middle, spread = float(accuracy.mean()), half_width(accuracy)
        error, width = float(errors.mean()), half_width(errors)
        return Loss(
            accuracy=middle,
            accuracy_low=middle - float(np.hypot(middle - low, spread)),
            accuracy_high=middle + float(np.hypot(high - middle, spread)),
            error=error,
            error_low=max(error - width, 0.0),
            error_high=error + width,
        )

    def _changes(self, a: Tensor, b: Tensor) -> tuple[int, int]:
        """Answers that are right in b alone and in a alone."""
        before, after = self._right(a), self._right(b)
        return int((after & ~before).sum()), int((before & ~after).sum())

    def _right(self, y: Tensor) -> Bool[Tensor, " sample"]:
        return y.argmax(1) == self.right


def half_width(values: Float[np.ndarray, " seed"]) -> float:
    """Half of Student's 95 % interval of the mean; 0 where nothing was drawn, or all values are equal."""
    if len(values) < 2:
        return 0.0
    return float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def _check(
    known: Sequence[str], chosen: Sequence[str], inputs: Tensor, labels: Tensor | None, seeds: int, fidelity: str
) -> None:
    if unknown := [name for name in chosen if name not in known]:
        raise ValueError(f"effects must be among those that the model has, {list(known)}, got {unknown}")
    if not chosen:
        raise ValueError(
            "the model has no effect to switch; convert it with convert_to_analog and a hardware with some"
        )
    if labels is not None and labels.shape != inputs.shape[:1]:
        raise ValueError(f"labels must have shape [{len(inputs)}], one for each input, got {list(labels.shape)}")
    if len(inputs) == 0:
        raise ValueError("inputs must hold at least one sample, got none")
    if seeds < 2:
        raise ValueError(f"seeds must be 2 or more for an interval, got {seeds!r}")
    if fidelity not in ("twin", "exact"):
        raise ValueError(f"fidelity must be 'twin' or 'exact', got {fidelity!r}")
