"""Fetching statements from a pretended Flex service over real HTTP."""

import asyncio
import hashlib
import logging
import re
import stat
import traceback
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from core.errors import SettingsError
from services.simulator.flex import (
    BASE,
    LEGACY,
    FlexService,
    Reply,
    http_status,
    redirect,
    refusal,
    serve_flex,
    web_page,
)
from services.statements.fetch import FlexClient
from services.statements.flex_errors import (
    FlexAnswerError,
    FlexBusyError,
    FlexError,
    FlexFolderError,
    FlexQueryError,
    FlexTokenError,
    FlexUnreachableError,
)
from services.statements.kept_file import draft_in
from services.statements.limiter import Limiter
from services.statements.places import Places
from services.statements.read import StatementReader
from tests.services.statements.flex_world import QUERY, STATEMENT, Hours, client_of, left_in
from tests.waiting import comes


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
async def service(hours: Hours) -> AsyncIterator[FlexService]:
    service = FlexService({QUERY: STATEMENT}, now=hours.now)
    async with serve_flex(service):
        yield service


@pytest.fixture
async def client(service: FlexService, hours: Hours) -> AsyncIterator[FlexClient]:
    async with client_of(service, hours) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "statements"


async def failure_of(client: FlexClient, folder: Path, query: str = QUERY) -> FlexError:
    """How it fails; whatever the failure, nothing of it stays on the disk."""
    with pytest.raises(FlexError) as caught:
        await client.fetch(query, folder)
    assert left_in(folder) == []
    return caught.value


