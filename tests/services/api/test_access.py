"""Whoever may see some accounts only is told what they would be told if there were no others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import BaseRoute

from core.settings import Settings
from models import access
from models.migrate import migrate
from models.session import Database
from services.api import app as app_module
from services.api.security.rates import Rates
from services.stack.ports import free_port
from tests.databases import run_sql
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import AAPL, MSFT, PAPER, TOKEN, USD, VOD, position_id
from tests.services.api.restricted import SECRETS, asked, bearing, clock, unmake_all_but

OF_BOTH = ("", f"?account={PAPER}", f"?account={USD}")
_POSITIONS = [position_id(name) for name in ("aapl", "won", "vod", "lost")]

_IMPORTS = (f"of {PAPER}", f"of {USD}", "of both")


def _each(path: str, *queries: str) -> tuple[str, ...]:
    return tuple(path + query for query in queries)


def _of_positions(what: str) -> tuple[str, ...]:
    return tuple(f"/api/v1/positions/{one}{what}" for one in _POSITIONS)


READS: dict[str, tuple[str, ...]] = {
    "/api/v1/account-groups": _each("/api/v1/account-groups", ""),
    "/api/v1/accounts": _each("/api/v1/accounts", ""),
    "/api/v1/accounts/{account}": tuple(f"/api/v1/accounts/{one}" for one in (PAPER, USD)),
    "/api/v1/accounts/{account}/summary": tuple(
        f"/api/v1/accounts/{one}/summary" for one in ("ALL", PAPER, USD)
    ),
    "/api/v1/allocation": _each(
        "/api/v1/allocation", *OF_BOTH, "?by=currency", "?by=asset_class", "?by=country"
    ),
    "/api/v1/benchmarks": _each("/api/v1/benchmarks", ""),
    "/api/v1/cash/balances": _each("/api/v1/cash/balances", *OF_BOTH, "?latest=true"),
    "/api/v1/cash/flows": _each("/api/v1/cash/flows", *OF_BOTH),
    "/api/v1/cash/rates": _each("/api/v1/cash/rates", ""),
    "/api/v1/executions": _each(
        "/api/v1/executions", *OF_BOTH, "?include=corrected", "?symbol=AAPL", "?limit=1"
    ),
    "/api/v1/instruments": _each("/api/v1/instruments", "", "?symbol=AAPL", "?mapping=low", "?limit=1"),
    "/api/v1/instruments/{conid}": tuple(f"/api/v1/instruments/{one}" for one in (AAPL, VOD, MSFT)),
    "/api/v1/issues": _each("/api/v1/issues", *OF_BOTH, "?status=all", "?limit=1"),
    "/api/v1/issues/{issue_id}": tuple(f"/api/v1/issues/{number}" for number in range(1, 5)),
    "/api/v1/jobs/{job_id}": tuple(
        f"/api/v1/jobs/{position_id(one)}"
        for one in ("job", PAPER, USD, *(f"import {of}" for of in (*_IMPORTS, "that waits")))
    ),
    "/api/v1/performance": _each(
        "/api/v1/performance",
        *(*OF_BOTH, "?resolution=hour", f"?account={PAPER}&points=100", f"?account={USD}&points=100"),
    ),
    "/api/v1/performance/attribution": _each("/api/v1/performance/attribution", *OF_BOTH[1:]),
    "/api/v1/performance/measures": _each(
        "/api/v1/performance/measures",
        *(*OF_BOTH, "?group=both", "?group=mine", "?currency=USD", "?group=nobody"),
    ),
    "/api/v1/positions": _each(
        "/api/v1/positions",
        *(*OF_BOTH, "?status=closed", "?status=all&limit=1", "?symbol=AAPL"),
        *("?tag=both&status=all", "?status=all&from=2026-11-18T00:00:00Z"),
        *("?as_of=2026-11-19T00:00:00Z", "?known_at=2026-11-20T15:00:01Z", "?known_at=2026-11-15T00:00:00Z"),
    ),
    "/api/v1/positions/{position_id}": _of_positions(""),
    "/api/v1/positions/{position_id}/events": _of_positions("/events"),
    "/api/v1/positions/{position_id}/executions": _of_positions("/executions"),
    "/api/v1/positions/{position_id}/lots": _of_positions("/lots"),
    "/api/v1/positions/{position_id}/notes": _of_positions("/notes"),
    "/api/v1/positions/{position_id}/prices": _of_positions("/prices"),
    "/api/v1/tags": _each("/api/v1/tags", ""),
    "/api/v1/positions/{position_id}/methods": _of_positions("/methods"),
    "/api/v1/realized": _each("/api/v1/realized", *OF_BOTH, "?group_by=symbol", "?method=average"),
    "/api/v1/realized/differences": _each("/api/v1/realized/differences", *OF_BOTH),
    "/api/v1/reconciliations": _each("/api/v1/reconciliations", *OF_BOTH),
    "/api/v1/reconciliations/differences": _each(
        "/api/v1/reconciliations/differences", *OF_BOTH, "?status=all"
    ),
    "/api/v1/alerts": _each("/api/v1/alerts", *OF_BOTH, "?limit=1"),
    "/api/v1/dead": _each("/api/v1/dead", *OF_BOTH, "?limit=1"),
    "/api/v1/dead/{dead_id}": tuple(f"/api/v1/dead/{number}" for number in range(1, 4)),
    "/api/v1/jobs": _each("/api/v1/jobs", "", "?limit=1"),
    "/api/v1/meta": _each("/api/v1/meta", ""),
    "/api/v1/portfolio/allocation": _each("/api/v1/portfolio/allocation", *OF_BOTH),
    "/api/v1/portfolio/attribution": _each("/api/v1/portfolio/attribution", *OF_BOTH[1:]),
    "/api/v1/portfolio/calendar": _each(
        "/api/v1/portfolio/calendar", "?year=2026", f"?year=2026&account={USD}"
    ),
    "/api/v1/portfolio/drawdowns": _each("/api/v1/portfolio/drawdowns", *OF_BOTH),
    "/api/v1/portfolio/history": _each("/api/v1/portfolio/history", *OF_BOTH),
    "/api/v1/portfolio/summary": _each("/api/v1/portfolio/summary", *OF_BOTH, "?group=both", "?group=others"),
    "/api/v1/imports": _each("/api/v1/imports", "", "?limit=1"),
    "/api/v1/imports/{import_id}": tuple(f"/api/v1/imports/{number}" for number in range(1, 5)),
    "/api/v1/statements": _each("/api/v1/statements", *OF_BOTH, "?limit=1"),
    "/api/v1/statements/coverage": _each("/api/v1/statements/coverage", *OF_BOTH),
    "/api/v1/validation": _each("/api/v1/validation", ""),
    "/api/v1/rules": _each("/api/v1/rules", ""),
    "/api/v1/session": _each("/api/v1/session", ""),
    "/api/v1/snapshots": _each("/api/v1/snapshots", *OF_BOTH, "?limit=1"),
    "/api/v1/snapshots/gaps": _each("/api/v1/snapshots/gaps", *OF_BOTH),
    "/api/v1/snapshots/runs": _each("/api/v1/snapshots/runs", ""),
    "/api/v1/snapshots/{snapshot_id}": tuple(f"/api/v1/snapshots/{number}" for number in range(1, 5)),
    "/api/v1/statements/differences": _each("/api/v1/statements/differences", *OF_BOTH),
    "/api/v1/statistics": _each("/api/v1/statistics", *OF_BOTH, "?group_by=day", "?group_by=symbol"),
    "/api/v1/sync": _each("/api/v1/sync", ""),
    "/api/v1/sync/history": _each("/api/v1/sync/history", "", "?range=90d"),
    "/api/v1/valuation": _each(
        "/api/v1/valuation?as_of=2026-11-20T13:30:00Z", "", f"&account={PAPER}", f"&account={USD}"
    ),
}
"""What is asked of each route by somebody who may see one account only, and answered with what is theirs."""

REFUSED = {
    "/api/v1/audit": "/api/v1/audit",
    "/metrics": "/metrics",
}
"""Of all accounts at once."""

WRITES: dict[tuple[str, str], dict[str, int]] = {
    ("POST", "/api/v1/imports"): {"/api/v1/imports": 403},
    ("POST", "/api/v1/imports/{import_id}/undo"): {"/api/v1/imports/1/undo": 403},
    ("POST", "/api/v1/issues/check"): {"/api/v1/issues/check": 403},
    ("POST", "/api/v1/issues/{issue_id}/acknowledge"): {
        "/api/v1/issues/1/acknowledge": 200,
        "/api/v1/issues/2/acknowledge": 404,
        "/api/v1/issues/3/acknowledge": 404,
    },
    ("POST", "/api/v1/reconciliations/differences/{difference_id}/acknowledge"): {
        "/api/v1/reconciliations/differences/2/acknowledge": 404,
        "/api/v1/reconciliations/differences/4/acknowledge": 422,
    },
    ("DELETE", "/api/v1/reconciliations/differences/{difference_id}/acknowledge"): {
        "/api/v1/reconciliations/differences/1/acknowledge": 404,
        "/api/v1/reconciliations/differences/2/acknowledge": 404,
        "/api/v1/reconciliations/differences/4/acknowledge": 200,
    },
    ("POST", "/api/v1/session"): {"/api/v1/session": 422},
    ("DELETE", "/api/v1/session"): {"/api/v1/session": 204},
    ("POST", "/api/v1/dead/{dead_id}/retry"): {"/api/v1/dead/2/retry": 403},
    ("POST", "/api/v1/dead/{dead_id}/drop"): {"/api/v1/dead/2/drop": 403},
    ("POST", "/api/v1/positions/{position_id}/notes"): {f"/api/v1/positions/{_POSITIONS[0]}/notes": 422},
    ("PATCH", "/api/v1/positions/{position_id}/notes/{note_id}"): {
        f"/api/v1/positions/{_POSITIONS[0]}/notes/1": 422
    },
    ("DELETE", "/api/v1/positions/{position_id}/notes/{note_id}"): {
        f"/api/v1/positions/{_POSITIONS[0]}/notes/1": 404
    },
    ("POST", "/api/v1/positions/{position_id}/tags"): {f"/api/v1/positions/{_POSITIONS[0]}/tags": 422},
    ("DELETE", "/api/v1/positions/{position_id}/tags"): {
        f"/api/v1/positions/{_POSITIONS[0]}/tags?tag=a": 404
    },
    ("PATCH", "/api/v1/accounts/{account}"): {f"/api/v1/accounts/{USD}": 422},
    ("POST", "/api/v1/setup"): {"/api/v1/setup": 422},
    ("POST", "/api/v1/tokens"): {"/api/v1/tokens": 422},
    ("DELETE", "/api/v1/tokens/{token_id}"): {"/api/v1/tokens/99": 404},
    ("DELETE", "/api/v1/sessions/{number}"): {"/api/v1/sessions/99": 404},
    ("POST", "/api/v1/users"): {"/api/v1/users": 422},
    ("PATCH", "/api/v1/users/{name}"): {"/api/v1/users/nobody": 422},
    ("DELETE", "/api/v1/users/{name}"): {"/api/v1/users/nobody": 404},
    ("POST", "/api/v1/users/{name}/password"): {"/api/v1/users/nobody/password": 422},
    ("POST", "/api/v1/users/{name}/second-factor"): {"/api/v1/users/nobody/second-factor": 422},
    ("POST", "/api/v1/users/{name}/second-factor/prove"): {"/api/v1/users/nobody/second-factor/prove": 422},
    ("POST", "/api/v1/users/{name}/second-factor/remove"): {"/api/v1/users/nobody/second-factor/remove": 422},
    ("POST", "/api/v1/snapshots"): {
        "/api/v1/snapshots": 403,
        f"/api/v1/snapshots?account={USD}": 404,
        f"/api/v1/snapshots?account={PAPER}": 202,
    },
    ("POST", "/api/v1/sync/resync"): {"/api/v1/sync/resync": 403},
}
"""By what they ask for, what becomes of the wishes of somebody who may see one account only."""

SAME_FOR_ALL = frozenset(
    {
        "/openapi.json",
        "/asyncapi.json",
        "/api/v1/settings",
        "/api/v1/sessions",
        "/api/v1/tokens",
        "/api/v1/users",
    }
)
"""Of nobody's accounts, and told to whoever is known; or of people, of whom an admin is told."""

