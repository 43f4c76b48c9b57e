"""What holds of any instruments, however little of them is known and however wrong it is."""

from decimal import Decimal
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from core.domain.identity.known import DERIVATIVES, Known, identified
from core.domain.identity.mapping import ByHand, map_instruments
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
)

# Few values, so that they meet in every way.
ISINS = st.sampled_from(["", "", APPLE, MICROSOFT, SAP, ALIBABA, "US0378331006"])
CUSIPS = st.sampled_from(["", "", "", APPLE_CUSIP, MICROSOFT_CUSIP, ALIBABA_CINS, "803054204", "wrong"])
FIGIS = st.sampled_from(["", "", APPLE_FIGI, IBM_FIGI, "BBG001S5N8V8"])
UNSAID = {name: st.just("") for name in ("local_symbol", "trading_class", "expiry", "right", "description")}
SHARES = st.builds(
    Known,
    **UNSAID,
    multiplier=st.just(Decimal(1)),
    strike=st.none(),
    underlying_conid=st.none(),
    conid=st.integers(-9, 30),
    sec_type=st.sampled_from(["STK", "STK", "FUND", "BOND", "CASH", "WAR"]),
    symbol=st.sampled_from(["A", "B", ""]),
    currency=st.sampled_from(["USD", "EUR"]),
    exchange=st.sampled_from(["", "NYSE", "SMART"]),
    isin=ISINS,
    cusip=CUSIPS,
    figi=FIGIS,
)
OPTIONS = st.builds(
    Known,
    local_symbol=st.just(""),
    description=st.just(""),
    exchange=st.sampled_from(["", "CBOE"]),
    multiplier=st.sampled_from([Decimal(1), Decimal(100)]),
    cusip=CUSIPS,
    figi=FIGIS,
    conid=st.integers(31, 60),
    sec_type=st.sampled_from(["OPT", "FOP", "FUT", "CFD"]),
    symbol=st.sampled_from(["A", "B"]),
    currency=st.just("USD"),
    trading_class=st.sampled_from(["", "A", "AW"]),
    expiry=st.sampled_from(["20261218", "20270115", ""]),
    strike=st.sampled_from([Decimal(1), Decimal("1.0"), Decimal(2), None]),
    right=st.sampled_from(["C", "P"]),
    isin=ISINS,
    underlying_conid=st.one_of(st.none(), st.integers(-9, 60)),
)
KNOWN = st.lists(SHARES | OPTIONS, max_size=16, unique_by=lambda one: one.conid)
HANDS = st.dictionaries(
    st.integers(-9, 60),
    st.sampled_from([ByHand(f"isin:{SAP}"), ByHand("conid:4"), ByHand("conid:40")]),
    max_size=3,
)


@given(KNOWN, HANDS, st.randoms())
def test_the_order_of_instruments_does_not_matter(
    known: list[Known], hands: dict[int, ByHand], chance: object
) -> None:
    before = map_instruments(known, hands)
    shuffled = list(known)
    chance.shuffle(shuffled)  # type: ignore[attr-defined] - a random.Random
    assert map_instruments(shuffled, dict(reversed(hands.items()))) == before
    assert map_instruments(iter(known), hands) == before


@given(KNOWN)
def test_each_is_one_instrument_that_is_described(known: list[Known]) -> None:
    found = map_instruments(known)
    assert found.mapped.keys() == {one.conid for one in known}
    assert {one.global_instrument_id for one in found.mapped.values()} == found.instruments.keys()
    for conid, one in found.mapped.items():
        assert one.conid == conid
        assert 0 < one.confidence <= 1
        assert found.instruments[one.global_instrument_id].name
    for one_ in found.instruments.values():
        assert one_.underlying_id is None or one_.underlying_id in found.instruments


@given(KNOWN)
def test_an_isin_is_one_instrument_and_two_isins_never_are(known: list[Known]) -> None:
    where = map_instruments(known).mapped
    for one, other in combinations(known, 2):
        isins = identified(one).isin, identified(other).isin
        is_same = where[one.conid].global_instrument_id == where[other.conid].global_instrument_id
        if all(isins) and "CASH" not in {one.sec_type, other.sec_type}:
            assert is_same is (isins[0] == isins[1])


@given(KNOWN)
def test_a_derivative_is_never_what_is_none_nor_another_with_other_terms(known: list[Known]) -> None:
    where = map_instruments(known).mapped
    for one, other in combinations(known, 2):
        if where[one.conid].global_instrument_id != where[other.conid].global_instrument_id:
            continue
        assert (one.sec_type in DERIVATIVES) is (other.sec_type in DERIVATIVES)
        if one.sec_type in DERIVATIVES:
            assert one.sec_type == other.sec_type
            if one.sec_type != "CFD":
                assert one.expiry == other.expiry
            if one.sec_type in {"OPT", "FOP"}:
                assert (one.strike, one.right) == (other.strike, other.right)


@given(KNOWN, SHARES)
def test_an_instrument_that_shares_nothing_with_the_others_changes_nothing(
    known: list[Known], another: Known
) -> None:
    apart = another._replace(conid=99, symbol="APART", isin="", cusip="", figi="")
    before = map_instruments(known)
    after = map_instruments([*known, apart])
    others = {conid: one for conid, one in after.mapped.items() if conid != apart.conid}
    assert others == before.mapped
