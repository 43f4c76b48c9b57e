"""What folds say that books hand on to others: stored, and who has to be folded again for it."""

from core.domain.books import BookKey
from core.domain.carried import Handed
from models.queries.carried import handed_on_by, takers_of
from models.session import Writer
from models.stores.carried import replace_handed


async def hand_on(connection: Writer, handed: Handed) -> set[BookKey]:
    """Store all that these locked books hand on; returns the books that go on with other lots than before."""
    if not handed:
        return set()
    stored = await handed_on_by(connection, handed)
    changed = {key: lots for key, lots in handed.items() if stored.get(key, {}) != lots}
    if not changed:
        return set()
    await replace_handed(connection, changed)
    return await takers_of(connection, changed)
