"""The link's states: everything that can happen is either defined or refused."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.link import (
    DATA_STALE,
    NO_ROOM,
    NOT_YET_SYNCED,
    STATES,
    LinkEvent,
    LinkEventRefusedError,
    LinkState,
    Standing,
    next_state,
)
from core.events.facts import LINK_REASONS

EVERYTHING = list(product(STATES, LinkEvent))
REASONS = {
    LinkEvent.IBKR_LOST: "ib_1100",
    LinkEvent.CONNECTED_OFFLINE: "ib_1100",
    LinkEvent.STALE: DATA_STALE,
    LinkEvent.LOST: "gateway_unreachable",
    LinkEvent.NEEDS_LOGIN: "needs_login",
    LinkEvent.FENCED: "fenced",
    LinkEvent.LEASED: NOT_YET_SYNCED,
    LinkEvent.STOPPED: "broker_link_down",
}


def after(state: LinkState, event: LinkEvent) -> LinkState | None:
    try:
        return next_state(state, event)
    except LinkEventRefusedError:
        return None


@pytest.mark.parametrize(("state", "event"), EVERYTHING)
def test_whatever_happens_in_whatever_state_is_defined_or_refused(state: LinkState, event: LinkEvent) -> None:
    found = after(state, event)
    assert found is None or found in STATES


def test_the_table_is_the_one_that_is_meant() -> None:
    """Every transition that is not refused, by state: written down twice, so that neither changes alone."""
    told = {
        state: {event.name: found for event in LinkEvent if (found := after(state, event)) is not None}
        for state in STATES
    }
    ends = {"LOST": "disconnected", "NEEDS_LOGIN": "needs_login", "FENCED": "fenced"}
    stopped = {"STOPPED": "disconnected"}
    begins = {"CONNECTED": "syncing", "CONNECTED_OFFLINE": "degraded"}
    connected = {"IBKR_LOST": "degraded", "RESTORED": "syncing"}
    synced = {"SYNCED": "live", "INCOMPLETE": "syncing", "STALE": "degraded"}
    assert told == {
        "disconnected": {"CONNECT": "connecting", **begins, **ends, **stopped},
        "connecting": {**begins, **ends, **stopped},
        "syncing": {**connected, **synced, **ends, **stopped},
        "live": {**connected, **synced, **ends, **stopped},
        "degraded": {**connected, "INCOMPLETE": "degraded", **ends, **stopped},
        "needs_login": {**begins, **ends, **stopped},
        "fenced": {"FENCED": "fenced", "LEASED": "connecting", "STOPPED": "fenced"},
    }


def test_live_is_reached_through_syncing_only() -> None:
    before = {state for state, event in EVERYTHING if state != "live" and after(state, event) == "live"}
    assert before == {"syncing"}


def test_fenced_is_left_by_the_lease_only() -> None:
    leaving = {event for event in LinkEvent if after("fenced", event) not in {None, "fenced"}}
    assert leaving == {LinkEvent.LEASED}


@pytest.mark.parametrize("state", STATES)
def test_the_lease_can_be_lost_in_every_state(state: LinkState) -> None:
    assert after(state, LinkEvent.FENCED) == "fenced"


def test_a_refusal_names_both() -> None:
    with pytest.raises(LinkEventRefusedError, match="SYNCED cannot happen to a link that is fenced"):
        next_state("fenced", LinkEvent.SYNCED)


@given(st.lists(st.sampled_from(list(LinkEvent)), max_size=60))
def test_what_a_state_means_holds_on_every_way_to_it(events: list[LinkEvent]) -> None:
    standing = Standing()
    for event in events:
        before = standing
        try:
            standing = standing.after(event, REASONS.get(event, ""))
        except LinkEventRefusedError:
            continue
        if standing.state == "live":
            assert before.state in {"syncing", "live"}
        if before.state == "fenced" and standing.state != "fenced":
            assert event is LinkEvent.LEASED
        assert standing.is_live == (standing.state == "live")
        # Only what is up needs no reason, and it has none.
        is_up = (standing.gateway, standing.ibkr) == ("up", "up")
        assert is_up == (standing.state in {"syncing", "live"}) == (standing.reason == "")
        assert standing.reason in {"", *LINK_REASONS}
        if standing.state == "degraded":
            assert standing.gateway == "up"
            assert standing.ibkr == ("unknown" if standing.is_stale else "down")
        if standing.state in {"disconnected", "needs_login"}:
            assert standing.gateway == ("unknown" if standing.reason == NOT_YET_SYNCED else "down")


def test_a_link_that_connects_keeps_saying_why_it_has_to() -> None:
    lost = Standing("live", "").after(LinkEvent.LOST, "gateway_silent")
    assert lost.after(LinkEvent.CONNECT) == Standing("connecting", "gateway_silent")
    assert lost.after(LinkEvent.CONNECT).gateway == "down"


def test_of_ibkr_behind_a_gateway_that_is_held_back_nothing_is_known() -> None:
    held = Standing("live", "").after(LinkEvent.STALE, NO_ROOM)
    assert (held.state, held.gateway, held.ibkr) == ("degraded", "up", "unknown")
    # Data that come again do not end it: there must be room.
    assert not held.is_stale


def test_an_outage_of_ibkr_outweighs_silence() -> None:
    stale = Standing("live", "").after(LinkEvent.STALE, DATA_STALE)
    assert stale.after(LinkEvent.IBKR_LOST, "ib_1100") == Standing("degraded", "ib_1100")
