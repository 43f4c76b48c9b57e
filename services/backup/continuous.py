"""What a worker does so that an embedded database can be brought back to any moment of the last days.

It has ``pg_receivewal`` fetch the WAL, puts segments away once they are whole, takes a base backup when one
is due, and deletes what is needed for no moment any more.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError

from core import logs
from core.checksums import sha256_of
from core.clock import Clock, utc_now
from core.domain.backups import BackupKind, may_try
from core.errors import LotkeeperError
from core.process import again_and_again
from core.settings import Settings
from models.databases import holds_data
from models.queries.backups import last_backup_runs
from models.session import Database, is_passing
from services.backup.bases import name_base, write_base
from services.backup.errors import BackupFailedError, BackupLockedError
from services.backup.folder import SharedFolder, entered_soon, sync_folder
from services.backup.keys import KEEP_A_COPY, keys_to_encrypt_with
from services.backup.programs import Program
from services.backup.receiving import (
    Incoming,
    ServerFacts,
    base_backup,
    drop_slot,
    facts_of,
    incoming_of,
    is_embedded,
    make_slot,
    receive,
    wal_folder,
    written_at,
)
from services.backup.records import note_base, note_failure, note_wal
from services.backup.sealed import compressed, write_sealed
from services.backup.wal import (
    HASH_DIGITS,
    SEGMENT_BYTES,
    bases_in,
    chain,
    number_of,
    piece_file,
    pieces_in,
    systems_in,
    useless,
)

log = logs.get_logger(__name__)

LOOK_SECONDS: Final = 10.0
MOST_WAITING: Final = 64 * SEGMENT_BYTES
"""That may wait to be put away, in bytes. Then no more is fetched: the server keeps 2 GB, and gives up."""
SETTLE: Final = timedelta(minutes=1)
"""That something may fail for before it is told."""
PRUNE_EVERY_SECONDS: Final = 3600.0
BASE_EVERY_SECONDS: Final = 3600.0
"""At least, whatever the clock says: each is as large as the database."""
DOUBTFUL_SECONDS: Final = 86_400.0
"""For so long nothing is deleted where the clock went on by more than all that is kept while nobody looked.

