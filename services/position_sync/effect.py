"""What a transaction did, until everything is done that follows its commit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.stores.dead_facts import DeadFact
from models.stores.gaps import Gap
from services.position_sync.admission import Admitted
from services.position_sync.announce import Announcement
from services.position_sync.booking import Booked
from services.position_sync.intake import Item


@dataclass(slots=True)
class Applied:
    """What one call of ``store`` did."""

    items: Sequence[Item]
    dead: Sequence[DeadFact]
    booked: Booked
    announcement: Announcement
    gaps: Sequence[Gap] = ()


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
