"""Cut any cable: the connection to the gateway, to Redis and to PostgreSQL ends, stalls or goes silent."""

import pytest

from tests.faults.disturbances import on_the_way, silent_gateway, together
from tests.faults.figures import FORM, SEEDS, assert_found, by_form
from tests.faults.programs import Disturb, Laboratory

pytestmark = pytest.mark.xdist_group("faults")

SIZE = by_form(3_000, 6_000, 20_000)
TIMES = by_form(1, 3, 20)

GATEWAY: dict[str, Disturb] = {
    "the gateway hangs up": on_the_way("gateway", lambda proxy: proxy.cut()),
    "the gateway resets": on_the_way("gateway", lambda proxy: proxy.reset()),
    "the gateway is cut off in mid-frame": on_the_way(
        "gateway", lambda proxy: proxy.cut_after(1013, "down"), seconds=1
    ),
    "the gateway dribbles": on_the_way("gateway", lambda proxy: proxy.dribble(300, "down"), seconds=2),
    "the gateway is silent": silent_gateway(),
    "the gateway is slow": on_the_way("gateway", lambda proxy: proxy.delay(0.3), seconds=2),
}
STORES: dict[str, Disturb] = {
    f"{name} {what}": disturb
    for place, name in (("redis", "Redis"), ("postgres", "PostgreSQL"))
    for what, disturb in {
        "hangs up": on_the_way(place, lambda proxy: proxy.cut()),
        "resets": on_the_way(place, lambda proxy: proxy.reset()),
        "is cut off in mid-message": on_the_way(place, lambda proxy: proxy.cut_after(701), seconds=1),
        "goes silent": on_the_way(place, lambda proxy: proxy.black_hole(), seconds=by_form(2, 10, 30)),
        "forgets to answer": on_the_way(place, lambda proxy: proxy.black_hole("down"), seconds=3),
        "is slow": on_the_way(place, lambda proxy: proxy.delay(0.1), seconds=2),
    }.items()
}


def programs(table: dict[str, Disturb], short: tuple[str, ...], name: str) -> list[tuple[str, Disturb]]:
    """Each, as often as the form has it, or in the short form some of them in one run."""
    if FORM == "short":
        return [(name, together(*(table[one] for one in short)))]
    return [(one, together(*[disturb] * TIMES)) for one, disturb in table.items()]


def only_names(value: object) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("program", "disturb"),
    programs(
        GATEWAY,
        ("the gateway is silent", "the gateway resets", "the gateway is cut off in mid-frame"),
        "the gateway is cut off",
    ),
    ids=only_names,
)
async def test_the_connection_to_the_gateway(
    laboratory: Laboratory, program: str, disturb: Disturb, seed: int
) -> None:
    figures = await laboratory.run(
        program, disturb, seed=seed, size=SIZE, poison_every=1000, proxied=frozenset({"gateway"})
    )
    if figures.detection_seconds is not None:
        assert_found(figures, 25)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("program", "disturb"),
    programs(
        STORES,
        ("Redis resets", "PostgreSQL is cut off in mid-message", "Redis is cut off in mid-message"),
        "the stores are cut off",
    ),
    ids=only_names,
)
async def test_the_connections_to_the_stores_lose_nothing_with_the_pipeline_alone(
    laboratory: Laboratory, program: str, disturb: Disturb, seed: int
) -> None:
    await laboratory.run(
        program,
        disturb,
        seed=seed,
        size=SIZE,
        poison_every=1000,
        alone=True,
        patience=90,
        proxied=frozenset({"redis", "postgres"}),
    )
