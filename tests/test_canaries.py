"""That the canaries sing: a test that shows a secret fails, wherever it shows it."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canaries import GIVEN, found_in

ROOT = Path(__file__).parents[1]
SHOWING = """
import logging, secrets, sys
import pytest

def test_by_printing():
    print("signed in with", secrets.token_urlsafe(32))

def test_on_stderr():
    print("Cookie: lotkeeper_session_8321=" + secrets.token_urlsafe(32), file=sys.stderr)

def test_by_logging():
    logging.getLogger("x").warning("connected to postgresql://lotkeeper:%s@127.0.0.1/x", "hunter2")

@pytest.fixture
def ends():
    yield
    print("lk_" + secrets.token_urlsafe(32))

def test_when_it_ends(ends):
    pass

@pytest.mark.shows_a_secret(reason="must")
def test_that_must():
    print(secrets.token_urlsafe(24))

def test_that_shows_none():
    print("a" * 32, "b" * 43, "postgresql://127.0.0.1/x")
"""


def test_a_test_that_shows_a_secret_fails(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/canaries.py", tmp_path / "conftest.py")
    (tmp_path / "test_showing.py").write_text(SHOWING, encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", "-rE", "--rootdir", str(tmp_path))
    command = (sys.executable, "-m", "pytest", *options, str(tmp_path))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    failed = {
        line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("ERROR ")
    }
    assert failed == {"test_by_printing", "test_on_stderr", "test_by_logging", "test_when_it_ends"}, (
        done.stdout
    )


@pytest.mark.parametrize("secret", GIVEN)
def test_what_tests_are_given_is_known(secret: str) -> None:
    assert found_in(f"refused: {secret}.") == secret


def test_what_is_made_is_known_and_nothing_else_that_is_as_long() -> None:
    secret = secrets.token_urlsafe(24)
    assert found_in(f"password={secret};") == secret
    assert found_in("f" * 64 + " " + "0" * 32) is None
