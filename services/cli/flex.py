"""``flex setup``, ``fetch`` and ``status``."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import typer
from pydantic import SecretStr

from core.clock import utc_now
from core.errors import LotkeeperError, SettingsError
from core.settings import PREFIX, Profile, Settings, load_settings
from core.settings.values import query_ids
from models.queries.flex_fetches import last_fetches, last_successes
from models.session import Database
from services.cli import show_flex
from services.cli.auditing import note
from services.cli.on_database import on_database, settings_with_servers
from services.cli.show_flex import QueryStatus
from services.statements.credentials import (
    Credentials,
    credentials_of,
    require_credentials,
    store_credentials,
)
from services.statements.fetch import FlexClient
from services.statements.flex_errors import FlexBusyError, FlexError
from services.statements.kept_file import KeptFile
from services.statements.recorded import Recorder, tries_of
from services.statements.schedule import due_at


class Target(NamedTuple):
    """Where statements are put; ``name`` is ``None`` where each gets one of its own."""

    folder: Path
    name: str | None


class Outcome(NamedTuple):
    """What came of one query."""

    query_id: str
    kept: KeptFile | None
    error: LotkeeperError | None


def run_setup(
    profile: Profile | None,
    token_file: Path | None,
    queries: Sequence[str],
    expires: str | None = None,
    *,
    check: bool,
) -> None:
    """Store a token and queries, asking for what is not given where a person can answer.

    Raises:
        FlexError: the service does not take them; nothing was stored.
        SettingsError: a file cannot be read or written.
    """
    settings = load_settings() if profile is None else load_settings(profile=profile)
    before = _stored_queries(settings)
    asks = sys.stdin.isatty() and token_file is None
    expires_on = _day(expires)
    token = _token(token_file, asks=asks)
    chosen = _numbers(queries)
    if not chosen and asks:
        show_flex.sections()
        answer = typer.prompt("Query IDs, with commas between", default=",".join(before) or None)
        chosen = _numbers([answer])
    chosen = chosen or before
    if not chosen:
        raise typer.BadParameter("Name the queries with --query.")
    if check:
        asyncio.run(_check(settings, token, chosen))
    store_credentials(settings.flex_file, token, chosen, expires_on)
    typer.echo(f"Stored in {settings.flex_file}: the token and {_named(chosen)}.")
    for name in ("flex_token", "flex_queries"):
        if getattr(settings, name) is not None:
            typer.echo(f"But {PREFIX}{name.upper()} is set, and wins over what was stored.", err=True)
    if not asks:
        show_flex.sections()


def run_fetch(profile: Profile | None, queries: Sequence[str], output: str | None, *, as_json: bool) -> None:
    """Fetch now; recorded where there is a database.

    Raises:
        FlexError: the first of what went wrong, after everything else was fetched.
        LotkeeperError: as ``on_database``, where a database is set.
    """
    settings = settings_with_servers(profile)
    credentials = require_credentials(settings)
    chosen = _numbers(queries) or credentials.queries
    if not chosen:
        raise SettingsError("No queries are set up. Name one with --query, or run `lotkeeper flex setup`.")
    target = _target(settings, output, len(chosen))

    async def work(database: Database | None, settings: Settings) -> list[Outcome]:
        outcomes = await _fetch_all(settings, database, credentials, chosen, target)
        if database is not None:
            for one in outcomes:
                await note(
                    database, "flex_fetch", one.query_id, "ok" if one.error is None else one.error.code
                )
        return outcomes

    if settings.database_url is None:
        outcomes = asyncio.run(work(None, settings))
    else:
        outcomes = on_database(profile, None, work)
    if as_json:
        typer.echo(msgspec.json.encode({"fetched": [_as_json(one) for one in outcomes]}).decode())
    else:
        show_flex.fetched([(one.query_id, one.kept, one.error) for one in outcomes])
    errors = [one.error for one in outcomes if one.error is not None]
    if errors:
        raise errors[0]


def run_status(profile: Profile | None, *, as_json: bool) -> None:
    """Print what is set up and how it goes; never the token.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(
        database: Database, settings: Settings
    ) -> tuple[str | None, date | None, list[QueryStatus]]:
        credentials = credentials_of(settings)
        if credentials is None:
            return None, None, []
        source = str(settings.flex_file) if settings.flex_token is None else f"{PREFIX}FLEX_TOKEN"
        return source, credentials.expires_on, await _statuses(database, settings, credentials)

    source, expires_on, queries = on_database(profile, None, work)
    if as_json:
        told = {
            "token_from": source,
            "token_expires_on": expires_on,
            "queries": [one._asdict() for one in queries],
        }
        typer.echo(msgspec.json.encode(told).decode())
    else:
        show_flex.status(source, expires_on, queries)


