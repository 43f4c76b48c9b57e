"""``instruments``: what instruments are across brokers, and a person's word on it."""

import getpass
import json
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import typer

from core.clock import utc_now
from core.domain.identity.identifiers import is_isin
from core.domain.identity.known import contradiction
from core.domain.identity.mapping import ISIN_ID, isin_in, target_of
from core.domain.money import plain
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.identity import (
    GlobalRow,
    InstrumentRow,
    Which,
    global_instrument,
    globals_known_as,
    instruments_by,
    instruments_page,
    members_of,
)
from models.session import Database, Reader, Writer
from models.stores import identity as store
from services.cli import show_instruments
from services.cli.auditing import audited
from services.cli.on_database import on_database

MOST_MEMBERS = 10_000
_LAST_CONID = 2**63
_CONID = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class UnknownInstrumentError(LotkeeperError):
    """There is no such instrument, or none that can be meant."""

    code = "unknown_instrument"
    exit_code = 2


class ContradictedError(LotkeeperError):
    """What identifies the two says that they are not the same."""

    code = "identity_contradicted"
    exit_code = 2


class NothingToTakeBackError(LotkeeperError):
    """Nobody has said anything of it by hand."""

    code = "nothing_to_take_back"
    exit_code = 2


def run_list(
    profile: Profile | None,
    symbol: str | None,
    isin: str | None,
    which: Which | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Print instruments.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _: Settings) -> list[InstrumentRow]:
        async with database.read() as reader:
            return await instruments_page(reader, symbol=symbol, isin=isin, which=which, limit=limit + 1)

    found = on_database(profile, None, work)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found[:limit]]))
    else:
        show_instruments.listed(found[:limit], is_more=len(found) > limit)


def run_show(profile: Profile | None, conid: int, *, as_json: bool) -> None:
    """Print one instrument and what it is the same as.

    Raises:
        UnknownInstrumentError: there is none with this conid.
        LotkeeperError: as ``on_database``.
    """

    async def work(
        database: Database, _: Settings
    ) -> tuple[InstrumentRow, GlobalRow | None, list[InstrumentRow]]:
        async with database.read() as reader:
            one = await _instrument(reader, conid)
            where = one.global_instrument_id
            if where is None:
                return one, None, []
            same = await members_of(reader, where, limit=MOST_MEMBERS)
            return one, await global_instrument(reader, where), same

    one, where, same = on_database(profile, None, work)
    if not as_json:
        show_instruments.shown(one, where, same)
        return
    told: dict[str, Any] = {"instrument": _as_json(one), "global_instrument": None}
    if where is not None:
        told["global_instrument"] = _as_json(where)
    typer.echo(json.dumps({**told, "same": [other.conid for other in same if other.conid != conid]}))


def run_map(profile: Profile | None, conid: int, target: str, *, force: bool, as_json: bool) -> None:
    """Say what an instrument is.

    Raises:
        UnknownInstrumentError: there is no such instrument, or nothing that can be meant.
        ContradictedError: identifiers contradict it, and it was not forced.
        LotkeeperError: as ``on_database``.
    """

    async def work(writer: Writer) -> str:
        one = await _instrument(writer, conid)
        where = await _meant(writer, target)
        same = [other for other in await _by_themselves(writer, where) if other != one]
        why = contradiction(one.known, (other.known for other in same), isin_in(where))
        if why and not force:
            raise ContradictedError(f"{conid} is not {where}: {why}. --force maps it all the same.")
        noted = target_of(where, (other.conid for other in same))
        await store.map_by_hand(writer, conid, noted, forced=bool(why), by=_who(), now=utc_now())
        return why

    told = ("instrument_map", f"{conid} {target}")
    _change(profile, work, lambda writer: _instrument(writer, conid), logged=told, as_json=as_json)


def run_unmap(profile: Profile | None, conid: int, *, as_json: bool) -> None:
    """Take back what was said of an instrument.

    Raises:
        UnknownInstrumentError: there is no such instrument.
        NothingToTakeBackError: nothing was said of it.
        LotkeeperError: as ``on_database``.
    """

    async def work(writer: Writer) -> str:
        await _instrument(writer, conid)
        if not await store.unmap(writer, conid, utc_now()):
            raise NothingToTakeBackError(f"{conid} was not mapped by hand.")
        return ""

    told = ("instrument_unmap", str(conid))
    _change(profile, work, lambda writer: _instrument(writer, conid), logged=told, as_json=as_json)


