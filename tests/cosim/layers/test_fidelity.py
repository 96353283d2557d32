"""Exact and spice: the same currents as an independent solution of the network, and as each other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from cosim.engines import SimulationError
from cosim.engines.base import Engine
from cosim.layers import AnalogConv2d, AnalogLinear, LineRefresh
from cosim.layers.tiling import Tiling

IN, OUT = 10, 4


def layer_on(hardware, fidelity, engine=None):
    layer = AnalogLinear(IN, OUT, hardware, fidelity=fidelity, seed=3).double()
    layer.program(torch.Generator().manual_seed(1))
    layer.frame, layer.engine = 5, engine
    return layer


def inputs(batch=6):
    return torch.randn(batch, IN, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def nodal(v: np.ndarray, g: np.ndarray, p) -> np.ndarray:
    """Bit-line currents of one array, by nodal analysis written down element by element."""
    m, n = g.shape
    word, bit = np.arange(m * n).reshape(m, n), m * n + np.arange(m * n).reshape(m, n)
    entries, right = [], np.zeros(2 * m * n)

    def conduct(a, b, conductance):
        for x, y in ((a, b), (b, a)):
            entries.extend([(x, x, conductance), (x, y, -conductance)])

    for i in range(m):
        drive = 1 / (p.r_source + p.r_wl)
        entries.append((word[i, 0], word[i, 0], drive))
        right[word[i, 0]] += drive * v[i]
        for j in range(n):
            conduct(word[i, j], bit[i, j], g[i, j])
            if j:
                conduct(word[i, j - 1], word[i, j], 1 / p.r_wl)
            if i:
                conduct(bit[i - 1, j], bit[i, j], 1 / p.r_bl)
    sense = 1 / (p.r_sense + p.r_bl)
    entries += [(bit[-1, j], bit[-1, j], sense) for j in range(n)]
    a, b, values = zip(*entries, strict=True)
    matrix = coo_array((values, (a, b)), shape=(2 * m * n, 2 * m * n)).tocsc()
    return sense * np.asarray(spsolve(matrix, right))[bit[-1]]


def test_exact_is_the_nodal_solution_of_every_tile(lossy):
    layer, x = layer_on(lossy, "exact"), inputs(2)
    g = layer.core.cells(layer.core.targets(), layer.frame).detach()
    scale = x.abs().max()
    v = (x / scale * lossy.v_read).numpy()
    total = np.zeros((2, 2 * OUT))
    for batch in range(2):
        for rows in Tiling.of(IN, 2 * OUT, 4, 6).rows:
            for cols in (slice(0, 6), slice(6, 8)):
                total[batch, cols] += nodal(v[batch, rows], g[rows, cols].numpy(), lossy.crossbar)
    unit = layer.core.targets().unit
    expected = torch.from_numpy(total[:, 0::2] - total[:, 1::2]) * scale / (lossy.v_read * unit) + layer.bias
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("serial", [True, False])
def test_ngspice_gives_the_currents_of_the_exact_solution(serial, lossy, ngspice):
    hardware = replace(lossy, dac_bits=3, bit_serial=serial, adc_bits=None)
    reads = []
    layer = layer_on(hardware, "spice", ngspice)
    layer.core.recorder = reads.append
    with torch.no_grad():
        layer(inputs())
    (read,) = reads
    exact = layer.core.products(read.v, read.g, "exact")
    assert read.currents.shape == exact.shape == (6 * (6 if serial else 1), 3, 2 * OUT)
    # Both solve one linear system to double precision; 1e-9 is what the issue demands.
    torch.testing.assert_close(read.currents, exact, rtol=1e-9, atol=1e-11 * float(exact.detach().abs().max()))
    ideal = layer.core.products(read.v, read.g, "ideal")
    assert (ideal - exact).abs().max() > 1e-3 * exact.abs().max()
    assert read.solved.engine == ngspice.version()


def test_equal_reads_are_solved_once(lossy, ngspice):
    reads = []
    layer = layer_on(lossy, "spice", ngspice)
    layer.core.recorder = reads.append
    with torch.no_grad():
        x = inputs(3)
        once = layer(x)
        torch.testing.assert_close(layer(x.repeat(4, 1)), once.repeat(4, 1), rtol=0, atol=0)
    tiles = 3 * 2
    assert [read.solved.solves for read in reads] == [3 * tiles, 3 * tiles]


def test_long_batches_are_cut_into_several_simulations(lossy, ngspice, monkeypatch):
    layer, x = layer_on(lossy, "spice", ngspice), inputs(7)
    with torch.no_grad():
        whole = layer(x)
        monkeypatch.setattr("cosim.layers.spice.SWEEP", 3)
        torch.testing.assert_close(layer(x), whole, rtol=0, atol=1e-12)


def test_the_gradient_of_spice_is_that_of_exact(lossy, ngspice):
    grads = []
    for fidelity in ("spice", "exact"):
        layer = layer_on(replace(lossy, adc_bits=None), fidelity, ngspice)
        layer.refresh = LineRefresh(steps=1)
        layer(inputs()).square().sum().backward()
        grads.append(layer.mapping.get_parameter("weight").grad)
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-9, atol=1e-9)


def test_a_convolution_runs_in_ngspice(lossy, ngspice):
    hardware = replace(lossy, adc_bits=10)
    layer = AnalogConv2d(1, 2, 3, hardware, fidelity="exact", padding=1).double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = layer(x)
        layer.fidelity, layer.engine = "spice", ngspice
        torch.testing.assert_close(layer(x), exact, rtol=0, atol=1e-9)


def test_spice_without_an_engine_says_what_to_do(lossy):
    with pytest.raises(ValueError, match=r"needs an engine, got None; call set_fidelity"):
        layer_on(lossy, "spice")(inputs())


def test_a_failed_simulation_is_an_error_of_the_layer(lossy):
    class Broken(Engine):
        def run(self, netlist, analysis):
            raise SimulationError("no convergence", hint="none")

        def version(self):
            return "broken"

    with pytest.raises(SimulationError, match="no convergence"):
        layer_on(lossy, "spice", Broken())(inputs())
