"""The doctor tries things, and says how to get what is missing."""

import pytest

from cosim import doctor
from cosim.engines import ENGINES, Op, ngspice_batch, vacask, veriloga


def by_name() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.checks()}


@pytest.fixture
def no_programs(monkeypatch, tmp_path):
    """A PATH with nothing on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for cached in (ngspice_batch.program_version, vacask.program, veriloga.compiler, veriloga.compiler_version):
        cached.cache_clear()
    yield
    for cached in (ngspice_batch.program_version, vacask.program, veriloga.compiler, veriloga.compiler_version):
        cached.cache_clear()


def test_every_required_part_works_here(ngspice):
    """The fixture makes this test follow --engines."""
    bad = [check for check in doctor.checks() if not check.ok and not check.optional]
    assert bad == []


def test_every_missing_part_has_a_remedy_and_every_part_a_finding(no_programs):
    found = by_name()
    assert not found["ngspice"].ok and "apt install" in found["ngspice"].remedy
    assert not found["ngspice KLU"].ok and not found["ngspice OSDI"].ok
    for check in found.values():
        assert check.found
        assert check.ok or check.remedy


def test_osdi_check_uses_the_model_it_compiled(engine):
    """Half of 1 V is dropped only where the compiled resistor conducts."""
    assert engine.run(doctor.compiled_divider(), Op()).value("v(b)") == pytest.approx(0.5, abs=1e-9)


def test_wrong_answer_of_a_simulator_is_reported(ngspice, monkeypatch):
    from netlists.spice import Netlist, R, V

    uneven = Netlist(
        title="uneven", elements=(V("1", "a", "0", 1.0), R("1", "a", "b", 1e3), R("2", "b", "0", 2e3)), probes=("v(b)",)
    )
    monkeypatch.setattr(doctor, "divider", lambda: uneven)
    check = by_name()["ngspice KLU"]
    assert not check.ok and "where 0.5 V is right" in check.found


def test_data_folder_is_looked_into(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMSPICE_DATA", str(tmp_path))
    assert not by_name()["MEMSPICE_DATA"].ok
    (tmp_path / "images.gz").write_bytes(b"x")
    assert by_name()["MEMSPICE_DATA"].found == f"{tmp_path}: 1 files"
    monkeypatch.delenv("MEMSPICE_DATA")
    assert by_name()["MEMSPICE_DATA"].found == "not set"


def test_engines_of_the_list_are_all_examined():
    names = {"ngspice": "ngspice", "ngspice-shared": "libngspice", "vacask": "VACASK"}
    assert set(names) == set(ENGINES)
    assert set(names.values()) <= set(by_name())
