"""What an error budget says, as data, as JSON and as a table."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Loss:
    """A loss of accuracy and an error of the outputs, means over the seeds with 95 % intervals."""

    accuracy: float
    """Share of right answers lost; negative where it was gained."""
    accuracy_low: float
    accuracy_high: float
    error: float
    """RMS of the change of the outputs over the RMS of the outputs without any effect."""
    error_low: float
    error_high: float

    def __str__(self) -> str:
        low, high = 100 * self.accuracy_low, 100 * self.accuracy_high
        error = f"{100 * self.error:.3g} ({100 * self.error_low:.3g} … {100 * self.error_high:.3g})"
        return f"{100 * self.accuracy:+.2f} ({low:+.2f} … {high:+.2f})  {error}"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Every effect alone, and what is won back when it alone is left out; `everything` is all effects at once.

    With `labelled` False accuracy is agreement with the model without any effect.
    """

    alone: Mapping[str, Loss]
    left_out: Mapping[str, Loss]
    """Accuracy lost, and change of the outputs, by the last step: from all other effects to all effects."""
    everything: Loss
    accuracy_without: float
    """Share of right answers without any effect."""
    samples: int
    seeds: int
    fidelity: str
    labelled: bool

    @property
    def interaction(self) -> float:
        """Accuracy lost with everything less the sum of the effects alone: 0 where effects add."""
        return self.everything.accuracy - sum(loss.accuracy for loss in self.alone.values())

    def to_json(self) -> str:
        """Stable, readable JSON; effects in the order of the signal chain."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "Budget":
        """The budget in `text`; raises ValueError that names what is missing or of the wrong form."""
        try:
            data: dict[str, Any] = json.loads(text)
            for name in ("alone", "left_out"):
                data[name] = {key: Loss(**loss) for key, loss in data[name].items()}
            data["everything"] = Loss(**data["everything"])
            return Budget(**data)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"not an error budget: {error}") from None

    def __str__(self) -> str:
        what = "accuracy" if self.labelled else "agreement"
        rows = [("effect", f"alone: {what} lost %, outputs off %", "last of all: the same")]
        rows += [(name, str(loss), str(self.left_out[name])) for name, loss in self.alone.items()]
        rows.append(("everything", str(self.everything), ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(x.ljust(width) for x, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(
            [
                *lines,
                f"without any effect  {100 * self.accuracy_without:.2f} % {what}",
                f"interaction         {100 * self.interaction:+.2f} % (everything less the sum of the effects alone)",
                f"{self.samples} samples, {self.seeds} seeds, fidelity {self.fidelity}; intervals are 95 %",
            ]
        )
