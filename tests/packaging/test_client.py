"""The client is a package of its own: it can be built, and needs nothing of Lotkeeper or of its extras."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.building import build_wheel

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return build_wheel(CLIENT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_all_of_the_package_and_says_that_it_is_typed(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = CLIENT / "lotkeeper_client"
    sources = {str(path.relative_to(CLIENT)) for path in package.rglob("*.py")}
    assert sources | {"lotkeeper_client/py.typed"} <= names
    assert {name.partition("/")[0] for name in names} == {
        "lotkeeper_client",
        "lotkeeper_client-0.1.0.dist-info",
    }


def test_it_needs_two_libraries_and_offers_three(wheel: Path) -> None:
    told = zipfile.ZipFile(wheel).read("lotkeeper_client-0.1.0.dist-info/METADATA").decode()
    needed = [line.removeprefix("Requires-Dist: ") for line in told.splitlines() if "Requires-Dist" in line]
    assert sorted(one for one in needed if "extra" not in one) == ["httpx>=0.28", "msgspec>=0.20"]
    assert sorted(one.partition(">")[0] for one in needed if "extra" in one) == [
        *("pandas", "polars", "websockets"),
    ]


def test_importing_it_loads_nothing_besides(wheel: Path) -> None:
    unwanted = "{'core', 'models', 'services', 'pandas', 'polars', 'websockets'}"
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import lotkeeper_client; "
        f"found = {unwanted} & set(sys.modules); assert not found, found; "
        f"assert lotkeeper_client.__file__.startswith({str(wheel)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=wheel.parent
    )
    assert done.returncode == 0, done.stderr