WITHOUT_A_NAME = frozenset({"/livez", "/readyz", "/api/v1/setup"})
"""Answered to anybody. A session is asked for by nobody else."""


STREAMS = {"/api/v1/stream": "WEBSOCKET", "/api/v1/stream/events": "GET"}
"""Told of their accounts for as long as they stay: see ``live/test_view.py``."""


def routes_of(api: Api) -> set[tuple[str, str]]:
    """Method and path of every route that the application has."""
    app: Any = api.server.config.app
    assert isinstance(app, FastAPI)
    found: set[tuple[str, str]] = set()
    for route in _every(app.router):
        methods = getattr(route, "methods", None) or {"WEBSOCKET"}
        found |= {(method, route.path) for method in methods - {"HEAD"}}
    return found


def _every(router: Any) -> Iterator[Any]:
    for route in router.routes:
        if isinstance(route, BaseRoute) and hasattr(route, "path"):
            yield route
        else:  # a router that was included
            yield from _every(getattr(route, "original_router", None) or route.router)


async def test_every_route_is_known_here(both: Api) -> None:
    listed = {
        *(("GET", path) for path in (*READS, *REFUSED, *SAME_FOR_ALL, *WITHOUT_A_NAME)),
        *WRITES,
        *((way, path) for path, way in STREAMS.items()),
    }
    assert routes_of(both) == listed, "say here what somebody with access to some accounts gets from it"


