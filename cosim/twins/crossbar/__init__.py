"""Exact twin of the crossbar: what `netlists.crossbar` describes, as fast differentiable torch functions."""

from cosim.twins.crossbar.effective import effective_conductance, read

__all__ = ["effective_conductance", "read"]
