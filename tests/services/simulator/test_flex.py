"""The pretended Flex service refuses as IBKR's does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.simulator.flex import BASE, LEGACY, FlexService, serve_flex

SEND = f"{BASE}/SendRequest"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(clock: Clock) -> AsyncIterator[FlexService]:
    async with serve_flex(FlexService({"1": b"<FlexQueryResponse/>"}, now=clock)) as service:
        yield service


def ask(service: FlexService, path: str = SEND, user_agent: str = "Python/3", **changed: str) -> bytes:
    parameters = {"t": service.token, "q": "1", "v": "3"} | changed
    return service.reply_to(path, parameters, user_agent).body


def test_it_promises_a_statement_and_gives_it(service: FlexService, clock: Clock) -> None:
    promise = ask(service).decode()
    assert "<Status>Success</Status>" in promise
    assert f"<Url>{service.origin}{LEGACY}</Url>" in promise
    reference = promise.partition("<ReferenceCode>")[2].partition("<")[0]
    for path in (LEGACY, f"{BASE}/GetStatement"):
        clock.seconds += 1
        assert ask(service, path, q=reference) == b"<FlexQueryResponse/>"


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"t": "x"}, 1015), ({"q": "9"}, 1014), ({"v": "2"}, 1020), ({"path": LEGACY}, 1017)],
)
def test_what_is_wrong_is_refused_by_its_number(
    service: FlexService, changed: dict[str, str], code: int
) -> None:
    assert f"<ErrorCode>{code}</ErrorCode>".encode() in ask(service, **changed)


def test_nobody_without_a_name_is_answered_and_nothing_is_elsewhere(service: FlexService) -> None:
    assert service.reply_to(SEND, {}, "").status == 403
    assert service.reply_to("/elsewhere", {}, "Python/3").status == 404


def test_one_request_a_second_and_ten_a_minute_are_allowed(service: FlexService, clock: Clock) -> None:
    def refused() -> bool:
        return b"<ErrorCode>1018" in ask(service)

    assert not refused()
    clock.seconds += 0.5
    assert refused()
    for _ in range(8):
        clock.seconds += 1
        assert not refused()
    clock.seconds += 1
    assert refused(), "the eleventh of this minute"
    clock.seconds += 60
    assert not refused()


def test_a_statement_can_be_a_file_or_be_made_when_it_is_asked_for(
    service: FlexService, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / "a.xml").write_bytes(b"<a/>")
    service.statements = {"1": tmp_path / "a.xml", "2": lambda: b"<b/>"}
    found = []
    for query_id in ("1", "2"):
        reference = ask(service, q=query_id).partition(b"<ReferenceCode>")[2].partition(b"<")[0].decode()
        clock.seconds += 1
        found.append(ask(service, LEGACY, q=reference))
        clock.seconds += 1
    assert found == [b"<a/>", b"<b/>"]
