"""Whose turn it is to apply what a stream holds, so that it is applied in its order."""

from sqlalchemy import text

from models.session import Writer

# In one round trip, for each batch pays it: the columns are worked out in the order in which they stand.
_take = text(
    "SELECT set_config('lock_timeout', :milliseconds, true), "
    "set_config('idle_in_transaction_session_timeout', :milliseconds, true), "
    "pg_advisory_xact_lock(hashtext('lotkeeper turn'), hashtext(:stream))"
)


async def take_turn(writer: Writer, stream: str, seconds: float) -> None:
    """Wait until those who came before have had their turn; it is ours until the transaction ends.

    Nobody waits longer than ``seconds``, and the turn of who says nothing for so long is over.

    Raises:
        DBAPIError: it was waited for in vain (SQLSTATE 55P03).
    """
    await writer.execute(_take, {"milliseconds": str(round(seconds * 1000)), "stream": stream})
