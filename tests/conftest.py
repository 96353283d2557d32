"""What tests run on: simulators (the option `--engines`, the fixture `engine`) and the kernels of the array solver."""

from collections.abc import Iterator
from functools import cache

import pytest

from cosim.engines import ENGINES, Engine, SimulationError
from cosim.twins.crossbar.array import mesh


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=("required", "available"),
        default="required",
        help="what a test does whose simulator is not installed: fail (required) or skip (available)",
    )


@cache
def missing(name: str) -> str | None:
    """Why the engine does not work here, or None."""
    engine = ENGINES[name]()
    try:
        engine.version()
    except SimulationError as error:
        return str(error)
    finally:
        if close := getattr(engine, "close", None):
            close()
    return None


def demand(name: str, request: pytest.FixtureRequest) -> None:
    """Fail, or skip with a sentence, when the engine is not installed."""
    if why := missing(name):
        if request.config.getoption("--engines") == "available":
            pytest.skip(f"engine {name} is not available: {why}")
        pytest.fail(f"engine {name} is required (--engines available would skip): {why}", pytrace=False)


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Every engine of the list, one after the other, with a timeout of a minute."""
    demand(request.param, request)
    found = ENGINES[request.param](timeout=60.0)
    yield found
    if close := getattr(found, "close", None):
        close()


@pytest.fixture(scope="session")
def ngspice(request: pytest.FixtureRequest) -> Engine:
    """The default engine."""
    demand("ngspice", request)
    return ENGINES["ngspice"](timeout=60.0)


@pytest.fixture(params=["numpy", "numba"])
def array_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each kernel of the array solver in turn: the one everybody has, and the compiled one."""
    if request.param == "numba":
        pytest.importorskip("numba", reason="the extra 'fast' is not installed")
    else:
        monkeypatch.setattr(mesh, "compiled", None)
    return request.param