async def test_nothing_of_another_account_is_in_any_answer(both: Api) -> None:
    answers, told = 0, dict.fromkeys(READS, False)
    for route, path in ((route, path) for route, paths in READS.items() for path in paths):
        # As it was told a moment ago to somebody who may see everything.
        whole = await both.http.get(path)
        answer = await both.http.get(path, headers=bearing("theirs"))
        assert answer.status_code in {200, 404, 409}, (path, answer.text)
        found = [secret for secret in SECRETS if secret in answer.text]
        assert found == [], (path, answer.text)
        answers += any(secret in whole.text for secret in SECRETS)
        told[route] |= answer.status_code == 200 and answer.json().get("items") != []
        none = await both.http.get(path, headers=bearing("nothing"))
        assert none.status_code < 500, (path, none.text)
        assert [one for one in (*SECRETS, PAPER, "VOD") if one in none.text] == [], (path, none.text)
    assert answers > 60, "the secrets are ones that would be told"
    assert {route for route, is_told in told.items() if not is_told} == set(), "there is something of theirs"


async def test_the_answers_are_those_of_a_world_without_the_other_account(
    both: Api, start: Start, settings: Settings, database: Database
) -> None:
    paths = [each for paths in READS.values() for each in paths]
    whole = {path: await asked(both, path, TOKEN) for path in paths}
    told = {path: await asked(both, path, "theirs") for path in paths}
    assert whole == {path: await asked(both, path, TOKEN) for path in paths}
    for path in paths:  # whatever is kept of answers was made for whoever saw them
        await asked(both, path, "others")
    assert told == {path: await asked(both, path, "theirs") for path in paths}
    await unmake_all_but(database, PAPER)
    alone = await start(settings.model_copy(update={"api_port": free_port()}), clock=clock)
    for path in paths:
        assert told[path] == await asked(alone, path, TOKEN), path


