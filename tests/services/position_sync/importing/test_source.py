"""What is parsed is what was hashed and kept, whatever becomes of the file on the disk meanwhile."""

import os
import zlib
from collections.abc import Iterator, Mapping
from io import SEEK_CUR, SEEK_END, BufferedReader, UnsupportedOperation
from pathlib import Path

import pytest

from core.domain.stated import Statement
from services.position_sync.importing import source as source_module
from services.position_sync.importing.source import FileChangedError, Inflated, Opened, Source, keep
from services.statements.flex import FlexFile
from tests.services.statements.statements import DATA

FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"


def test_a_file_that_changes_while_it_is_imported_is_read_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(FLIP.read_bytes())
    source = Source(path, "flex", FlexFile)
    file = keep(source)
    path.write_text("something else altogether")
    assert [type(one) for one in Opened(source).reading(file)] == [type(one) for one in FlexFile(FLIP)]


class Elsewhere:
    """A reading by another process that never comes to anything."""

    bytes_read = 0
    unknown: Mapping[str, int] = {}
    sha256 = ""

    def __iter__(self) -> Iterator[Statement]:
        return iter(())

    def close(self) -> None:
        """There is nothing to end."""


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A file that is taken for a large one, which another process reads."""
    monkeypatch.setattr(source_module, "APART_FROM_BYTES", 0)
    path = tmp_path / "a.xml"
    path.write_bytes(FLIP.read_bytes())
    return Source(path, "flex", FlexFile, read_apart=lambda _path, _name: Elsewhere())


def test_of_a_large_file_the_content_comes_later_and_is_that_of_the_file_as_it_was_then(
    large: Source,
) -> None:
    opened = Opened(large)
    file = opened.identified()
    kept = keep(large)
    assert (file.sha256, file.size_bytes, file.deflated) == (kept.sha256, kept.size_bytes, b"")
    assert opened.deflated(file) == kept.deflated
    large.path.write_bytes(FLIP.read_bytes() + b" ")
    with pytest.raises(FileChangedError, match="written to while it was read"):
        opened.deflated(file)


def test_a_large_file_is_kept_whole_also_once_its_reading_has_ended(large: Source) -> None:
    opened = Opened(large)
    file = opened.identified()
    opened.end_reading()
    assert opened.deflated(file) == keep(large).deflated


def test_nothing_more_is_read_of_a_large_file_that_is_closed(large: Source) -> None:
    opened = Opened(large)
    file = opened.identified()
    opened.close()
    assert zlib.decompress(opened.deflated(file)) == b""


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"ab" * 3_000_000, os.urandom(300_000)],
    ids=["empty", "short", "repetitive", "random"],
)
def test_a_kept_file_reads_like_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    file = keep(Source(path, "flex", FlexFile))
    with BufferedReader(Inflated(file.deflated), 1000) as kept:
        assert kept.read() == content
        assert kept.tell() == len(content) == file.size_bytes
        kept.seek(0)
        assert kept.read(7) == content[:7]
        half = len(content) // 2
        assert kept.seek(half) == half
        assert kept.read(7) == content[half : half + 7]
        assert kept.seek(0, SEEK_CUR) == len(content[: half + 7])
        with pytest.raises(UnsupportedOperation):
            kept.seek(0, SEEK_END)
