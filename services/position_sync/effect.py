"""What a transaction did, until everything is done that follows its commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core import logs
from core.events.facts import ResyncFenced
from models.stores.dead_facts import DeadFact
from models.stores.gaps import Gap
from models.tables.jobs import RESYNC
from services.position_sync.admission import Admitted
from services.position_sync.announce import Announcement
from services.position_sync.booking import Booked
from services.position_sync.intake import Item

log = logs.get_logger(__name__)


@dataclass(slots=True)
class Applied:
    """What one call of ``store`` did."""

    items: Sequence[Item]
    dead: Sequence[DeadFact]
    booked: Booked
    announcement: Announcement
    gaps: Sequence[Gap] = ()
    ended: Sequence[str] = ()
    """Jobs that ended by it."""


@dataclass(slots=True)
class Effect:
    """What one transaction did, for all that is to be done once it is committed."""

    admitted: Admitted = field(default_factory=Admitted)
    applied: list[Applied] = field(default_factory=list)
    leaves_answers: bool = False
    """Whether positions answers ended of which something has still to arrive."""
    wanted: dict[str, str] = field(default_factory=dict)
    """Accounts that are to be compared, and what made that worth while."""
    seconds: float = 0.0

    @property
    def items(self) -> list[Item]:
        """Every fact that was applied."""
        return [item for one in self.applied for item in one.items]


def tell_committed(effect: Effect) -> None:
    """Log what a transaction did: its facts, and the jobs that ended by them."""
    log.debug("facts_committed", facts=len(effect.items), duration_ms=round(effect.seconds * 1000, 3))
    ended = {job for one in effect.applied for job in one.ended}
    if not ended:
        return
    for item in effect.items:
        fence = item.fact
        if isinstance(fence, ResyncFenced) and fence.job_id in ended:
            # By the link's clock, which has been at it all the time.
            took = (fence.received_at - fence.started_at).total_seconds() * 1000
            with logs.caused_by(fence.job_id):
                log.info("job_ended", job=fence.job_id, kind=RESYNC, ok=fence.ok, duration_ms=round(took, 3))
