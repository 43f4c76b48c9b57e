"""What is the same instrument as what, and how sure that is."""

from decimal import Decimal

import pytest

from core.domain.identity.known import CONFIDENCE, LOW_CONFIDENCE, contradiction
from core.domain.identity.mapping import ByHand, final_id, target_of
from tests.core.domain.identity.making import (
    ALIBABA,
    ALIBABA_CINS,
    APPLE,
    APPLE_CUSIP,
    APPLE_FIGI,
    IBM_FIGI,
    MICROSOFT,
    MICROSOFT_CUSIP,
    SAP,
    ids,
    of,
    option,
    share,
)


def test_the_same_isin_is_the_same_instrument_on_whatever_exchange_and_in_whatever_currency() -> None:
    found = of(
        share(1, "AAPL", isin=APPLE, exchange="NASDAQ", description="APPLE INC"),
        share(2, "APC", isin=APPLE, exchange="IBIS", currency="EUR"),
        share(3, "SAP", isin=SAP),
    )
    assert {conid: one.global_instrument_id for conid, one in found.mapped.items()} == {
        1: f"isin:{APPLE}",
        2: f"isin:{APPLE}",
        3: f"isin:{SAP}",
    }
    assert {one.source for one in found.mapped.values()} == {"isin"}
    apple = found.instruments[f"isin:{APPLE}"]
    assert (apple.name, apple.symbol, apple.isin, apple.cusip) == ("APPLE INC", "AAPL", APPLE, APPLE_CUSIP)
    assert apple.currency is None, "it is traded in two"
    assert apple.country == "US"
    assert found.instruments[f"isin:{SAP}"].currency == "USD"


def test_a_cusip_is_the_isin_that_is_made_of_it_or_that_comes_with_it() -> None:
    assert ids(share(1, isin=APPLE), share(2, cusip=APPLE_CUSIP))[2] == f"isin:{APPLE}"
    assert ids(share(1, isin=ALIBABA), share(2, cusip=ALIBABA_CINS))[2] == f"isin:{ALIBABA}"
    # An ISIN of a country that numbers otherwise, stated with a CUSIP.
    assert ids(share(1, isin=SAP, cusip="803054204"), share(2, cusip="803054204"))[2] == f"isin:{SAP}"
    assert ids(share(2, cusip=APPLE_CUSIP), share(3, cusip=APPLE_CUSIP)) == {
        2: f"cusip:{APPLE_CUSIP}",
        3: f"cusip:{APPLE_CUSIP}",
    }


def test_a_figi_is_what_another_instrument_has_with_it_and_different_figis_say_nothing() -> None:
    assert ids(share(1, isin=APPLE, figi=APPLE_FIGI), share(2, figi=APPLE_FIGI))[2] == f"isin:{APPLE}"
    assert ids(share(1, cusip=APPLE_CUSIP, figi=APPLE_FIGI), share(2, figi=APPLE_FIGI))[2] == (
        f"cusip:{APPLE_CUSIP}"
    )
    assert ids(share(1, figi=APPLE_FIGI), share(2, figi=APPLE_FIGI))[2] == f"figi:{APPLE_FIGI}"
    two = of(share(1, isin=APPLE, figi=APPLE_FIGI), share(2, isin=APPLE, figi=IBM_FIGI))
    assert two.mapped[1].global_instrument_id == two.mapped[2].global_instrument_id
    assert [one.review for one in two.mapped.values()] == [None, None]
    assert two.instruments[f"isin:{APPLE}"].figi is None, "each listing has its own"


def test_a_cusip_and_a_figi_lead_on_from_one_to_another() -> None:
    # Only the figi ties the cusip to the isin, and the last has the cusip alone.
    found = of(
        share(1, isin=SAP, figi=IBM_FIGI),
        share(2, cusip="803054204", figi=IBM_FIGI),
        share(3, cusip="803054204"),
    )
    assert {one.global_instrument_id for one in found.mapped.values()} == {f"isin:{SAP}"}
    assert [one.source for one in found.mapped.values()] == ["isin", "figi", "figi"]