def _token(token_file: Path | None, *, asks: bool) -> SecretStr:
    if asks:
        text = str(typer.prompt("Token of the Flex Web Service (it is not shown)", hide_input=True))
    elif token_file is None:
        raise typer.BadParameter(
            "Nobody can be asked for the token here: name a --token-file (-: standard input)."
        )
    elif str(token_file) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"{token_file} cannot be read: {reason}.") from None
    token = text.strip()
    if not token or not token.isascii() or not token.isalnum():
        raise SettingsError("That is no Flex token: it is a row of digits, as Client Portal shows it.")
    return SecretStr(token)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: write it as 2027-06-30.") from None


def _numbers(queries: Sequence[str]) -> tuple[str, ...]:
    try:
        found: tuple[str, ...] = query_ids(",".join(queries))
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
    return found


def _stored_queries(settings: Settings) -> tuple[str, ...]:
    """Those of before; a damaged file is about to be written anew."""
    try:
        stored = credentials_of(settings.model_copy(update={"flex_queries": None}))
    except SettingsError:
        return ()
    return stored.queries if stored is not None else ()


async def _check(settings: Settings, token: SecretStr, queries: Sequence[str]) -> None:
    async with FlexClient(token, settings.flex_url) as client:
        for query_id in queries:
            typer.echo(f"Trying query {query_id} …", err=True)
            await client.check(query_id)


async def _fetch_all(
    settings: Settings,
    database: Database | None,
    credentials: Credentials,
    queries: Sequence[str],
    target: Target,
) -> list[Outcome]:
    async with FlexClient(credentials.token, settings.flex_url) as client:

        async def one(query_id: str) -> KeptFile:
            if database is None:
                return await client.fetch(query_id, *target)
            recorder = Recorder(settings, database, client, credentials.mark, utc_now)
            folder, name = target
            kept = await recorder.fetch(query_id, asked=True, folder=folder, name=name)
            if kept is None:
                raise FlexBusyError(f"Query {query_id} is being fetched by another process just now.")
            return kept

        outcomes = []
        for query_id in queries:
            try:
                outcomes.append(Outcome(query_id, await one(query_id), None))
            except FlexError as error:
                outcomes.append(Outcome(query_id, None, error))
        return outcomes


async def _statuses(database: Database, settings: Settings, credentials: Credentials) -> list[QueryStatus]:
    async with database.read() as reader:
        rows = await last_fetches(reader, credentials.queries)
        successes = await last_successes(reader, credentials.queries)
    now = utc_now()
    found = []
    for query_id in credentials.queries:
        last = rows[query_id][0] if rows[query_id] else None
        next_at = due_at(query_id, tries_of(rows[query_id]), now, settings.flex_hour, credentials.mark)
        found.append(
            QueryStatus(
                query=query_id,
                last_fetch_at=last and last.started_at,
                last_outcome=last and last.outcome,
                last_success_at=successes.get(query_id),
                next_due_at=next_at,
                error_category=last and last.error_category,
                error=last.summary if last is not None and last.outcome == "failed" else None,
                file=next((row.file_path for row in rows[query_id] if row.outcome == "succeeded"), None),
            )
        )
    return found


def _target(settings: Settings, output: str | None, queries: int) -> Target:
    if output is None:
        return Target(settings.statements_folder, None)
    place = Path(output).absolute()
    if place.is_dir() or output.endswith("/"):
        return Target(place, None)
    if queries > 1:
        raise typer.BadParameter("Several statements do not go into one file: name a folder with --output.")
    return Target(place.parent, place.name)


def _as_json(one: Outcome) -> dict[str, Any]:
    if one.kept is None:
        code, sentence = (one.error.code, str(one.error)) if one.error else (None, None)
        return {"query": one.query_id, "file": None, "code": code, "error": sentence}
    kept = one.kept
    return {
        "query": one.query_id,
        "file": str(kept.path),
        "sha256": kept.sha256,
        "size_bytes": kept.size_bytes,
    }


def _named(queries: Sequence[str]) -> str:
    return f"{'query' if len(queries) == 1 else 'queries'} {', '.join(queries)}"
