"""Lotkeeper as a wheel: with the dashboard that was built, and nothing that it was built with."""

import zipfile
from pathlib import Path

import pytest

from tests.packaging.building import build_wheel

ROOT = Path(__file__).parents[2]
MOST_BYTES = 4_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_it_has_the_dashboard_and_the_migrations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    static = ROOT / "services" / "api" / "static"
    built = {str(path.relative_to(ROOT)) for path in static.rglob("*") if path.is_file()}
    assert "services/api/static/index.html" in built
    assert built <= names
    migrations = {str(path.relative_to(ROOT)) for path in (ROOT / "migrations" / "versions").glob("*.py")}
    assert migrations <= names


def test_it_has_our_licence_and_those_of_the_page(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        (ours,) = [name for name in content.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
        assert content.read(ours) == (ROOT / "LICENSE").read_bytes()
        assert "services/api/static/licences.txt" in content.namelist()


def test_it_has_nothing_that_is_of_no_use_where_it_runs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "node_modules" in name or name.startswith("services/api/web/")]
    assert not [name for name in names if name.endswith(".pyc") or name.startswith(("tests/", "bench/"))]
    assert wheel.stat().st_size < MOST_BYTES


def test_it_starts_by_one_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        (told,) = [name for name in content.namelist() if name.endswith("entry_points.txt")]
        assert "lotkeeper = services.cli:main" in content.read(told).decode()
