"""What every device must do without a simulator: names, gradients, limits, imports; a new row is tested by existing."""

import re
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch

from devicemodels import DEVICES, device, device_of
from tests.devicemodels.benches import bounds

NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"

each_device = pytest.mark.parametrize("d", DEVICES.values(), ids=lambda d: d.name)
each_set = pytest.mark.parametrize(
    ("d", "p"), [pytest.param(d, p, id=f"{d.name}-{s}") for d in DEVICES.values() for s, p in d.published.items()]
)


@each_device
def test_names_and_defaults_are_those_of_the_parameters(d):
    expected = {key: float(value) for key, value in asdict(d.params()).items()}
    header = re.search(rf"\.subckt {d.subckt} p n x params:((?:.*\n\+)*.*)", d.spice)
    assert header
    spice = {key: float(value) for key, value in re.findall(rf"(\w+)=({NUMBER})", header[1])}
    assert f"module {d.module}(p, n, x);" in d.veriloga
    found = re.findall(rf'\(\*type="instance".*\*\) parameter (?:real|integer) (\w+) = ({NUMBER})', d.veriloga)
    veriloga = {key: float(value) for key, value in found}
    assert list(spice.items()) == list(expected.items())
    assert list(veriloga.items()) == list(expected.items())
    assert d.veriloga.count("parameter ") == len(found)


@each_device
def test_gradients_equal_finite_differences(d):
    p, generator = d.params(), torch.Generator().manual_seed(1)
    start = float(getattr(p, d.state))
    scale = torch.rand(40, generator=generator, dtype=torch.float64) * 0.8 + 0.6
    v = torch.linspace(d.drive.v_minus, d.drive.v_plus, 40, dtype=torch.float64)
    for function in (d.model.current, d.model.rate):
        unit = function(p, scale * start, v).abs().max().clamp(min=1e-12)
        inputs = (scale.clone().requires_grad_(), v.clone().requires_grad_())
        assert torch.autograd.gradcheck(lambda s, v, f=function, u=unit: f(p, s * start, v) / u, inputs)
    for function in (d.model.conductance, d.model.state):
        at = start if function is d.model.conductance else float(d.model.conductance(p, torch.tensor(start)))
        unit = function(p, scale * at).abs().max()
        assert torch.autograd.gradcheck(
            lambda s, f=function, a=at, u=unit: f(p, s * a) / u, scale.clone().requires_grad_()
        )


@each_set
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_is_finite_passive_and_keeps_shape_and_dtype(d, p, dtype):
    """Also at, and beyond, the bounds of the state and at 0 V, ±20 V."""
    low, high = bounds(d)
    top = high if np.isfinite(high) else 1e-3
    x = torch.tensor([low - 0.1 * top * (low < 0), low, (low + top) / 2, top, top * 1.1], dtype=dtype)[:, None]
    v = torch.tensor([-20.0, -0.1, 0.0, 1e-9, 0.1, 20.0], dtype=dtype)
    x, v = (t.clone().requires_grad_() for t in torch.broadcast_tensors(x, v))
    i, rate = d.model.current(p, x, v), d.model.rate(p, x, v)
    assert (i.shape, i.dtype, rate.shape, rate.dtype) == (x.shape, dtype, x.shape, dtype)
    assert (i * v >= 0).all() and (i[v == 0] == 0).all() and (rate[v == 0] == 0).all()
    gradients = torch.autograd.grad(i.sum() + rate.sum(), (x, v), materialize_grads=True)
    assert all(torch.isfinite(t).all() for t in (i, rate, *gradients))


@each_device
def test_parameters_import_no_torch(d):
    code = f"import sys, devicemodels.{d.name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each_device
def test_device_is_found_by_name_and_by_parameters(d):
    assert device(d.name) is d and device_of(d.params()) is d
    assert all(type(p) is d.params for p in d.published.values()) and d.published


def test_unknown_device_lists_the_known_ones():
    with pytest.raises(ValueError, match=f"unknown device 'memtorch'; known devices: {', '.join(DEVICES)}"):
        device("memtorch")
    with pytest.raises(ValueError, match=r"float belongs to no device; .* OhmicParams, .*VteamParams"):
        device_of(1.0)
