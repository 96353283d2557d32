"""Hardware small enough for many tiles per layer and for ngspice."""

from dataclasses import replace

import pytest

from cosim.hardware import IDEAL, Hardware
from devicemodels.statistics import ProgrammingError, ReadNoise
from netlists.crossbar import CrossbarParams


@pytest.fixture
def lossy() -> Hardware:
    """Tiles of 4 × 6 with every effect but the converters."""
    lines = CrossbarParams(r_wl=3.0, r_bl=5.0, r_source=20.0, r_sense=10.0)
    noise = {"programming": ProgrammingError(absolute=1e-6, relative=0.01), "read_noise": ReadNoise(relative=0.02)}
    return replace(IDEAL, rows=4, cols=6, g_min=1e-6, crossbar=lines, **noise)
