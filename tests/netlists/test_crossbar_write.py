"""Drives of the write schemes and the bench of a write."""

import numpy as np
import pytest

from devicemodels.vteam import VteamParams
from netlists import crossbar_write
from netlists.crossbar import CrossbarParams
from netlists.crossbar_write import WritePulse
from netlists.spice import V

PULSE = WritePulse(scheme="V/3", row=1, col=0, v=-1.5, width=1e-9, edge=1e-10)


def test_drives_are_the_parts_of_the_scheme():
    word, bit = PULSE.drives((3, 2))
    levels = [[wave.points[1][1] for wave in side if wave is not None] for side in (word, bit)]
    assert levels == [pytest.approx([-0.5, -1.5, -0.5]), pytest.approx([0.0, -1.0])]
    assert word[0] is not None
    np.testing.assert_allclose(word[0].points, [(0, 0), (1e-10, -0.5), (1.1e-9, -0.5), (1.2e-9, 0)], rtol=1e-12)


def test_floating_lines_have_no_source():
    pulse = WritePulse(scheme="floating", row=1, col=0, v=1.0, width=1e-9, edge=1e-10)
    p = CrossbarParams(r_wl=2.0, r_bl=2.0, device=VteamParams())
    netlist = crossbar_write.testbench(p, np.full((3, 2), 1e-4), pulse)
    assert [e.name for e in netlist.elements if isinstance(e, V)] == ["in1", "out0"]
    assert len(netlist.probes) == 6


def test_bad_writes_are_refused():
    with pytest.raises(ValueError, match=r"V/2, V/3, floating, got 'V/4'"):
        WritePulse(scheme="V/4", row=0, col=0, v=1.0, width=1e-9, edge=1e-10)
    with pytest.raises(ValueError, match=r"cell \(1, 0\) is outside"):
        PULSE.drives((1, 2))
    with pytest.raises(ValueError, match="ohmic cells have no state"):
        crossbar_write.testbench(CrossbarParams(r_wl=2.0, r_bl=2.0), np.full((3, 2), 1e-4), PULSE)