async def test_a_statement_is_kept_whole_for_its_owner_only(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    kept = await client.fetch(QUERY, folder)
    assert kept.path.read_bytes() == STATEMENT
    assert (kept.sha256, kept.size_bytes) == (hashlib.sha256(STATEMENT).hexdigest(), len(STATEMENT))
    assert re.fullmatch(rf"flex-{QUERY}-\d{{8}}T\d{{6}}Z-{kept.sha256[:8]}\.xml", kept.path.name)
    assert left_in(folder) == [kept.path.name]
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert len(list(StatementReader(kept.path))) == 302
    assert [(one.step, one.path) for one in service.asked] == [
        ("send", f"{BASE}/SendRequest"),
        ("get", LEGACY),
    ], "it goes where the service says"
    assert all("lotkeeper/" in one.user_agent for one in service.asked)


async def test_a_statement_that_is_still_made_is_waited_for_longer_and_longer(
    client: FlexClient, service: FlexService, hours: Hours, folder: Path
) -> None:
    service.still_generating(12)
    assert (await client.fetch(QUERY, folder)).path.read_bytes() == STATEMENT
    assert all(one.number != QUERY for one in service.asked[1:]), "it was asked for once"
    backoffs = [wait for wait in hours.waits if wait >= 1.5]
    assert backoffs[0] < 3 < backoffs[-1] <= 37.5


async def test_one_that_is_not_ready_in_time_is_a_busy_service(
    service: FlexService, hours: Hours, folder: Path
) -> None:
    service.still_generating(1000)
    begun = hours.now()
    async with client_of(service, hours, patience_seconds=120) as client:
        error = await failure_of(client, folder)
    assert (type(error), error.flex_code, error.exit_code) == (FlexBusyError, 1019, 4)
    assert "generation in progress" in str(error)
    assert hours.now() - begun <= 120


@pytest.mark.parametrize("code", [1001, 1004, 1005, 1006, 1007, 1008, 1009, 1021])
@pytest.mark.parametrize("step", ["send", "get"])
async def test_what_is_to_be_tried_again_shortly_is(
    code: int, step: str, client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script(step, refusal(code))  # type: ignore[arg-type] - one of the two
    assert (await client.fetch(QUERY, folder)).path.read_bytes() == STATEMENT


async def test_a_number_that_the_service_has_forgotten_is_asked_for_anew(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", refusal(1017))
    assert (await client.fetch(QUERY, folder)).path.read_bytes() == STATEMENT
    assert [one.step for one in service.asked] == ["send", "get", "send", "get"]


async def test_a_service_that_forgets_for_ever_is_given_up(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", *[refusal(1017)] * 100)
    assert isinstance(await failure_of(client, folder), FlexBusyError)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (1012, FlexTokenError, "Token has expired (code 1012). Generate a new one in Client Portal"),
        (1015, FlexTokenError, "lotkeeper flex setup"),
        (1013, FlexTokenError, "another address"),
        (1011, FlexTokenError, "Switch the service on"),
        (1014, FlexQueryError, f"query {QUERY}: Query is invalid (code 1014). The number is the Query ID"),
        (1010, FlexQueryError, "Activity Flex Query"),
        (1016, FlexQueryError, "accounts"),
        (1020, FlexQueryError, "Compare"),
        (1003, FlexQueryError, "no statement for its period"),
        (4711, FlexAnswerError, "Something is wrong (code 4711)"),
    ],
)
@pytest.mark.parametrize("step", ["send", "get"])
async def test_a_refusal_that_waiting_does_not_mend_is_told_at_once(
    code: int,
    kind: type[FlexError],
    words: str,
    step: str,
    client: FlexClient,
    service: FlexService,
    folder: Path,
) -> None:
    service.script(step, refusal(code))  # type: ignore[arg-type] - one of the two
    error = await failure_of(client, folder)
    assert (type(error), error.flex_code) == (kind, code)
    assert words in str(error)
    assert [one.step for one in service.asked] == ["send", "get"][: 1 if step == "send" else 2]


async def test_tokens_and_queries_are_refused_by_the_service_itself(
    service: FlexService, hours: Hours, client: FlexClient, folder: Path
) -> None:
    assert (await failure_of(client, folder, "1")).flex_code == 1014
    async with client_of(service, hours, token="4711") as stranger:
        await hours.sleep(61)
        assert (await failure_of(stranger, folder)).flex_code == 1015
    service.expired = True
    assert (await failure_of(client, folder)).flex_code == 1012


async def test_what_is_no_query_number_never_leaves_the_house(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    for query in ("", "../etc", "12 3", "٣"):
        assert isinstance(await failure_of(client, folder, query), FlexQueryError)
    assert service.asked == []


async def test_the_pace_is_kept_over_all_queries_of_a_token(service: FlexService, hours: Hours) -> None:
    service.statements = {str(number): STATEMENT for number in range(25)}
    async with client_of(service, hours) as client:
        begun = hours.now()
        for query in service.statements:
            await client.check(query)
    assert len(service.asked) == 25, "no 1018 among them, or it would have been asked again"
    assert 120 <= hours.now() - begun <= 135


async def test_turns_are_handed_out_one_by_one_whoever_asks(hours: Hours) -> None:
    limiter = Limiter(hours.now, hours.sleep)
    taken: list[float] = []

    async def ask() -> None:
        await limiter.turn()
        taken.append(hours.now())

    await asyncio.gather(*(ask() for _ in range(25)))
    assert all(later - earlier >= 1 for earlier, later in pairwise(taken))
    assert all(later - earlier >= 60 for earlier, later in zip(taken, taken[10:], strict=False))


async def test_requests_of_another_program_make_it_slower_and_no_failure(
    client: FlexClient, service: FlexService, hours: Hours, folder: Path
) -> None:
    for _ in range(10):
        service.reply_to(f"{BASE}/SendRequest", {"t": service.token, "q": QUERY, "v": "3"}, "other/1")
    assert (await client.fetch(QUERY, folder)).path.read_bytes() == STATEMENT
    assert max(hours.waits) >= 11


async def test_too_many_requests_for_ever_are_a_busy_service(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("send", *[refusal(1018)] * 100)
    error = await failure_of(client, folder)
    assert (type(error), error.flex_code) == (FlexBusyError, 1018)
    assert "ten a minute" in str(error)


async def test_http_429_is_waited_out_like_the_service_s_own_word_for_it(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("send", http_status(429))
    assert (await client.fetch(QUERY, folder)).path.exists()
    service.script("send", *[http_status(429)] * 100)
    with pytest.raises(FlexBusyError, match="HTTP 429"):
        await client.fetch(QUERY, folder)


@pytest.mark.parametrize("status", [500, 502, 503, 403])
async def test_an_outage_of_the_service_is_borne_for_a_moment_and_then_told(
    status: int, client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", *[http_status(status)] * 2)
    kept = await client.fetch(QUERY, folder)
    kept.path.unlink()
    assert service.asked[-1].path == f"{BASE}/GetStatement", "the documented address, after the other failed"
    service.script("send", *[http_status(status)] * 3)
    error = await failure_of(client, folder)
    assert (type(error), error.exit_code) == (FlexUnreachableError, 3)
    assert f"HTTP {status}" in str(error)


async def test_a_refusal_counts_whatever_http_says_beside_it(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("send", refusal(1012)._replace(status=400))
    assert isinstance(await failure_of(client, folder), FlexTokenError)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_statement_that_was_cut_off_is_never_called_one(
    declared: bool, client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", service.cut(QUERY, declared=declared))
    kept = await client.fetch(QUERY, folder)
    assert kept.path.read_bytes() == STATEMENT, "the second try brought all of it"
    kept.path.unlink()
    service.script("get", *[service.cut(QUERY, declared=declared)] * 3)
    error = await failure_of(client, folder)
    assert isinstance(error, FlexUnreachableError)
    assert "broke off in the middle" in str(error)


@pytest.mark.parametrize("at", [0, 1, 200, len(STATEMENT) - 1])
async def test_it_is_found_out_wherever_it_was_cut(
    at: int, client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", *[service.cut(QUERY, declared=False, at=at)] * 3)
    assert isinstance(await failure_of(client, folder), FlexUnreachableError | FlexAnswerError)


async def test_a_statement_that_stops_to_come_is_not_waited_for_without_end(
    service: FlexService, hours: Hours, folder: Path
) -> None:
    service.script("get", *[service.silent(QUERY)] * 3)
    async with client_of(service, hours, silence_seconds=0.05) as client:
        error = await failure_of(client, folder)
    assert isinstance(error, FlexUnreachableError)
    assert "did not answer in time" in str(error)


async def test_a_statement_that_goes_on_coming_is_not_waited_for_without_end(
    service: FlexService, hours: Hours, folder: Path
) -> None:
    service.script("get", *[service.silent(QUERY)] * 3)
    async with client_of(service, hours, answer_seconds=0.05) as client:
        error = await failure_of(client, folder)
    assert isinstance(error, FlexUnreachableError)
    assert "did not end within" in str(error)


async def test_a_statement_without_end_fills_no_disk(
    service: FlexService, hours: Hours, folder: Path
) -> None:
    service.script("get", service.endless())
    async with client_of(service, hours, answer_bytes=1_000_000) as client:
        error = await failure_of(client, folder)
    assert isinstance(error, FlexAnswerError)
    assert "larger than 1,000,000 bytes" in str(error)


@pytest.mark.parametrize("step", ["send", "get"])
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (web_page(), "web page"),
        (Reply(b"<html><body/></html>"), "web page"),
        (Reply(b'"ClientAccountID","CurrencyPrimary"\n'), "set it to XML"),
        (Reply(b""), "not XML"),
        (Reply(b'<?xml version="1.0" encoding="klingon"?><FlexQueryResponse/>'), "encoding"),
        (Reply(b"<rss/>"), "<rss>"),
        (Reply(b'<!DOCTYPE a [<!ENTITY b "c">]><FlexQueryResponse/>'), "document type"),
        (Reply(b"<FlexStatementResponse><Status>Success</Status></FlexStatementResponse>"), "which one"),
        (Reply(b"<FlexStatementResponse></FlexStatementResponse>"), "no reason (code none)"),
        (Reply(b"<FlexStatementResponse><ErrorCode>" + b"1" * 5000), "too long"),
        (Reply(b"<FlexQueryResponse></FlexStatements></FlexQueryResponse>"), "damaged in line 1"),
    ],
)
async def test_an_answer_that_is_nothing_of_flex_is_told_as_such(
    step: str, reply: Reply, words: str, client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script(step, reply)  # type: ignore[arg-type] - one of the two
    error = await failure_of(client, folder)
    assert (type(error), error.category) == (FlexAnswerError, "parsing")
    assert words in str(error)


async def test_answers_at_the_wrong_moment_are_refused(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("send", Reply(STATEMENT))
    assert isinstance(await failure_of(client, folder), FlexAnswerError)
    promise = b"<FlexStatementResponse><Status>Success</Status><ReferenceCode>1</ReferenceCode>"
    service.script("get", Reply(promise + b"</FlexStatementResponse>"))
    assert isinstance(await failure_of(client, folder), FlexAnswerError)


async def test_nobody_there_is_unreachable(unused_port: int, hours: Hours, folder: Path) -> None:
    client = FlexClient(SecretStr("1"), f"http://127.0.0.1:{unused_port}", now=hours.now, sleep=hours.sleep)
    async with client:
        assert isinstance(await failure_of(client, folder), FlexUnreachableError)
    assert len(hours.waits) == 2, "three tries"


async def test_a_server_without_tls_where_tls_should_be_gets_no_token(hours: Hours, folder: Path) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with FlexClient(SecretStr("4711471147"), url, now=hours.now, sleep=hours.sleep) as client:
            error = await failure_of(client, folder)
    assert isinstance(error, FlexUnreachableError)
    assert "SSL" in str(error)
    assert len(heard) == 3
    assert b"4711471147" not in b"".join(heard)


@pytest.fixture
async def stranger(hours: Hours) -> AsyncIterator[FlexService]:
    """Another server on this machine, which would be glad of a token."""
    async with serve_flex(FlexService({QUERY: STATEMENT}, now=hours.now)) as other:
        yield other


@pytest.mark.parametrize("step", ["send", "get"])
async def test_the_token_does_not_follow_a_redirect_to_another_host(
    step: str, client: FlexClient, service: FlexService, stranger: FlexService, folder: Path
) -> None:
    service.script(step, redirect(f"{stranger.url}/SendRequest?t={service.token}&q={QUERY}&v=3"))  # type: ignore[arg-type] - one of the two
    error = await failure_of(client, folder)
    assert isinstance(error, FlexAnswerError)
    assert "not IBKR's" in str(error)
    assert stranger.asked == []


async def test_a_statement_s_address_elsewhere_is_passed_over_for_the_documented_one(
    client: FlexClient, service: FlexService, stranger: FlexService, folder: Path
) -> None:
    for url in (f"{stranger.origin}{LEGACY}", "http://[", "", "ftp://127.0.0.1/x"):
        service.statement_url = url
        await client.fetch(QUERY, folder)
        assert service.asked[-1].path == f"{BASE}/GetStatement"
    assert stranger.asked == []


async def test_a_redirect_on_the_same_host_is_followed_and_a_circle_is_left(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("send", *[redirect("/elsewhere")] * 3)
    assert "HTTP 404" in str(await failure_of(client, folder))
    assert service.asked[-1].path == "/elsewhere"
    service.script("send", redirect(f"{BASE}/SendRequest?t={service.token}&q={QUERY}&v=3"))
    service.counts_requests = False
    (await client.fetch(QUERY, folder)).path.unlink()
    service.script("send", *[redirect(f"{BASE}/SendRequest?t={service.token}&q={QUERY}&v=3")] * 9)
    assert "without end" in str(await failure_of(client, folder))
    service.unscript()
    service.script("send", *[redirect("http://[::")] * 3)
    assert isinstance(await failure_of(client, folder), FlexUnreachableError)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://ndcdyn.interactivebrokers.com/x", True),
        ("https://gdcdyn.interactivebrokers.com:443/x", True),
        ("https://interactivebrokers.com/x", True),
        ("https://GDCDYN.InteractiveBrokers.com/x", True),
        ("https://flex.example.org:8443/y", True),
        ("https://flex.example.org/y", False),
        ("http://flex.example.org:8443/y", False),
        ("http://gdcdyn.interactivebrokers.com/x", False),
        ("https://gdcdyn.interactivebrokers.com:8443/x", False),
        ("https://interactivebrokers.com.example.org/x", False),
        ("https://notinteractivebrokers.com/x", False),
        ("https://interactivebrokers.com@example.org/x", False),
        ("https://user:word@interactivebrokers.com/x", False),
        ("http://127.0.0.1/x", False),
        ("https://localhost/x", False),
        ("ftp://interactivebrokers.com/x", False),
        ("/relative", False),
    ],
)
def test_the_token_goes_to_ibkr_over_tls_and_to_the_configured_address_only(url: str, may: bool) -> None:
    assert Places("https://flex.example.org:8443/base/").may_have_token(httpx.URL(url)) is may


@pytest.mark.parametrize(
    "url", ["http://flex.example.org", "ftp://127.0.0.1", "nonsense", "http://[", "http://a\nb"]
)
def test_an_address_that_would_show_the_token_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="LOTKEEPER_FLEX_URL"):
        Places(url)


async def test_the_token_is_in_no_log_no_error_and_no_representation(
    client: FlexClient,
    service: FlexService,
    stranger: FlexService,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    service.script("send", refusal(1014, message=f"Token {service.token} has no such query"))
    service.script("send", redirect(f"{stranger.url}/SendRequest?t={service.token}"))
    service.script("send", *[http_status(503)] * 3, *[service.cut(QUERY)] * 3, web_page())
    said = [repr(client), repr(client.__dict__)]
    service.counts_requests = False
    for _ in range(5):
        error = await failure_of(client, folder)
        said += [repr(error), *traceback.format_exception(error)]
        chained: BaseException | None = error
        while chained is not None:
            assert not isinstance(chained, httpx.HTTPError), "it knows the request"
            chained = chained.__cause__ or chained.__context__
    await client.fetch(QUERY, folder)
    assert service.token not in "\n".join([*said, caplog.text])
    assert len(service.asked) == 11


async def test_a_folder_where_nothing_can_be_written_is_named(client: FlexClient) -> None:
    with pytest.raises(FlexFolderError, match=r"/dev/null/statements: Not a directory") as caught:
        await client.fetch(QUERY, Path("/dev/null/statements"))
    assert caught.value.exit_code == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with draft_in(tmp_path, 0.0) as draft, Path("/dev/full").open("wb", 0) as nowhere:
        draft._file.close()
        draft._file = nowhere
        with pytest.raises(FlexFolderError, match="No space left"):
            draft.write(b"x" * 1_000_000)
    assert left_in(tmp_path) == []


def test_what_a_killed_process_left_is_swept_away_after_hours(folder: Path) -> None:
    folder.mkdir()
    left, other = folder / ".flex-1234.part", folder / "mine.part"
    left.write_text("half")
    other.write_text("mine")
    with draft_in(folder, left.stat().st_mtime + 3600):
        assert left.exists()
    with draft_in(folder, left.stat().st_mtime + 24 * 3600):
        assert not left.exists()
    assert left_in(folder) == ["mine.part"]


async def test_a_check_proves_token_and_query_and_fetches_nothing(
    client: FlexClient, service: FlexService
) -> None:
    await client.check(QUERY)
    assert [one.step for one in service.asked] == ["send"]
    with pytest.raises(FlexQueryError):
        await client.check("1")


async def test_a_fetch_that_is_cancelled_leaves_nothing(
    client: FlexClient, service: FlexService, folder: Path
) -> None:
    service.script("get", service.silent(QUERY))
    task = asyncio.create_task(client.fetch(QUERY, folder))
    await comes(lambda: service.asked, lambda asked: asked[-1:] and asked[-1].step == "get")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_in(folder) == []
