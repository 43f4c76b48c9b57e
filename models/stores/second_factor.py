"""Second factors: begun, proved, used, removed. A secret is one that is sealed (``core.sealing``)."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select, text, update

from core.sealing import key_name
from models.session import Writer
from models.stores.bulk import BulkInsert
from models.stores.sign_in_tries import end_codes
from models.tables import recovery_codes, second_factors

_codes = BulkInsert(recovery_codes, ("user_id", "code_hash"))
_begin = text(
    "INSERT INTO second_factors (user_id, secret, begun_at) VALUES (:user_id, :secret, :now) "
    "ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, begun_at = excluded.begun_at "
    "WHERE second_factors.proved_at IS NULL RETURNING user_id"
)
# In one statement: of several who bring the same code at once, one is let in.
_take_step = text(
    "UPDATE second_factors SET last_step = :step WHERE user_id = :user_id AND proved_at IS NOT NULL "
    "AND last_step < :step"
)


_one_seals = text("SELECT pg_advisory_xact_lock(hashtextextended('lotkeeper second factors', 0))")


async def keys_in_use(writer: Writer) -> set[str]:
    """What the keys are called that have sealed something. Until the transaction ends nobody else is told.

    So of two who find that nothing was sealed, and each make a key, the second finds what the first sealed.
    """
    await writer.execute(_one_seals)
    kept = (await writer.execute(select(second_factors.c.secret))).scalars()
    return {name for sealed in kept if (name := key_name(sealed)) is not None}


async def begin_factor(writer: Writer, user_id: int, secret: str, now: datetime) -> bool:
    """Keep a secret that is still to be proved, in the place of another such; ``False``: there is one."""
    asked = {"user_id": user_id, "secret": secret, "now": now}
    return (await writer.execute(_begin, asked)).first() is not None


async def prove_factor(
    writer: Writer, user_id: int, secret: str, step: int, code_hashes: Iterable[str], now: datetime
) -> bool:
    """From now on it counts, with these recovery codes; ``False``: another was begun, or is proved."""
    table = second_factors.c
    proved = update(second_factors).where(
        table.user_id == user_id, table.secret == secret, table.proved_at.is_(None)
    )
    if not (await writer.execute(proved.values(proved_at=now, last_step=step))).rowcount:
        return False
    await writer.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    await _codes(writer, [(user_id, code_hash) for code_hash in code_hashes])
    return True


async def renew_secret(writer: Writer, user_id: int, *, stale: str, fresh: str) -> None:
    """Keep a secret sealed anew; one that is another meanwhile stays as it is."""
    table = second_factors.c
    mine = update(second_factors).where(table.user_id == user_id, table.secret == stale)
    await writer.execute(mine.values(secret=fresh))


async def take_step(writer: Writer, user_id: int, step: int) -> bool:
    """Use the code of a step; ``False``: it, or a later one, was used before."""
    return (await writer.execute(_take_step, {"user_id": user_id, "step": step})).rowcount > 0


async def take_recovery_code(writer: Writer, user_id: int, code_hash: str) -> bool:
    """Use a recovery code; ``False``: there is none such any more."""
    mine = recovery_codes.c.user_id == user_id, recovery_codes.c.code_hash == code_hash
    return (await writer.execute(delete(recovery_codes).where(*mine))).rowcount > 0


async def remove_factor(writer: Writer, user_id: int) -> bool:
    """Ask for it no more; ``False``: there is none."""
    await writer.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    mine = delete(second_factors).where(second_factors.c.user_id == user_id)
    is_removed = (await writer.execute(mine)).rowcount > 0
    # After it, as whoever gives a right code does: of two who wait for each other none would come through.
    await end_codes(writer, user_id)
    return is_removed