async def test_every_table_shows_the_rows_that_there_would_be_without_the_other_account(
    both: Api, database: Database
) -> None:
    async def rows(seen: Database) -> dict[str, list[Any]]:
        found = {}
        for table in (*access.BY_ACCOUNT, *access.BY_PARENT, *access.NOTHING):
            async with seen.read() as reader:
                listed = await reader.execute(text(f"SELECT t::text FROM {table} t ORDER BY 1"))  # noqa: S608 - ours
                found[table] = list(listed.scalars())
        return found

    async with database.write() as writer:
        # Each account is another login's.
        await writer.execute(text("UPDATE broker_accounts SET login = 'gateway of ' || account"))
        await writer.execute(
            text(
                "INSERT INTO broker_links (login, gateway, ibkr, reason, since, updated_at, epoch) "
                "SELECT login, 'up', 'up', '', now(), now(), 1 FROM broker_accounts"
            )
        )
    whole, told = await rows(database), await rows(both.context.restricted.of([PAPER]))
    await unmake_all_but(database, PAPER)
    assert told == await rows(database)
    for table in access.BY_PARENT:
        assert told[table], table
        assert told[table] != whole[table], table


@pytest.mark.parametrize("path", REFUSED.values())
async def test_what_concerns_all_accounts_is_refused(both: Api, path: str) -> None:
    assert (await both.http.get(path)).status_code == 200
    answer = await both.http.get(path, headers=bearing("theirs"))
    assert (answer.status_code, answer.json()["code"]) == (403, "all_accounts_needed")


async def test_nobody_else_is_told_anything(both: Api) -> None:
    both.context.rates = Rates(0, 1)  # nobody's are counted: these are more than may be sent at once
    async with httpx.AsyncClient(base_url=f"http://{both.address}", trust_env=False) as nobody:
        reads = (each for paths in READS.values() for each in paths)
        for path in (*reads, *REFUSED.values(), *SAME_FOR_ALL):
            assert (await nobody.get(path)).status_code == 401, path
        for method, path in {*WRITES} - {("POST", "/api/v1/session"), ("POST", "/api/v1/setup")}:
            assert (await nobody.request(method, path)).status_code == 401, path
        for path in WITHOUT_A_NAME:
            answer = await nobody.get(path)
            assert (answer.status_code, len(answer.content) < 30) == (200, True)


