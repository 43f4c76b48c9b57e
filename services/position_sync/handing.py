"""What folds say that books hand on to others: stored, and who has to be folded again for it."""

from typing import Final

from core import logs
from core.domain.books import BookKey
from core.domain.carried import Handed
from models.queries.carried import handed_on_by, takers_of
from models.session import Writer
from models.stores.carried import replace_handed

log = logs.get_logger(__name__)

MOST_ROUNDS: Final = 200
"""What goes from book to book settles after as many rounds as its way has steps. No way is so long."""


async def hand_on(connection: Writer, handed: Handed, *, rounds: int = 0) -> set[BookKey]:
    """Store all that these locked books hand on; returns the books that go on with other lots than before.

    ``rounds`` is how often that was done before, for what they go on with themselves. It ends in any case:
    what is still not settled then is found by ``validate``.
    """
    if not handed:
        return set()
    stored = await handed_on_by(connection, handed)
    changed = {key: lots for key, lots in handed.items() if stored.get(key, {}) != lots}
    if not changed:
        return set()
    await replace_handed(connection, changed)
    if rounds >= MOST_ROUNDS:
        log.error("carried_lots_unsettled", books=len(changed), rounds=rounds)
        return set()
    return await takers_of(connection, changed)
