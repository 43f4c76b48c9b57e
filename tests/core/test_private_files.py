import stat
import threading
from pathlib import Path

import pytest

from core.private_files import make_private


def test_it_is_for_its_owners_eyes_and_the_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    make_private(path, b"first")
    make_private(path, b"second")
    assert path.read_bytes() == b"first\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secret"]


def test_of_several_at_once_all_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    begin = threading.Barrier(8)
    found: set[bytes] = set()

    def make(number: int) -> None:
        begin.wait()
        make_private(path, b"%d" % number)
        found.add(path.read_bytes())

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


def test_where_it_cannot_be_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        make_private(tmp_path / "file" / "secret", b"x")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
