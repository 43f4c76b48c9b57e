"""Whose turn it is to apply what a stream holds, so that it is applied in its order."""

from sqlalchemy import text

from models.session import Writer

# In one round trip, for each batch pays it: the columns are worked out in the order in which they stand.
_take = text(
    "SELECT set_config('lock_timeout', :wait, true), "
    "set_config('idle_in_transaction_session_timeout', :silence, true), "
    "pg_advisory_xact_lock(hashtext('lotkeeper turn'), hashtext(:stream))"
)
_nothing = text("SELECT 1")


async def take_turn(writer: Writer, stream: str, *, wait_seconds: float, silence_seconds: float) -> None:
    """Wait until those who came before have had their turn; it is ours until the transaction ends.

    Nobody waits longer than ``wait_seconds``, and the turn of who says nothing for ``silence_seconds`` is
    over.

    Raises:
        DBAPIError: it was waited for in vain (SQLSTATE 55P03).
    """
    wait, silence = (str(round(seconds * 1000)) for seconds in (wait_seconds, silence_seconds))
    await writer.execute(_take, {"wait": wait, "silence": silence, "stream": stream})


async def go_on(writer: Writer) -> None:
    """Say that we are still at it."""
    await writer.execute(_nothing)
