from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.tokens import ensure_token


def test_a_missing_token_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "main" / "api-token"
    token = ensure_token(path)
    assert len(token) >= 32
    assert path.read_text(encoding="utf-8").strip() == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path], "no draft is left behind"


def test_a_token_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "api-token"
    path.write_text(" mine \n", encoding="utf-8")
    assert ensure_token(path) == "mine"


def test_an_empty_file_is_no_token(tmp_path: Path) -> None:
    path = tmp_path / "api-token"
    path.touch()
    assert ensure_token(path)


def test_of_many_at_once_all_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "api-token"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ensure_token(path), range(32)))
    assert len(found) == 1
