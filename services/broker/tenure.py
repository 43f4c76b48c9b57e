"""Whether this link may connect, and under which epoch it records: what follows from lease and room."""

import asyncio
from collections.abc import Callable, Collection

from core.clock import Clock
from core.domain.link import NOT_YET_SYNCED, LinkEvent
from core.settings import Settings
from models.tables.sync import CUT_OFF
from services.broker.backoff import QUICK_FOR_SECONDS
from services.broker.beat import Link
from services.broker.connection import LinkLostError
from services.broker.lease import Claim, Lease
from services.broker.register import Register

_ROOM_SECONDS = 1.0


class Tenure:
    """A link's right to its login.

    It connects only while it holds the lease or, where PostgreSQL is away, under the epoch that it had.
    ``leave`` is called with a reason and an explanation when it must let go of the gateway at once.
    """

    def __init__(
        self,
        settings: Settings,
        link: Link,
        register: Register,
        clock: Clock,
        has_room: Callable[[], bool],
        leave: Callable[[str, str], None],
    ) -> None:
        self._link = link
        self._register = register
        self._clock = clock
        self._has_room = has_room
        self._leave = leave
        self._lease = Lease(settings, clock)
        self._lease.on_change = self._lease_changed
        self._epoch_is_new = False
        self._ended = CUT_OFF
        self._ended_at = clock()
        self.epoch = 0

    @property
    def is_fenced(self) -> bool:
        """Whether somebody else has the login."""
        return self._lease.claim is Claim.TAKEN

    async def run(self) -> None:
        """Take and keep the lease until cancelled."""
        await self._lease.run()

    async def close(self) -> None:
        """Let go of the login."""
        await self._lease.close()

    @property
    def took_over_lately(self) -> bool:
        """Whether another's session was cut off so lately that its gateway may not know yet."""
        at = self._lease.took_over_at
        return at is not None and asyncio.get_running_loop().time() - at < QUICK_FOR_SECONDS

    async def turn(self) -> bool:
        """Wait until the login is ours and facts can be kept; with a new epoch, where one can be had.

        Returns whether somebody else had the login meanwhile.
        """
        stood_by = False
        while True:
            self._lease.changed.clear()
            claim = self._lease.claim
            if claim is Claim.TAKEN:
                stood_by = True
                await self.stand_by()
            elif not self._has_room():
                await asyncio.sleep(_ROOM_SECONDS)
                continue
            elif claim is Claim.HELD:
                if self._link.state == "fenced":
                    self._link.apply(LinkEvent.LEASED, NOT_YET_SYNCED)
                # Where another link is about, whether it has our accounts shows when the gateway names them.
                if await self._lease.alone():
                    await self._begin_epoch()
                if self._lease.claim is Claim.HELD:
                    return stood_by
                continue
            elif self.epoch and self._link.state != "fenced":
                return stood_by  # recording does not wait for PostgreSQL
            await self._lease.changed.wait()

    async def enter(self, accounts: Collection[str]) -> None:
        """Make sure that nobody else records these accounts, and begin an epoch where one can be had.

        Raises:
            LinkLostError: somebody does, or PostgreSQL went away before we had any epoch.
        """
        if await self.hold_accounts(accounts) is Claim.TAKEN:
            raise LinkLostError("fenced", "another link records the accounts of this login")
        await self._begin_epoch()
        if not self.epoch:
            raise LinkLostError(NOT_YET_SYNCED, "PostgreSQL went away before anything could be recorded")
        self._epoch_is_new = False

    async def hold_accounts(self, accounts: Collection[str]) -> Claim:
        """Claim the accounts that the gateway has named, too."""
        return await self._lease.hold_accounts(accounts)

    def connection_ended(self, reason: str) -> None:
        """Remember when and why what was recorded under this epoch ended."""
        self._ended, self._ended_at = reason, self._clock()

    async def _begin_epoch(self) -> None:
        if self._epoch_is_new and not self._lease.replaced:
            return
        ended_at = self._clock() if self._ended == CUT_OFF else self._ended_at
        epoch = await self._lease.open_epoch(self._ended, ended_at)
        if epoch:
            self.epoch, self._epoch_is_new = epoch, True
            self._ended = CUT_OFF
            self._link.begin_epoch(epoch)

    async def stand_by(self) -> None:
        """Say once who has the login. A standby does not touch the gateway."""
        if self._link.state == "fenced":
            return
        holder = await self._lease.current_holder()
        explanation = f"{holder} has the link to this login; standing by until it ends"
        change = self._link.apply(LinkEvent.FENCED, "fenced", explanation)
        if change is not None:
            self._register.fenced(self.epoch, change)
        # Another link records under a newer one: without a new epoch nothing of ours would be believed.
        self.epoch, self._epoch_is_new = 0, False

    def _lease_changed(self) -> None:
        if self._lease.claim is Claim.TAKEN:
            self._leave("fenced", "another link has this login")
        elif self._lease.replaced:
            self._leave("fenced", "another link had this login meanwhile; connecting anew")