The machine was off for that long, or its clock is wrong, as it may be until the network has set it.
"""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
_LOST: Final = frozenset({None, "lost"})


class Recovery:
    """Looks again and again. Of several workers on a machine one does it."""

    def __init__(self, database: Database, settings: Settings, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._lock: int | None = None
        self._program: Program | None = None
        self._failed_at: dict[BackupKind, datetime] = {}
        self._failing_since: datetime | None = None
        self._began = self._pruned = time.monotonic()
        self._base_taken: float | None = None
        self._newest_found: datetime | None = None
        self._is_fetching = False
        self._is_noted_well = False
        self._had_gap = False
        self._folder = SharedFolder(settings.recovery_folder)
        self._taking: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        if not is_embedded(self._settings):
            return
        if not self._settings.keeps_wal:
            await self._give_up()
            return
        try:
            await again_and_again(self.look, LOOK_SECONDS, name="recovery", is_passing=is_passing)
        finally:
            await self.close()

    async def close(self) -> None:
        """End what was begun."""
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)
        if self._program is not None:
            self._program.stop()
            self._program = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def look(self) -> None:
        """Do what is to be done now."""
        if not await asyncio.to_thread(self._is_ours):
            return
        began = time.monotonic()
        try:
            if self._newest_found is None:
                self._newest_found = await asyncio.to_thread(self._newest_put_away)
            facts = await self._fetch()
            await asyncio.to_thread(self._put_away)
        except BackupLockedError:
            return  # somebody recovers on trial
        except (LotkeeperError, OSError) as error:
            await self._note_failure("wal", error, began)
            return
        if self._is_fetching:
            await self._note_well()
        await self._keep_bases(facts)

    def _is_ours(self) -> bool:
        if self._lock is not None:
            return True
        folder = wal_folder(self._settings)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    async def _fetch(self) -> ServerFacts:
        """Have WAL come in; what cannot go on where it ended begins anew, with a base backup after it."""
        async with self._database.read() as reader:
            facts = await facts_of(reader)
        incoming = self._incoming(facts)
        # What was started a moment ago may end at once, and did nothing yet.
        self._is_fetching = self._program is not None and self._program.running
        if facts.slot in _LOST:
            self._stop()
            await asyncio.to_thread(incoming.end, facts.line.timeline)
            await asyncio.to_thread(self._put_away)
            async with self._database.write() as writer:
                await drop_slot(writer)
                await make_slot(writer)
        if await asyncio.to_thread(incoming.bytes) > MOST_WAITING:
            self._stop()
            return facts
        if self._program is not None and not self._program.running:
            ended, self._program = self._program, None
            ended.end()
        if self._program is None:
            await asyncio.to_thread(incoming.mend)
            # Not in a thread: it ends with the one that began it.
            self._program = receive(self._settings, incoming.folder)
        return facts

    def _stop(self) -> None:
        if self._program is not None:
            self._program.stop()
            self._program = None

    def _incoming(self, facts: ServerFacts) -> Incoming:
        incoming = Incoming(wal_folder(self._settings) / facts.system)
        incoming.folder.mkdir(mode=0o700, exist_ok=True)
        return incoming

    def _put_away(self) -> None:
        for system, incoming in incoming_of(self._settings):
            if whole := list(incoming.whole()):
                self._put_away_of(system, whole)

    def _put_away_of(self, system: str, whole: Sequence[Path]) -> None:
        root = self._settings.recovery_folder
        with self._folder.working():
            recipients = keys_to_encrypt_with(self._settings).recipients
            there = {piece.name: piece for piece in pieces_in(root, system)}
            for path in whole:
                sha256 = sha256_of(path)
                before = there.get(path.name)
                if before is not None and before.sha256 != sha256[:HASH_DIGITS]:
                    raise BackupFailedError(
                        f"{before.path} was put away already and is another than {path}: nothing is "
                        "overwritten. Move the folder away; a new base backup is taken then."
                    )
                if before is None:
                    name = piece_file(path.name, written_at(path), sha256)
                    folder = root / system / "wal"
                    write_sealed(folder, name, compressed([path.read_bytes()]), recipients, root)
                path.unlink()

    async def _keep_bases(self, facts: ServerFacts) -> None:
        now, began = self._clock(), time.monotonic()
        if self._taking is not None and self._taking.done():
            ended, self._taking = self._taking, None
            ended.result()
        is_early = self._base_taken is not None and began - self._base_taken < BASE_EVERY_SECONDS
        if self._taking is None and not is_early and may_try(self._failed_at.get("base"), now):
            try:
                # It takes as long as all of the database does to write: WAL is put away meanwhile.
                if await asyncio.to_thread(self._is_due, facts, now) and await self._is_somebodys():
                    self._taking = asyncio.create_task(self._take_noted(facts))
            except (LotkeeperError, OSError) as error:
                await self._note_failure("base", error, began)
        if began - self._pruned >= PRUNE_EVERY_SECONDS and not self._is_clock_doubtful(now):
            self._pruned = began
            try:
                await asyncio.to_thread(self._prune, facts, now)
            except (LotkeeperError, OSError) as error:
                log.warning("recovery_not_pruned", reason=str(error))

    def _newest_put_away(self) -> datetime:
        """Of all that is there; the beginning of time where there is nothing."""
        root = self._settings.recovery_folder
        pieces = (piece.written_at for system in systems_in(root) for piece in pieces_in(root, system))
        return max((*pieces, *(base.ended_at for base in bases_in(root))), default=NEVER)

    def _is_clock_doubtful(self, now: datetime) -> bool:
        found = self._newest_found
        if found is None or found == NEVER or time.monotonic() - self._began >= DOUBTFUL_SECONDS:
            return False
        return now - found > timedelta(days=self._settings.recovery_days)

    async def _is_somebodys(self) -> bool:
        async with self._database.read() as reader:
            return await holds_data(reader)

    def _is_due(self, facts: ServerFacts, now: datetime) -> bool:
        """None fits what is written now, one is a long time ago, or WAL after the last is missing."""
        ours = [base for base in bases_in(self._settings.recovery_folder) if base.line == facts.line]
        if not ours:
            return True
        # By its WAL, not by its time: one that was dated ahead by a wrong clock would stay the newest.
        newest = max(ours, key=lambda base: number_of(base.first))
        # Its end is told late, by up to a second.
        if not -SETTLE < now - newest.ended_at < timedelta(days=self._settings.recovery_base_days):
            return True
        pieces = self._incoming(facts).pieces()
        if not pieces or pieces[-1].name < newest.first:
            return False  # it has just begun to come in
        put_away = pieces_in(self._settings.recovery_folder, facts.system)
        whole = chain(newest, [*put_away, *pieces])
        has_gap = not whole or number_of(whole[-1].name) < number_of(pieces[-1].name)
        # A segment that gets its name just now is seen under neither: it is there at the next look.
        is_due, self._had_gap = has_gap and self._had_gap, has_gap
        return is_due

    async def at_rest(self) -> None:
        """Wait for the end of a base backup that is being taken."""
        if self._taking is not None:
            await asyncio.wait({self._taking})

    async def _take_noted(self, facts: ServerFacts) -> None:
        began = time.monotonic()
        try:
            await self._take(facts)
            self._base_taken = time.monotonic()
        except BackupLockedError:
            return
        except (LotkeeperError, OSError) as error:
            await self._note_failure("base", error, began)

    async def _take(self, facts: ServerFacts) -> None:
        settings = self._settings
        async with entered_soon(self._folder.working()):
            key = await asyncio.to_thread(keys_to_encrypt_with, settings)
            # Not in a thread: it ends with the one that began it.
            program = base_backup(settings)
            writing = asyncio.create_task(asyncio.to_thread(write_base, settings, program, facts.system))
            try:
                await asyncio.wait({writing})
            finally:
                program.stop()
                # The thread ends by itself now, and takes what is unfinished away with it.
                await asyncio.wait({writing})
            draft = writing.result()
            async with self._database.read() as reader:
                after = await facts_of(reader)
            base = await asyncio.to_thread(name_base, draft, after)
        if key.made is not None:
            log.warning("backup_key_made", advice=KEEP_A_COPY.format(path=key.made))
        async with self._database.write() as writer:
            await note_base(writer, base, draft, self._clock())
        log.info("base_backup_taken", file=base.path.name, bytes=draft.bytes, seconds=draft.seconds)

    def _prune(self, facts: ServerFacts, now: datetime) -> None:
        root = self._settings.recovery_folder
        with self._folder.working():
            folders: set[Path] = set()
            for path in list(useless(root, now - timedelta(days=self._settings.recovery_days), facts.line)):
                path.unlink(missing_ok=True)
                folders.add(path.parent)
            for folder in folders:
                sync_folder(folder)

    async def _note_failure(self, kind: BackupKind, error: Exception, began: float) -> None:
        """Once an hour: a disk that is full stays so for a while."""
        now, last = self._clock(), self._failed_at.get(kind)
        if kind == "wal":
            self._is_noted_well = False
            self._failing_since = self._failing_since or now
            may_pass = now - self._failing_since < SETTLE
            if may_pass or not may_try(last, now):
                return  # a server that is started again ends what fetches, too
        self._failed_at[kind] = now
        log.warning("recovery_not_possible", what=kind, reason=str(error))
        async with self._database.write() as writer:
            await note_failure(writer, kind, "schedule", str(error), time.monotonic() - began, now)

    async def _note_well(self) -> None:
        """That WAL is put away again, after it was not."""
        self._failing_since = None
        if self._is_noted_well:
            return
        async with self._database.write() as writer:
            last = (await last_backup_runs(writer)).get("wal")
            if last is not None and last.outcome == "fail":
                await note_wal(writer, self._clock())
        self._failed_at.pop("wal", None)
        self._is_noted_well = True

    async def _give_up(self) -> None:
        """It is not wanted any more: nothing is kept for it."""
        try:
            async with self._database.read() as reader:
                slot = (await facts_of(reader)).slot
            if slot is not None:
                async with self._database.write() as writer:
                    await drop_slot(writer)
        except (DBAPIError, OSError) as error:
            # The server keeps 2 GB at most, and the next start asks again.
            log.warning("wal_slot_not_dropped", reason=type(error).__name__)
