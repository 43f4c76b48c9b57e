"""``performance``: measures of accounts, as the API tells them."""

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from urllib.parse import urlencode

import typer

from core.domain.days import moment_of
from core.settings import Profile
from services.cli import show_performance
from services.cli.target import ask, find_target

_MIDNIGHT = time()


class Wanted(NamedTuple):
    """What is asked for."""

    accounts: Sequence[str]
    group: str | None
    currency: str | None
    since: str | None
    until: str | None
    resolution: Literal["day", "hour"]
    benchmark: str | None
    risk_free: float


def run(profile: Profile | None, wanted: Wanted, *, as_json: bool) -> None:
    """Ask the API, and print what it answers.

    Raises:
        typer.BadParameter: a time is none.
        ApiDownError: the API does not answer.
        ApiRefusedError: it answers with an error.
    """
    asked = {
        "account": list(wanted.accounts),
        "group": wanted.group,
        "currency": wanted.currency,
        "from": _moment(wanted.since, "--from", days=0),
        # A day is meant with all that it brought.
        "to": _moment(wanted.until, "--to", days=1),
        "resolution": wanted.resolution,
        "benchmark": wanted.benchmark,
        "risk_free": wanted.risk_free,
    }
    query = urlencode({name: value for name, value in asked.items() if value is not None}, doseq=True)
    found = ask(find_target(profile), "GET", f"/api/v1/performance/measures?{query}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        show_performance.measures(found)


def _moment(spelled: str | None, option: str, *, days: int) -> str | None:
    """A day as the broker's midnight, before it or after it; an instant as it is."""
    if spelled is None:
        return None
    try:
        try:
            day = date.fromisoformat(spelled)
        except ValueError:
            moment = datetime.fromisoformat(spelled)
        else:
            moment = moment_of(day + timedelta(days=days), _MIDNIGHT)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{spelled!r} is neither a day such as 2026-11-20 nor a time such as 2026-11-20T21:00:00Z.",
            param_hint=option,
        ) from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{spelled!r} has no zone: end it in Z for UTC.", param_hint=option)
    return moment.isoformat()
