"""Energy and latency of a model's analogue part: operations counted while it runs, priced in two ways."""

from cosim.energy.components import (
    A100,
    NEURAL_FIELD,
    NEURAL_FIELD_AS_CODED,
    Component,
    Gpu,
    Table,
)
from cosim.energy.counting import count
from cosim.energy.ledger import Entry, Ledger, ledger
from cosim.energy.operations import Counts
from cosim.energy.picture import picture
from cosim.energy.records import Records

__all__ = [
    "A100",
    "NEURAL_FIELD",
    "NEURAL_FIELD_AS_CODED",
    "Component",
    "Counts",
    "Entry",
    "Gpu",
    "Ledger",
    "Records",
    "Table",
    "count",
    "ledger",
    "picture",
]