def test_identifiers_that_lead_to_two_instruments_merge_nothing_and_are_to_be_looked_at() -> None:
    found = of(
        share(1, isin=APPLE, figi=APPLE_FIGI),
        share(2, isin=MICROSOFT, figi=APPLE_FIGI),
        share(3, figi=APPLE_FIGI),
    )
    assert [one.global_instrument_id for one in found.mapped.values()] == [
        f"isin:{APPLE}",
        f"isin:{MICROSOFT}",
        f"figi:{APPLE_FIGI}",
    ]
    assert {one.review for one in found.mapped.values()} == {"figi_of_several"}
    assert found.mapped[1].confidence == CONFIDENCE["isin"] / 2
    # The stronger one decides: this is Microsoft by its CUSIP, and Apple by its FIGI.
    found = of(
        share(1, isin=APPLE, figi=APPLE_FIGI),
        share(2, isin=MICROSOFT),
        share(3, cusip=MICROSOFT_CUSIP, figi=APPLE_FIGI),
    )
    assert found.mapped[3].global_instrument_id == f"isin:{MICROSOFT}"
    assert found.mapped[3].review == found.mapped[1].review == "figi_of_several"
    assert found.mapped[2].review is None


def test_a_cusip_that_the_isin_is_not_made_of_or_that_several_have_is_to_be_looked_at() -> None:
    (one,) = of(share(1, isin=APPLE, cusip=MICROSOFT_CUSIP)).mapped.values()
    assert (one.global_instrument_id, one.review) == (f"isin:{APPLE}", "cusip_contradicts_isin")
    found = of(
        share(1, isin=SAP, cusip="803054204"),
        share(2, isin="GB0002634946", cusip="803054204"),
        share(3, cusip="803054204"),
    )
    assert found.mapped[3].global_instrument_id == "cusip:803054204"
    assert {one.review for one in found.mapped.values()} == {"cusip_of_several"}


def test_a_figi_does_not_tie_a_cusip_to_an_isin_that_is_made_of_another() -> None:
    found = ids(share(1, isin=APPLE, figi=APPLE_FIGI), share(2, cusip=MICROSOFT_CUSIP, figi=APPLE_FIGI))
    assert found == {1: f"isin:{APPLE}", 2: f"cusip:{MICROSOFT_CUSIP}"}


def test_an_identifier_that_cannot_be_right_counts_for_nothing_and_is_told() -> None:
    wrong = "US0378331006"
    found = of(
        share(1, "AAPL", isin=APPLE, exchange="NASDAQ"),
        share(2, "AAPL", isin=wrong, exchange="NASDAQ"),
        share(3, isin=wrong),
    )
    assert ids(share(2, isin=wrong), share(3, isin=wrong)) == {2: "conid:2", 3: "conid:3"}
    assert found.mapped[2].global_instrument_id == "conid:2", "its symbol is no reason to think it the same"
    assert (found.mapped[2].review, found.mapped[2].confidence) == ("identifier_invalid", Decimal("0.1"))


def test_a_symbol_says_little_and_only_with_its_exchange_and_currency() -> None:
    known = share(1, "AAPL", isin=APPLE, exchange="NASDAQ")
    found = of(known, share(2, "aapl", exchange="NASDAQ"), share(3, "AAPL", exchange="MEXI", currency="MXN"))
    assert found.mapped[2].global_instrument_id == f"isin:{APPLE}"
    assert (found.mapped[2].source, found.mapped[2].confidence) == ("symbol", Decimal("0.4"))
    assert found.mapped[3].global_instrument_id == "symbol:STK/AAPL/MEXI/MXN"
    assert ids(known, share(2, "AAPL"), share(3, "AAPL", exchange="SMART")) == {
        1: f"isin:{APPLE}",
        2: "conid:2",
        3: "conid:3",
    }


def test_a_symbol_that_two_isins_have_at_one_exchange_is_neither() -> None:
    found = of(
        share(1, "X", isin=APPLE, exchange="N"),
        share(2, "X", isin=SAP, exchange="N"),
        share(3, "X", exchange="N"),
    )
    assert found.mapped[3].global_instrument_id == "conid:3"
    assert found.mapped[3].review == "symbol_of_several"


def test_currencies_and_coins_are_what_they_are_called() -> None:
    found = of(
        share(1, "EUR", sec_type="CASH"),
        share(2, "BTC", sec_type="CRYPTO", exchange="PAXOS"),
        share(-5, "EUR"),
    )
    assert found.mapped[1].global_instrument_id == "cash:EUR/USD"
    assert found.mapped[1].confidence == Decimal("0.9")
    assert found.mapped[2].global_instrument_id == "crypto:BTC/USD"
    assert found.mapped[-5].global_instrument_id == "conid:-5"


