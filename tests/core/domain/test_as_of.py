"""An episode at a moment is what a fold up to that moment makes of it."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from core.domain.anchors import Anchor
from core.domain.as_of import Standing, standing
from core.domain.episodes import Episode
from core.domain.fills import Fill
from core.domain.lifecycle import Ledger
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.domain.openings import balance_before
from tests.core.domain.facts import POINT_VALUE, Fact, Kept, facts
from tests.core.domain.making import at

METHODS = st.sampled_from(get_args(CostMethod))


def as_it_is(episode: Episode) -> Standing:
    return Standing(episode.quantity, episode.cost, episode.realized, episode.commission, episode.closed_at)


@given(METHODS, facts(), st.integers(-20, 100))
def test_an_episode_at_a_moment_is_what_a_fold_up_to_then_makes_of_it(
    method: CostMethod, told: list[Fact], seconds: int
) -> None:
    kept, moment = Kept(method), at(seconds)
    kept.take(told)
    fills: list[Fill] = kept._fills(kept.executed.values())
    held: list[Anchor] = sorted(kept.anchors.values())
    up_to = Ledger("DU1", 1, POINT_VALUE, method=method)
    opening = balance_before(held[0], fills, POINT_VALUE) if held else None
    if opening is not None:
        up_to.begin_with(opening)
    up_to.run(
        [one for one in fills if one.executed_at <= moment], [one for one in held if one.as_of <= moment]
    )
    begun = [one for one in up_to.touched if one.opened_at <= moment]
    found = {
        one.id: stood for one in kept.from_scratch().touched if (stood := standing(one, moment)) is not None
    }
    assert found == {one.id: as_it_is(one) for one in begun}
    for one in begun:
        assert found[one.id].average_cost == one.average_cost
    assert sum((stood.quantity for stood in found.values()), ZERO) == sum(
        (one.quantity for one in begun), ZERO
    )
