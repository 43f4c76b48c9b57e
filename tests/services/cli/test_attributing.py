"""`lotkeeper attribution`."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.services.cli.conftest import Said, Sql
from tests.services.cli.test_snapshotting import url
from tests.services.snapshot.world import FIRST

__all__ = ["url"]

Run = Callable[..., Said]


@pytest.fixture
def kept(lotkeeper: Run, sql: Sql) -> None:
    """Two snapshots of an account, of yesterday and of now."""
    assert lotkeeper("snapshot", "--account", FIRST).code == 0
    sql("UPDATE snapshots SET asof_ts = asof_ts - interval '1 day', net_liquidation = net_liquidation - 100")
    assert lotkeeper("snapshot", "--account", FIRST).code == 0


@pytest.mark.usefixtures("kept")
def test_a_gain_is_shown_with_its_sums(lotkeeper: Run) -> None:
    said = lotkeeper("attribution", "--account", FIRST)
    assert (said.code, said.err) == (0, "")
    assert "gained 100.00" in said.out
    assert "unexplained" in said.out
    assert "Not known: price ACME USD: trades_missing" in said.out


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("by", ["instrument", "asset_class", "currency", "kind"])
def test_programs_get_every_digit(lotkeeper: Run, by: str) -> None:
    told = lotkeeper("attribution", "--account", FIRST, "--by", by, "--json").data
    assert (told["account"], told["by"], told["gain"]) == (FIRST, by, "100")
    total = sum(Decimal(item["total"]) for item in told["items"])
    assert total + Decimal(told["unexplained"]) == 100
    assert told["from"] < told["to"]


@pytest.mark.usefixtures("kept")
def test_what_cannot_be_asked_is_refused_with_what_to_do(lotkeeper: Run) -> None:
    def refused(*options: str) -> tuple[int, str]:
        said = lotkeeper("attribution", *options)
        assert said.out == ""
        return said.code, said.err

    code, sentence = refused()
    assert (code, "--account" in sentence) == (2, True)
    for wrong in ("yesterday", "2026-01-31T16:00", "0001-01-01T00:00+14:00"):
        code, sentence = refused("--account", FIRST, "--from", wrong)
        assert (code, "Write a day as" in sentence) == (2, True)
    code, sentence = refused("--account", FIRST, "--from", "2026-01-31", "--to", "2026-01-30")
    assert (code, "before" in sentence) == (2, True)
    code, sentence = refused("--account", FIRST, "--from", "2020-01-31", "--to", "2020-01-31T23:00Z")
    assert (code, "first value" in sentence) == (1, True)
