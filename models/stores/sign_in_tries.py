"""Wrong passwords and codes, counted for all replicas of the API together, and kept over their restarts."""

from typing import Final, NamedTuple

from sqlalchemy import text

from models.session import Writer

FREE_TRIES: Final = 4
"""So many wrong passwords, or codes, cost nothing. Each further one makes wait twice as long as the last."""

LONGEST_WAIT_SECONDS: Final = 300.0
FORGOTTEN_SECONDS: Final = 3600.0

FREE_EVERYWHERE: Final = 60
"""So many wrong passwords for a name, from anywhere, hold up nobody elsewhere; then it is one a minute."""

FREE_FROM_ADDRESS: Final = 10
"""So many wrong passwords from one address, for whatever names; then it is one in six seconds."""


class _Bucket(NamedTuple):
    """So many at once; of these one is forgotten every so many seconds."""

    most: int
    seconds: float


_EVERYWHERE: Final = _Bucket(FREE_EVERYWHERE, 60.0)
_FROM_ADDRESS: Final = _Bucket(FREE_FROM_ADDRESS, 6.0)

_FREE_AT = (
    "CASE WHEN s.wrong < :free OR s.tried_at < now() - make_interval(secs => :forgotten) THEN now() "
    "ELSE s.tried_at + make_interval(secs => least(power(2, s.wrong - :free), :longest)) END"
)
# The clock is PostgreSQL's: those of replicas may differ.
_begin = text(
    "INSERT INTO sign_in_tries AS s (party, wrong, tried_at) VALUES (:party, 1, now()) "  # noqa: S608 - no input in it
    "ON CONFLICT (party) DO UPDATE SET tried_at = now(), wrong = CASE WHEN s.tried_at < now() - "
    "make_interval(secs => :forgotten) THEN 1 ELSE least(s.wrong + 1, 64) END "
    f"WHERE {_FREE_AT} <= now() RETURNING 1"
)
_wait = text(
    f"SELECT ceil(extract(epoch FROM {_FREE_AT} - now()))::int FROM sign_in_tries s WHERE s.party = :party"  # noqa: S608 - as above
)
_PASSED = "greatest(extract(epoch FROM now() - s.tried_at), 0)"
_LEVEL = f"greatest(s.wrong - floor({_PASSED} / CAST(:seconds AS numeric))::int, 0)"
# What has passed of the time in which the next is forgotten still counts, however often it is tried.
_SINCE = (
    f"CASE WHEN {_LEVEL} = 0 THEN now() "
    f"ELSE s.tried_at + floor({_PASSED} / CAST(:seconds AS numeric)) * make_interval(secs => :seconds) END"
)
_fill = text(
    "INSERT INTO sign_in_tries AS s (party, wrong, tried_at) VALUES (:party, 1, now()) "  # noqa: S608 - as above
    f"ON CONFLICT (party) DO UPDATE SET tried_at = {_SINCE}, wrong = {_LEVEL} + 1 "
    f"WHERE {_LEVEL} < :most RETURNING 1"
)
_wait_for_room = text(
    "SELECT ceil((s.wrong - :most + 1) * CAST(:seconds AS numeric) "  # noqa: S608 - as above
    f"- {_PASSED})::int FROM sign_in_tries s WHERE s.party = :party"
)
_end = text("DELETE FROM sign_in_tries WHERE party = :party")
# In their order, as they are counted: of two who wait for each other's rows none would come through.
_take_back = text(
    "UPDATE sign_in_tries SET wrong = greatest(wrong - 1, 0) WHERE party IN "
    '(SELECT party FROM sign_in_tries WHERE party = ANY(:parties) ORDER BY party COLLATE "C" FOR UPDATE)'
)
_forget = text(
    "DELETE FROM sign_in_tries WHERE party IN (SELECT party FROM sign_in_tries "
    "WHERE tried_at < now() - make_interval(secs => :forgotten) FOR UPDATE SKIP LOCKED)"
)


class SignIn(NamedTuple):
    """Somebody at an address (``network``: what is one party of it) who gives a password for a name.

    ``name`` is ``None`` where nobody can have it: then only the address counts.
    """

    network: str
    name: str | None

    @property
    def pair(self) -> str:
        """This name, from there. No name has a space or a star in it."""
        return f"{self.network} {self.name}"

    @property
    def buckets(self) -> dict[str, _Bucket]:
        """Of all names from there, and of this one from everywhere; in the order of their names."""
        from_there = {f"{self.network} *": _FROM_ADDRESS}
        return from_there if self.name is None else {f"* {self.name}": _EVERYWHERE, **from_there}


class Begun(NamedTuple):
    """A password that counts as wrong: for which parties, and how many seconds it has to wait, 0: none.

    What was full is not among ``counted``: nothing may be given back there.
    """

    tried: SignIn
    seconds: int
    counted: tuple[str, ...]


async def begin_sign_in(writer: Writer, tried: SignIn) -> Begun:
    """Count a password as wrong until it is known to be right.

    Of one that has to wait, and does, nothing may be kept: roll it back. Each is counted in one statement:
    many at once do not outrun the count.
    """
    waits = {party: await _begin_in(writer, party, bucket) for party, bucket in tried.buckets.items()}
    if tried.name is not None:
        waits[tried.pair] = await _begin_doubling(writer, tried.pair)
    # Last: it takes rows of others, in no order, and whoever has them must wait for nobody any more.
    await writer.execute(_forget, {"forgotten": FORGOTTEN_SECONDS})
    counted = tuple(party for party, seconds in waits.items() if not seconds)
    return Begun(tried, max(waits.values()), counted)


async def end_sign_in(writer: Writer, begun: Begun) -> None:
    """The right one was given."""
    pair = begun.tried.pair
    await writer.execute(_take_back, {"parties": [party for party in begun.counted if party != pair]})
    await writer.execute(_end, {"party": pair})


async def take_back_sign_in(writer: Writer, begun: Begun) -> None:
    """Nothing was compared: it counts as no try."""
    await writer.execute(_take_back, {"parties": list(begun.counted)})


async def begin_code(writer: Writer, user_id: int) -> int:
    """Count a code as wrong until it is known to be right; returns how many seconds it must wait, 0: none."""
    return await _begin_doubling(writer, _codes_of(user_id))


async def take_back_code(writer: Writer, user_id: int) -> None:
    """Nothing was compared: it counts as no try."""
    await writer.execute(_take_back, {"parties": [_codes_of(user_id)]})


async def end_codes(writer: Writer, user_id: int) -> None:
    """The right code was given, or none is asked for any more."""
    await writer.execute(_end, {"party": _codes_of(user_id)})


def _codes_of(user_id: int) -> str:
    return f"code {user_id}"


async def _begin_doubling(writer: Writer, party: str) -> int:
    asked = {"party": party, "free": FREE_TRIES, "longest": LONGEST_WAIT_SECONDS}
    asked["forgotten"] = FORGOTTEN_SECONDS
    if (await writer.execute(_begin, asked)).first() is not None:
        return 0
    # None: it was ended meanwhile.
    seconds: int | None = (await writer.execute(_wait, asked)).scalar_one_or_none()
    return max(1, seconds or 1)


async def _begin_in(writer: Writer, party: str, bucket: _Bucket) -> int:
    asked = {"party": party, **bucket._asdict()}
    if (await writer.execute(_fill, asked)).first() is not None:
        return 0
    seconds: int | None = (await writer.execute(_wait_for_room, asked)).scalar_one_or_none()
    return max(1, seconds or 1)
