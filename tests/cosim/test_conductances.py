"""Conductances to files and back: what is written is what reads see, what is read in is what they see from then on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cosim import convert_to_analog, program
from cosim.conductances import conductances, load_conductances, save_conductances, set_conductances
from cosim.hardware import IDEAL
from devicemodels.statistics import ProgrammingError, StuckCells

HARDWARE = replace(
    IDEAL,
    g_min=1e-6,
    programming=ProgrammingError(absolute=2e-6),
    stuck=StuckCells(at_hrs=0.1, at_lrs=0.1, g_hrs=1e-6, g_lrs=90e-6),
)


def model(seed: int) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LSTM(5, 3)).double()
    analog = convert_to_analog(net, HARDWARE)
    program(analog, torch.Generator().manual_seed(seed))
    return analog


def inputs() -> torch.Tensor:
    return torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_model_with_the_conductances_of_another_computes_as_the_other(tmp_path, suffix):
    source, target = model(0), model(1)
    path = tmp_path / f"cells{suffix}"
    save_conductances(source, path)
    assert (target(inputs())[0] - source(inputs())[0]).abs().max() > 1e-4
    load_conductances(target, path)
    # The target plus its error is off the conductance by a rounding.
    torch.testing.assert_close(target(inputs())[0], source(inputs())[0], rtol=0, atol=1e-12)
    for name, g in conductances(source).items():
        np.testing.assert_allclose(conductances(target)[name], g, rtol=0, atol=1e-19)


def test_the_file_holds_siemens_with_the_pairs_of_an_output_beside_each_other(tmp_path):
    layer = convert_to_analog(nn.Linear(2, 1, bias=False), IDEAL)
    with torch.no_grad():
        layer.get_parameter("core.cells.mapping.weight").copy_(torch.tensor([[0.5, -1.0]]))
    save_conductances(layer, tmp_path / "g.csv")
    header, *rows = (tmp_path / "g.csv").read_text().split()
    assert header == "layer,row,bit_line,conductance_S"
    found = {tuple(map(int, row.split(",")[1:3])): float(row.split(",")[3]) for row in rows}
    assert found == pytest.approx({(0, 0): 50e-6, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 100e-6}, rel=1e-6, abs=1e-20)


def test_trained_weights_keep_the_errors_that_were_read_in():
    layer = convert_to_analog(nn.Linear(3, 2, bias=False).double(), IDEAL)
    g = {".": conductances(layer)["."] + 1e-6}
    before = conductances(layer)["."]
    set_conductances(layer, g)
    with torch.no_grad():
        layer.get_parameter("core.cells.mapping.weight").neg_()
    swapped = before.reshape(3, 2, 2)[..., ::-1].reshape(3, 4)
    np.testing.assert_allclose(conductances(layer)["."], swapped + 1e-6, rtol=0, atol=1e-18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: {"7": g}, r"conductances of '7': the model has no such analogue layer, only \['0', '2.ih.0'"),
        (lambda g: {"0": g[:3]}, r"conductances of '0' must be \[row, bit line\] = \[4, 10\], got \[3, 10\]"),
        (lambda g: {"0": g - 1e-3}, r"must be finite and not negative, got -0.0\d+ S at row 0, bit line 0"),
        (lambda g: {"0": g * np.nan}, r"must be finite and not negative, got nan S at row 0, bit line 0"),
        (lambda g: {"0": g * 1e6}, r"must be in S, got \d+.*divide by 1e6 if they are in µS"),
    ],
)
def test_wrong_arrays_are_refused_and_change_nothing(change, message):
    analog = model(0)
    before = conductances(analog)
    with pytest.raises(ValueError, match=message):
        set_conductances(analog, {"2.ih.0": before["2.ih.0"] * 0.5} | change(before["0"]))
    assert all(np.array_equal(g, before[name]) for name, g in conductances(analog).items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,row,bit_line,conductance_uS\n", "the header must be layer,row,bit_line,conductance_S, got"),
        (
            "layer,row,bit_line,conductance_S\n0,0,0,many\n",
            "line 2: not layer,row,bit_line,conductance_S: '0,0,0,many'",
        ),
        ("layer,row,bit_line,conductance_S\n0,0,0,1\n0,0,0,1\n", "line 3: row 0, bit line 0 of '0' occurs twice"),
        ("layer,row,bit_line,conductance_S\n0,0,0,1\n0,1,1,1\n", r"'0' needs every cell of \[2, 2\] once, got 2 cells"),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, message):
    path = tmp_path / "g.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_conductances(model(0), path)


def test_files_of_another_kind_or_without_a_unit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .csv or .npz, got 'g.txt'"):
        save_conductances(model(0), tmp_path / "g.txt")
    with pytest.raises(ValueError, match="no analogue layer"):
        save_conductances(nn.Linear(2, 2), tmp_path / "g.csv")
    np.savez(tmp_path / "g.npz", np.ones((4, 10)))
    with pytest.raises(ValueError, match="unit must be 'S', got None"):
        load_conductances(model(0), tmp_path / "g.npz")