def test_derivatives_are_the_same_by_their_underlying_and_their_terms() -> None:
    apple = share(265598, "AAPL", isin=APPLE)
    listed = share(9, "APC", isin=APPLE, currency="EUR")
    found = of(
        apple,
        listed,
        option(1, underlying_conid=265598),
        option(2, underlying_conid=9, strike=Decimal("150.0")),
        option(3, underlying_conid=265598, right="P"),
        option(4, underlying_conid=265598, strike=Decimal(151)),
        option(5, underlying_conid=265598, expiry="20270115"),
        option(6, underlying_conid=265598, multiplier=Decimal(10)),
        option(7, underlying_conid=265598, sec_type="FUT"),
        option(8, underlying_conid=265598, sec_type="CFD"),
    )
    where = {conid: one.global_instrument_id for conid, one in found.mapped.items()}
    assert where[1] == where[2] == f"opt:isin:{APPLE}/20261218/150/C/100/USD"
    assert len({where[conid] for conid in range(1, 9)}) == 7
    assert found.mapped[1].source == "underlying"
    assert found.instruments[where[1]].underlying_id == f"isin:{APPLE}"
    assert found.instruments[where[1]].isin is None


def test_an_option_on_a_future_goes_by_the_future() -> None:
    future = option(20, "ES", sec_type="FUT", multiplier=Decimal(50))
    same = future._replace(conid=21)
    found = ids(
        future,
        same,
        option(1, sec_type="FOP", underlying_conid=20),
        option(2, sec_type="FOP", underlying_conid=21),
    )
    assert found[20] == found[21]
    assert found[1] == found[2] == f"fop:{found[20]}/20261218/150/C/100/USD"


def test_what_is_settled_otherwise_is_another_though_its_terms_are_the_same() -> None:
    index = share(416904, "SPX", sec_type="IND", exchange="CBOE")
    morning = option(1, "SPX", underlying_conid=416904, trading_class="SPX")
    evening = option(2, "SPX", underlying_conid=416904, local_symbol="SPXW  261218C00150000")
    unsaid = option(3, "SPX", underlying_conid=416904)
    assert ids(index, morning, unsaid)[3] == ids(index, morning)[1], "there is one class only"
    found = of(index, morning, evening, unsaid)
    assert len({one.global_instrument_id for one in found.mapped.values()}) == 4
    assert found.mapped[3].review == "terms_of_several"
    assert found.mapped[1].review is None


def test_a_derivative_whose_underlying_is_not_named_is_what_has_its_symbol_and_terms() -> None:
    apple = share(265598, "AAPL", isin=APPLE)
    known = option(1, underlying_conid=265598)
    found = of(apple, known, option(-2))
    assert found.mapped[-2].global_instrument_id == found.mapped[1].global_instrument_id
    assert (found.mapped[-2].source, found.mapped[-2].confidence) == ("symbol", Decimal("0.4"))
    assert ids(option(-2), option(-3)) == dict.fromkeys((-2, -3), "opt:AAPL/20261218/150/C/100/USD")
    found = of(apple, share(7, "AAPL", isin=SAP), known, option(3, underlying_conid=7), option(-2))
    assert found.mapped[-2].review == "terms_of_several"
    assert len({one.global_instrument_id for one in found.mapped.values()}) == 5


def test_a_derivative_without_all_its_terms_is_its_own() -> None:
    assert ids(option(1, strike=None), option(2, expiry=""), option(3, right="")) == {
        1: "conid:1",
        2: "conid:2",
        3: "conid:3",
    }


def test_the_isin_of_an_option_may_be_its_underlyings_and_counts_for_nothing() -> None:
    found = ids(share(1, isin=APPLE), option(2, isin=APPLE, underlying_conid=1))
    assert found[1] != found[2]


@pytest.mark.parametrize("sec_type", ["WAR", "IOPT"])
def test_a_warrant_goes_by_its_identifier_and_twins_in_all_their_terms_are_two(sec_type: str) -> None:
    first, second = (option(n, "SAP", sec_type=sec_type, isin=SAP, underlying_conid=9) for n in (1, 2))
    assert ids(first, second._replace(exchange="SWB")) == dict.fromkeys((1, 2), f"isin:{SAP}")
    assert ids(first, second._replace(isin=APPLE)) == {1: f"isin:{SAP}", 2: f"isin:{APPLE}"}
    assert ids(first, second._replace(isin="")) == {1: f"isin:{SAP}", 2: "conid:2"}
    bank = [
        one._replace(isin="", issuer="Bank One", local_symbol=f"WKN{one.conid}") for one in (first, second)
    ]
    assert ids(*bank) == {1: "conid:1", 2: "conid:2"}
    found = of(*bank, second._replace(conid=3, isin="DE0007164601", cusip="", figi=""))
    assert all(one.confidence < LOW_CONFIDENCE for one in found.mapped.values())
    assert found.mapped[3].review == "identifier_invalid"
    assert contradiction(bank[0], [bank[1]._replace(issuer="Bank Two")])


