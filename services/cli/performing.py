"""``performance``: measures of accounts, as the API tells them."""

import json
from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import urlencode

import typer

from core.settings import Profile
from services.cli import show_performance
from services.cli.target import ask, find_target
from services.cli.times import end_at, start_at


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
        WrongTimeError: a time is none.
        ApiDownError: the API does not answer.
        ApiRefusedError: it answers with an error.
    """
    asked = {
        "account": list(wanted.accounts),
        "group": wanted.group,
        "currency": wanted.currency,
        "from": None if wanted.since is None else start_at(wanted.since, "--from").isoformat(),
        "to": None if wanted.until is None else end_at(wanted.until, "--to").isoformat(),
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
