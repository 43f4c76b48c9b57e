import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path for path in (ROOT / "ops" / "bin").iterdir() if path.suffix == "")
TARGETS = {
    *(
        "help",
        "install",
        "demo",
        "up",
        "test",
        "check",
        "bench",
        "faults",
        "kubernetes",
        "web",
        "dashboards",
        "migration",
    ),
    *("sbom", "audit", "site", "schema", "screenshots"),
}


def make(*arguments: str) -> str:
    program = shutil.which("make")
    assert program is not None
    # These tests run under `make test`, whose own flags are not ours.
    env = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_make_alone_explains_every_target() -> None:
    told = make()
    assert set(re.findall(r"^  make ([a-z-]+) ", told, re.MULTILINE)) == TARGETS
    assert told == make("help")


def test_test_includes_install_and_check() -> None:
    told = make("--dry-run", "--always-make", "test")
    for step in (
        "install-python",
        "npm --prefix services/api/web ci",
        "run --silent build",
        "install-test-tools",
    ):
        assert step in told, told
    for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "check-locks", "silent check"):
        assert step in told, told
    assert "npm --prefix services/api/web test" in told
    assert "--cov-fail-under=90" in told


def test_the_machine_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "exec make test" in script.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_valid_and_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["/bin/sh", "-n", script], check=True)


def copy_of_locks(folder: Path) -> Path:
    for name in (
        "requirements.lock",
        "requirements-node.lock",
        "requirements-runtime.lock",
        "services/api/web/package-lock.json",
        "services/api/web/.npmrc",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "ops" / "bin", folder / "ops" / "bin")
    return folder


def check_locks(folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HOME": str(folder)}
    return subprocess.run(
        [folder / "ops/bin/check-locks"], env=env, capture_output=True, text=True, check=False
    )


def test_our_lock_files_name_no_host(tmp_path: Path) -> None:
    done = check_locks(copy_of_locks(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements.lock", "--index-url https://mirror.example/simple"),
        ("requirements-runtime.lock", "thing @ https://mirror.example/thing.whl"),
        ("services/api/web/package-lock.json", '"resolved": "https://mirror.example/thing.tgz",'),
        ("services/api/web/.npmrc", "registry=https://mirror.example/"),
        ("services/api/web/package-lock.json", '"node_modules/without-a-sum": {'),
    ],
)
def test_a_lock_file_that_names_a_host_or_lacks_a_sum_is_refused(
    tmp_path: Path, name: str, line: str
) -> None:
    folder = copy_of_locks(tmp_path)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    done = check_locks(folder)
    assert done.returncode == 1
    assert name in done.stderr


def find_python(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "ops" / "bin" / "find-python"
    return subprocess.run(
        [script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    old.chmod(0o755)
    good = tmp_path / "python3.12"
    good.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="ascii")
    good.chmod(0o755)
    done = find_python(tmp_path)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).is_file()
    assert done.stdout.strip() != str(old)


def test_a_chosen_python_comes_first(tmp_path: Path) -> None:
    done = find_python(tmp_path, LOTKEEPER_PYTHON=sys.executable)
    assert Path(done.stdout.strip()).resolve() == Path(sys.executable).resolve()