async def test_an_account_that_is_another_s_is_one_that_is_not_there(both: Api) -> None:
    for path in (
        "/api/v1/accounts/{}/summary",
        "/api/v1/positions?account={}",
        "/api/v1/cash/flows?account={}",
    ):
        theirs = await both.http.get(path.format(USD), headers=bearing("theirs"))
        nobody_s = await both.http.get(path.format("U999"), headers=bearing("theirs"))
        assert theirs.status_code == 404
        told, other = theirs.json(), nobody_s.json()
        assert told.pop("request_id") != other.pop("request_id")
        assert told == other


async def test_an_import_job_is_seen_by_who_sees_every_account_that_its_file_tells_of(both: Api) -> None:
    async def statuses(token: str) -> list[int]:
        paths = [f"/api/v1/jobs/{position_id(f'import {of}')}" for of in (*_IMPORTS, "that waits")]
        return [(await asked(both, path, token))[0] for path in paths]

    assert await statuses("theirs") == [200, 404, 404, 404]
    assert await statuses("others") == [404, 200, 404, 404]
    assert await statuses("nothing") == [404] * 4
    assert await statuses(TOKEN) == [200] * 4


async def test_a_difference_of_an_account_of_theirs_alone_is_acknowledged(both: Api) -> None:
    listed = (await both.get("/api/v1/reconciliations/differences"))["items"]
    outcomes = {}
    for one in listed:
        path = f"/api/v1/reconciliations/differences/{one['id']}/acknowledge"
        answer = await both.http.post(path, json={"note": "known"}, headers=bearing("theirs"))
        outcomes[one["account"]] = answer.status_code
    assert outcomes == {PAPER: 200, USD: 404}
    known = (await both.get("/api/v1/reconciliations/differences", status="acknowledged"))["items"]
    assert [one["account"] for one in known] == [PAPER]


async def test_wishes_are_followed_for_accounts_of_theirs_only(both: Api) -> None:
    for (method, _), paths in WRITES.items():
        for path, status in paths.items():
            answer = await both.http.request(method, path, headers=bearing("theirs"))
            assert answer.status_code == status, (path, answer.text)
            assert [secret for secret in SECRETS if secret in answer.text] == []
            if status == 202:
                job = answer.json()["job"]["id"]
                assert (await asked(both, f"/api/v1/jobs/{job}", "theirs"))[0] == 200
                assert (await asked(both, f"/api/v1/jobs/{job}", "others"))[0] == 404
    told = [await both.get(f"/api/v1/issues/{number}") for number in (1, 2, 3)]
    assert [(one["account"], one["status"]) for one in told] == [
        (PAPER, "acknowledged"),
        (USD, "open"),
        (None, "open"),
    ]


async def test_where_the_database_is_not_prepared_only_who_sees_all_is_let_in(
    both: Api, settings: Settings
) -> None:
    url = settings.require_database_url().replace("+asyncpg", "")
    await run_sql(url, f"COMMENT ON SCHEMA {access.SCHEMA} IS 'of another version'")
    answer = await both.http.get("/api/v1/executions", headers=bearing("theirs"))
    told = answer.json()
    assert (answer.status_code, told["code"]) == (503, "restriction_unavailable")
    assert "CREATE ROLE" in told["detail"]
    assert "lotkeeper migrate" in told["detail"]
    assert await both.get("/api/v1/executions")
    await migrate(settings.require_database_url(), "main")
    assert (await asked(both, "/api/v1/executions", "theirs"))[0] == 200


def test_nothing_but_the_gate_takes_the_context_as_it_is() -> None:
    """A route has it from ``Shared``, and so as whoever asks may see it."""
    unbound = re.compile(r"state\.context|pool\.whole|\bDatabase\(|RestrictedPool\(")
    folder = Path(app_module.__file__).parent
    takers = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if unbound.search(path.read_text(encoding="utf-8"))
    }
    # The layers ask for the time, and for what was sent under an Idempotency-Key by the same person.
    layers = {"layers/exports.py", "layers/once.py"}
    assert takers == {"app.py", "context.py", "routers/stream.py", "security/guard.py"} | layers
