"""The Verilog-A compiler: its cache and its failures."""

from pathlib import Path

import pytest

from cosim.engines.base import SimulationError
from cosim.engines.veriloga import compile_osdi, compiler
from netlists.spice import VerilogA

SOURCE = """`include "disciplines.vams"
module linked(p, n); inout p, n; electrical p, n;
parameter real g = 1.0; analog I(p, n) <+ g * V(p, n); endmodule
"""


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_module_is_compiled_once(empty_cache: Path) -> None:
    first = compile_osdi(VerilogA("linked", SOURCE))
    written = first.stat().st_mtime_ns
    assert compile_osdi(VerilogA("linked", SOURCE)) == first and first.stat().st_mtime_ns == written
    assert compile_osdi(VerilogA("linked", SOURCE.replace("1.0", "2.0"))) != first


def test_a_missing_linker_is_named_with_its_remedy(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiler()
    monkeypatch.setenv("PATH", str(empty_cache))
    with pytest.raises(SimulationError, match="apt install binutils"):
        compile_osdi(VerilogA("linked", SOURCE))
    assert not list(empty_cache.rglob("*.osdi"))


def test_a_wrong_module_shows_the_message_of_the_compiler(empty_cache: Path) -> None:
    with pytest.raises(SimulationError, match="does not compile") as caught:
        compile_osdi(VerilogA("linked", SOURCE.replace("V(p, n)", "V(p, q)")))
    assert "q" in caught.value.log and not list(empty_cache.rglob("*.osdi"))
