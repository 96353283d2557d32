"""The error budget: what each effect of the hardware costs a model in accuracy and in its outputs."""

from cosim.budget.budget import Budget, Loss
from cosim.budget.effects import EFFECTS, active_effects
from cosim.budget.error_budget import error_budget
from cosim.budget.picture import picture

__all__ = ["EFFECTS", "Budget", "Loss", "active_effects", "error_budget", "picture"]
