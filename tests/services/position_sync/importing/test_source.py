"""What is parsed is what was hashed and kept, whatever becomes of the file on the disk meanwhile."""

import os
from io import SEEK_CUR, SEEK_END, BufferedReader, UnsupportedOperation
from pathlib import Path

import pytest

from services.position_sync.importing.source import Inflated, Source, keep
from services.statements.flex import FlexFile
from tests.services.statements.statements import DATA

FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"


def test_a_file_that_changes_while_it_is_imported_is_read_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(FLIP.read_bytes())
    source = Source(path, "flex", FlexFile)
    file = keep(source)
    path.write_text("something else altogether")
    assert [type(one) for one in source.reading(file)] == [type(one) for one in FlexFile(FLIP)]


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
