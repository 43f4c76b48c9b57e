"""Families of what the links, the streams and the accounts say, as the live picture has them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from core.domain.account_values import NET_LIQUIDATION
from core.domain.link import STATES, UpDown
from core.metrics.make import family, one
from services.api.context import Context
from services.api.freshness import whole_age
from services.api.live.reports import login_reports
from services.api.live.rows import AccountState
from services.api.schemas.sync import LoginReport, StreamReport

_LINK_VALUE: Final = {"up": 1, "down": 0, "unknown": None}


def of_picture(context: Context, names: Mapping[str, str]) -> Iterator[GaugeMetricFamily]:
    """Links, ages of data, WebSocket; ``names`` are what accounts are called. One without is left out."""
    judged, picture = context.hub.judge(), context.hub.picture
    yield from _of_logins(login_reports(context.hub.feed, judged))
    yield one("lotkeeper_live", 0 if judged.verdict.reason else 1)
    yield one("lotkeeper_numbers_frames", int(context.hub.numbering.numbers))
    queued = [client.queued_bytes for client in context.sockets]
    yield one("lotkeeper_websocket_queued_bytes", max(queued, default=0))
    ages: dict[tuple[str, ...], int] = {}
    gaps: dict[str, int] = {}
    for (account, name), state in picture.datasets.items():
        gaps[name] = gaps.get(name, 0) + (not state.complete)
        if account in names:
            as_of = context.hub.feed.dataset_as_of(account, name) or state.as_of
            ages[names[account], name] = whole_age(as_of, judged.now)
    yield family("lotkeeper_dataset_age_seconds", list(ages.items()))
    yield family("lotkeeper_dataset_incomplete_accounts", [((name,), count) for name, count in gaps.items()])
    if context.settings.metrics_money:
        yield from _worth([(names[one], state) for one, state in picture.accounts.items() if one in names])


def _of_logins(logins: Sequence[LoginReport]) -> Iterator[GaugeMetricFamily]:
    yield family("lotkeeper_login_accounts", [((each.login,), len(each.accounts)) for each in logins])
    told = [((name, each.login), _LINK_VALUE[up]) for each in logins for name, up in _links(each)]
    yield family("lotkeeper_link_up", told)
    # While the link says nothing it is in none of them as far as we know.
    heard = [each for each in logins if each.state is not None]
    states = [((state, each.login), int(state == each.state)) for each in heard for state in STATES]
    yield family("lotkeeper_link_state", states)
    # A gateway that is not there told no time either.
    there = [each for each in logins if each.gateway == "up"]
    offsets = [((each.login,), each.clock_offset_seconds) for each in there]
    yield family("lotkeeper_clock_offset_seconds", offsets)


def _links(of: LoginReport) -> tuple[tuple[str, UpDown], ...]:
    return ("gateway", of.gateway), ("ibkr", of.ibkr)


def _worth(accounts: list[tuple[str, AccountState]]) -> Iterator[GaugeMetricFamily]:
    known = [(state, (name, state.base_currency)) for name, state in accounts if state.base_currency]
    yield family(
        "lotkeeper_net_liquidation",
        [(labels, state.values.get(NET_LIQUIDATION)) for state, labels in known],
    )
    told = [(state.pnl, labels) for state, labels in known if state.pnl is not None]
    yield family("lotkeeper_daily_pnl", [(labels, pnl.daily_pnl) for pnl, labels in told])
    yield family("lotkeeper_unrealized_pnl", [(labels, pnl.unrealized_pnl) for pnl, labels in told])
    yield family("lotkeeper_realized_pnl", [(labels, pnl.realized_pnl) for pnl, labels in told])


def of_streams(reports: tuple[StreamReport, ...] | None) -> Iterator[GaugeMetricFamily]:
    """Length, lag and what is pending; of a Redis that is away only that."""
    yield one("lotkeeper_redis_up", int(reports is not None))
    listed = reports or ()
    groups = [(stream.name, group) for stream in listed for group in stream.groups]
    yield family("lotkeeper_stream_entries", [((stream.name,), stream.length_entries) for stream in listed])
    yield family(
        "lotkeeper_stream_lag_entries", [((name, group.name), group.lag_entries) for name, group in groups]
    )
    yield family(
        "lotkeeper_stream_pending_entries",
        [((name, group.name), group.pending_entries) for name, group in groups],
    )