def run_merge(profile: Profile | None, one: str, into: str, *, force: bool, as_json: bool) -> None:
    """Say that a global instrument is another.

    Raises:
        UnknownInstrumentError: one of them is none that can be meant, or both are the same.
        ContradictedError: identifiers contradict it, and it was not forced.
        LotkeeperError: as ``on_database``.
    """

    async def work(writer: Writer) -> str:
        merged, kept = await _global(writer, one), await _global(writer, into)
        if merged.id == kept.id:
            raise UnknownInstrumentError(f"{one} and {into} are one already: {kept.id}.")
        theirs = [other.known for other in await _by_themselves(writer, kept.id)]
        reasons = (contradiction(own.known, theirs) for own in await _by_themselves(writer, merged.id))
        why = next(filter(None, reasons), "")
        if why and not force:
            raise ContradictedError(f"{merged.id} is not {kept.id}: {why}. --force merges them all the same.")
        await store.merge(writer, merged.id, kept.id, by=_who(), now=utc_now())
        return why

    told = ("instrument_merge", f"{one} {into}")
    _change(profile, work, lambda writer: _global(writer, into), logged=told, as_json=as_json)


def run_unmerge(profile: Profile | None, one: str, *, as_json: bool) -> None:
    """Take back that a global instrument is another.

    Raises:
        NothingToTakeBackError: it was not merged.
        LotkeeperError: as ``on_database``.
    """

    async def work(writer: Writer) -> str:
        if not await store.unmerge(writer, one, utc_now()):
            raise NothingToTakeBackError(f"{one} was not merged into another.")
        return ""

    told = ("instrument_unmerge", one)
    _change(
        profile, work, lambda writer: global_instrument(writer, one), logged=told, as_json=as_json, apart=True
    )


def _change(
    profile: Profile | None,
    work: Callable[[Writer], Awaitable[str]],
    outcome: Callable[[Writer], Awaitable[InstrumentRow | GlobalRow | None]],
    *,
    logged: tuple[str, str],
    as_json: bool,
    apart: bool = False,
) -> None:
    """Change something, and tell what became of it and what contradicts it.

    ``logged`` is what it is called in the audit log, and to what it was done.
    """

    async def change(database: Database, _: Settings) -> tuple[str, InstrumentRow | GlobalRow | None]:
        await store.map_all(database, utc_now())
        async with database.write() as writer:
            why = await work(writer)
            await audited(writer, *logged)
            return why, await outcome(writer)

    why, told = on_database(profile, None, change)
    if as_json:
        typer.echo(json.dumps({"contradicted": why or None, "now": None if told is None else _as_json(told)}))
    else:
        show_instruments.changed(told, why, apart=apart)


async def _instrument(connection: Reader | Writer, conid: int) -> InstrumentRow:
    found = await instruments_by(connection, [conid]) if abs(conid) < _LAST_CONID else []
    if not found:
        raise UnknownInstrumentError(f"There is no instrument {conid}. `instruments list` shows them.")
    return found[0]


async def _by_themselves(writer: Writer, global_id: str) -> list[InstrumentRow]:
    """The instruments that are this one without a person's word: that one says nothing of others."""
    found = await members_of(writer, global_id, limit=MOST_MEMBERS)
    return [one for one in found if one.source != "manual"]


async def _meant(writer: Writer, said: str) -> str:
    """The id of what a person calls so; of an ISIN also where nothing has it yet."""
    isin = said.removeprefix(ISIN_ID).upper()
    where = f"{ISIN_ID}{isin}" if is_isin(isin) else said
    called = {where} if isin_in(where) or await global_instrument(writer, where) else set()
    called.update(await globals_known_as(writer, said.upper()))
    if _CONID.fullmatch(said):
        called.update(one.global_instrument_id or "" for one in await instruments_by(writer, [int(said)]))
    if len(called) > 1:
        raise UnknownInstrumentError(f"{said} can be any of {', '.join(sorted(called))}: name one of these.")
    if not called:
        raise UnknownInstrumentError(
            f"There is no global instrument {said}. `instruments list` shows ids; an ISIN, CUSIP, FIGI or a "
            "conid will do, too."
        )
    where = called.pop()
    while (found := await global_instrument(writer, where)) is not None and found.merged_into is not None:
        where = found.merged_into
    return where


async def _global(writer: Writer, said: str) -> GlobalRow:
    where = await _meant(writer, said)
    found = await global_instrument(writer, where)
    if found is None:
        raise UnknownInstrumentError(f"No instrument is {where} yet, so there is nothing to merge.")
    return found


def _who() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container without a name for its user
        return "cli"


def _as_json(row: InstrumentRow | GlobalRow) -> dict[str, Any]:
    return {name: _spelled(value) for name, value in row._asdict().items()}


def _spelled(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return value if value is None or isinstance(value, str | int) else value.isoformat()
