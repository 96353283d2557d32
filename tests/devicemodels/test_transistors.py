"""What every transistor must do; a new row of TRANSISTORS is tested by existing.

Output and transfer curves are compared over both signs of v_ds and of v_bs, at points that include cut-off, the linear
region, saturation and the exchange of drain and source.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from itertools import product

import numpy as np
import pytest
import torch

from cosim.engines import ENGINES, Dc, Options
from devicemodels.transistors import TRANSISTORS, Transistor, transistor_of
from netlists.spice import Element, N, Netlist, SubcktText, V, VerilogA, X
from tests.devicemodels.benches import VIEWS

NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
# Newton ends when a step is below reltol: at 1e-9 the current is good to 1e-9 of itself.
CONVERGED = Options(reltol=1e-9, vntol=1e-15, abstol=1e-21)
EXACT = 1e-9
# Gate and bulk (V); the drain goes from -1.2 to 1.2 V with the source at 0.
BIASES = tuple(product((0.0, 0.45, 0.8, 1.8), (-1.0, 0.0, 0.3)))

each_transistor = pytest.mark.parametrize("t", TRANSISTORS.values(), ids=lambda t: t.name)
each_view = pytest.mark.parametrize("view", VIEWS, ids="-".join)
each_set = pytest.mark.parametrize(
    ("t", "p"), [pytest.param(t, p, id=f"{t.name}-{s}") for t in TRANSISTORS.values() for s, p in t.published.items()]
)


def curves(t: Transistor, view: tuple[str, str], params: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Drain voltages [point] and drain currents [bias, point] of one transistor per bias, in one circuit."""
    engine, language = view
    elements: list[Element] = [V("d", "d", "0")]
    probes = ["v(d)"]
    for k, (g, b) in enumerate(BIASES):
        elements += [V(f"g{k}", f"g{k}", "0", g), V(f"b{k}", f"b{k}", "0", b), V(f"s{k}", f"d{k}", "d")]
        nodes = (f"d{k}", f"g{k}", "0", f"b{k}")
        elements.append(
            X(f"t{k}", nodes, t.subckt, params) if language == "spice" else N(f"t{k}", nodes, t.module, params)
        )
        probes.append(f"i(vs{k})")
    subckts = (SubcktText(t.subckt, t.spice),) if language == "spice" else ()
    modules = () if language == "spice" else (VerilogA(t.module, t.veriloga),)
    circuit = Netlist(t.name, tuple(elements), tuple(probes), subckts, modules)
    waves = ENGINES[engine]().run(circuit, Dc(source="Vd", start=-1.2, stop=1.2, step=0.1, options=CONVERGED))
    return waves["v(d)"], -np.stack([waves[f"i(vs{k})"] for k in range(len(BIASES))])


def by_torch(t: Transistor, p, v_d: np.ndarray) -> np.ndarray:
    d = torch.tensor(v_d)
    g, b = (torch.tensor(values, dtype=torch.float64)[:, None] for values in zip(*BIASES, strict=True))
    return t.model.current(p, d.expand(len(BIASES), -1), *torch.broadcast_tensors(g, torch.zeros_like(g), b)).numpy()


@each_set
@each_view
def test_engine_equals_torch(t, p, view):
    v_d, i = curves(t, view, asdict(p))
    expected = by_torch(t, p, v_d)
    np.testing.assert_allclose(i, expected, rtol=EXACT, atol=1e-10 * np.abs(expected).max())


@each_transistor
@pytest.mark.parametrize("language", ["spice", "veriloga"])
def test_every_parameter_acts_and_acts_as_in_torch(t, language):
    nominal = t.params()
    for field in fields(t.params):
        value = getattr(nominal, field.name)
        p = replace(nominal, **{field.name: 2 * value if value else 0.1})
        v_d, i = curves(t, ("ngspice", language), asdict(p))
        expected, before = by_torch(t, p, v_d), by_torch(t, nominal, v_d)
        assert np.abs(expected - before).max() > 0.01 * np.abs(before).max(), field.name
        np.testing.assert_allclose(i, expected, rtol=EXACT, atol=1e-10 * np.abs(expected).max(), err_msg=field.name)


@each_transistor
def test_names_and_defaults_are_those_of_the_parameters(t):
    expected = {key: float(value) for key, value in asdict(t.params()).items()}
    header = re.search(rf"\.subckt {t.subckt} d g s b params:((?:.*\n\+)*.*)", t.spice)
    assert header
    spice = {key: float(value) for key, value in re.findall(rf"(\w+)=({NUMBER})", header[1])}
    assert f"module {t.module}(d, g, s, b);" in t.veriloga
    found = re.findall(rf'\(\*type="instance".*\*\) parameter real (\w+) = ({NUMBER})', t.veriloga)
    assert list(spice.items()) == list(expected.items())
    assert [(key, float(value)) for key, value in found] == list(expected.items())
    assert t.veriloga.count("parameter ") == len(found)


@each_set
def test_exchanging_drain_and_source_turns_the_current(t, p):
    generator = torch.Generator().manual_seed(3)
    d, g, s, b = torch.rand(4, 200, generator=generator, dtype=torch.float64) * 3 - 1
    torch.testing.assert_close(t.model.current(p, d, g, s, b), -t.model.current(p, s, g, d, b), rtol=0, atol=0)


@each_set
def test_transistor_is_passive_and_depends_on_differences_only(t, p):
    generator = torch.Generator().manual_seed(4)
    d, g, s, b = torch.rand(4, 200, generator=generator, dtype=torch.float64) * 3 - 1
    i = t.model.current(p, d, g, s, b)
    assert (i * (d - s) >= 0).all() and (t.model.current(p, d, g, d, b) == 0).all()
    torch.testing.assert_close(t.model.current(p, d + 0.7, g + 0.7, s + 0.7, b + 0.7), i, rtol=1e-9, atol=1e-15)


@each_transistor
def test_gradients_equal_finite_differences_also_across_zero(t):
    generator = torch.Generator().manual_seed(5)
    inputs = (torch.rand(4, 60, generator=generator, dtype=torch.float64) * 3 - 1).unbind()
    inputs[0][:3] = inputs[2][:3]
    leaves = tuple(v.clone().requires_grad_() for v in inputs)
    unit = 1e-4
    assert torch.autograd.gradcheck(lambda *v: t.model.current(t.params(), *v) / unit, leaves)


@each_set
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_voltages_stay_finite_and_keep_shape_and_dtype(t, p, dtype):
    d, g, s, b = (
        v.requires_grad_() for v in torch.meshgrid(*[torch.tensor([-20.0, 0.0, 20.0], dtype=dtype)] * 4, indexing="ij")
    )
    i = t.model.current(p, d, g, s, b)
    assert i.shape == d.shape and i.dtype == dtype
    assert all(torch.isfinite(v).all() for v in (i, *torch.autograd.grad(i.sum(), (d, g, s, b))))


@each_transistor
def test_parameters_import_no_torch(t):
    code = f"import sys, devicemodels.{t.name}, devicemodels.transistors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_transistor_is_found_by_its_parameters():
    for t in TRANSISTORS.values():
        assert transistor_of(t.params()) is t
    with pytest.raises(ValueError, match="float belongs to no transistor; parameters must be one of NmosParams"):
        transistor_of(1.0)
