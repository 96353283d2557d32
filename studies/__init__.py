"""The list of studies: a module each, with `sizes`, `run`, `report` and `certify`."""

from studies.edge_pruning import study as edge_pruning
from studies.prime import study as prime

STUDIES = {"edge_pruning": edge_pruning, "prime": prime}