def test_what_a_person_said_goes_before_everything() -> None:
    known = share(1, "AAPL", isin=APPLE), share(2, "APC"), share(3, "OTHER")
    found = of(*known, by_hand={2: ByHand(f"isin:{APPLE}"), 3: ByHand("conid:2")})
    assert found.mapped[2].global_instrument_id == f"isin:{APPLE}"
    assert (found.mapped[2].source, found.mapped[2].confidence) == ("manual", 1)
    assert found.mapped[3].global_instrument_id == "conid:2", "what it is by itself"
    assert found.instruments["conid:2"].name == "OTHER"
    # An ISIN that nothing else has.
    found = of(share(2), by_hand={2: ByHand(f"isin:{SAP}")})
    assert found.instruments[f"isin:{SAP}"].isin == SAP


def test_what_a_person_said_follows_an_instrument_that_becomes_better_known() -> None:
    hand = {2: ByHand("conid:1")}
    assert ids(share(1), share(2), by_hand=hand) == {1: "conid:1", 2: "conid:1"}
    assert ids(share(1, isin=SAP), share(2), by_hand=hand) == {1: f"isin:{SAP}", 2: f"isin:{SAP}"}


def test_what_a_person_said_stands_but_is_to_be_looked_at_where_identifiers_contradict_it() -> None:
    known = share(1, isin=APPLE), share(2, isin=SAP)
    found = of(*known, by_hand={2: ByHand(f"isin:{APPLE}")})
    assert found.mapped[2].global_instrument_id == f"isin:{APPLE}"
    assert (found.mapped[2].review, found.mapped[2].confidence) == ("manual_contradicts", Decimal("0.5"))
    forced = of(*known, by_hand={2: ByHand(f"isin:{APPLE}", forced=True)})
    assert (forced.mapped[2].review, forced.mapped[2].confidence) == (None, 1)


def test_merged_instruments_are_one_and_so_is_what_they_become() -> None:
    known = share(1, isin=APPLE), share(2, isin=SAP), share(3, isin=SAP)
    merged = {f"isin:{SAP}": f"isin:{APPLE}"}
    found = of(*known, merged=merged)
    assert {one.global_instrument_id for one in found.mapped.values()} == {f"isin:{APPLE}"}
    assert found.mapped[2].source == "isin", "how it was found does not change"
    assert found.instruments[f"isin:{APPLE}"].isin == APPLE
    assert final_id("c", {"c": "b", "b": "a", "a": "b"}) == "a", "a circle ends"


def test_what_is_noted_of_a_persons_word_outlives_ids_that_change() -> None:
    assert target_of(f"isin:{APPLE}", [5]) == f"isin:{APPLE}"
    assert target_of("symbol:STK/X/N/USD", [-7, 9, 5]) == "conid:5"
    assert target_of("cusip:037833100", []) == "cusip:037833100"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (share(1, isin=APPLE), share(2, isin=SAP), "its ISIN is US0378331005, that of 2 is DE0007164600"),
        (
            share(1, isin=APPLE),
            share(2, cusip=MICROSOFT_CUSIP),
            "its CUSIP is 037833100, that of 2 is 594918104",
        ),
        (share(1), option(2), "it is a STK, 2 is a OPT"),
        (option(1), option(2, right="P"), "its terms are not those of 2"),
        (share(1, isin=SAP, cusip="803054204"), share(2, isin=SAP, cusip=APPLE_CUSIP), ""),
        (share(1), share(2, isin=APPLE), ""),
        (share(1, sec_type="FUND"), share(2), ""),
        (option(1), option(2, strike=None), ""),
    ],
)
def test_a_contradiction_says_what_it_is(one: object, other: object, why: str) -> None:
    assert contradiction(one, [other]) == why  # type: ignore[arg-type, list-item] - instruments all
    assert bool(contradiction(other, [one])) is bool(why)  # type: ignore[arg-type, list-item] - the same
