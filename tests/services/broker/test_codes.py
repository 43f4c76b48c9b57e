from services.broker.codes import MEANINGS, Meaning, farm_of, meaning_of, redact


def test_every_code_of_the_table_has_its_meaning() -> None:
    assert meaning_of(1100) is meaning_of(2110) is Meaning.IBKR_LOST
    assert meaning_of(1101) is Meaning.IBKR_BACK_DATA_LOST
    assert meaning_of(1102) is Meaning.IBKR_BACK_DATA_KEPT
    assert meaning_of(1300) is Meaning.PORT_CHANGED
    assert (meaning_of(2103), meaning_of(2104)) == (Meaning.MARKET_DATA_DOWN, Meaning.MARKET_DATA_OK)
    assert {meaning_of(code) for code in (2105, 2157)} == {Meaning.FARM_DOWN}
    assert {meaning_of(code) for code in (2106, 2158)} == {Meaning.FARM_OK}
    assert {meaning_of(code) for code in (2107, 2108)} == {Meaning.BENIGN}
    assert meaning_of(326) is Meaning.CLIENT_ID_IN_USE
    assert {meaning_of(code) for code in (502, 504)} == {Meaning.NOT_CONNECTED}
    assert meaning_of(321) is Meaning.READ_ONLY
    assert meaning_of(10197) is Meaning.COMPETING_SESSION
    assert meaning_of(99999) is Meaning.OTHER
    assert all(meaning.value for meaning in MEANINGS.values())


def test_the_farm_is_read_from_the_text() -> None:
    assert farm_of("Market data farm connection is broken:usfarm.nj") == "usfarm.nj"
    assert farm_of("Connectivity has been lost") == ""


def test_account_numbers_do_not_survive_redaction() -> None:
    assert redact("Invalid account code 'DU1234567' or U7654321F.") == (
        "Invalid account code '<account>' or <account>."
    )
    assert redact("Max rate of messages per second: 50") == "Max rate of messages per second: 50"
