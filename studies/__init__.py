"""The list of studies: a module each, with `sizes`, `run`, `report`, `certify`, and `trained` for networks alone."""

from studies.diffusion import study as diffusion
from studies.digital_twin import study as digital_twin
from studies.edge_pruning import study as edge_pruning
from studies.hardware_aware import study as hardware_aware
from studies.prime import study as prime

STUDIES = {
    "diffusion": diffusion,
    "digital_twin": digital_twin,
    "edge_pruning": edge_pruning,
    "hardware_aware": hardware_aware,
    "prime": prime,
}
