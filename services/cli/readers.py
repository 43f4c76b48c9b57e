"""Which reader reads which format: the importer knows none of them."""

from collections.abc import Callable
from pathlib import Path

from services.position_sync.importing.source import Reading
from services.statements.flex import FlexFile

READERS: dict[str, Callable[[Path], Reading]] = {"flex": FlexFile}
