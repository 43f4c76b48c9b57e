"""Every route, asked by everybody: a matrix made from the application's own routes."""

import json
import re
from datetime import timedelta

import httpx
from fastapi.routing import iter_route_contexts

from core.clock import utc_now
from core.domain.access import Scope
from core.settings import load_settings
from models.session import Database
from services.api.app import create_app
from services.api.security.permissions import AUDITED, NEEDED, PUBLIC
from services.api.security.rates import Rates
from tests.services.api.conftest import Api
from tests.services.api.people import client, make_token

VALUES = {"account": "U1111111", "name": "nobody"}
ID = "00000000-0000-0000-0000-000000000000"
UNAUDITED: set[str] = set()
"""What is not written to the audit log though it is no GET, each with why."""


def routes() -> list[str]:
    """Every route there is."""
    settings = load_settings(
        database_url="postgresql://nobody@127.0.0.1/none",
        redis_url="redis://127.0.0.1/0",
        api_token="x" * 32,
    )
    found = []
    for route in iter_route_contexts(create_app(settings).routes):
        methods = getattr(route, "methods", None) or {"WEBSOCKET"}
        found += [f"{method} {route.path}" for method in methods]
    return sorted(found)


def spelled(route: str) -> tuple[str, str]:
    method, path = route.split()
    return method, re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], ID), path)


async def asked(one: httpx.AsyncClient, route: str) -> tuple[int, str]:
    method, path = spelled(route)
    # Not to its end: events have none.
    async with one.stream(method, path) as answer:
        told = json.loads(await answer.aread()) if "json" in answer.headers.get("content-type", "") else {}
    return answer.status_code, told.get("code", "")


def test_every_route_was_given_to_somebody() -> None:
    listed = {*PUBLIC, *NEEDED}
    assert set(routes()) == listed, "give a route its scope in services/api/security/permissions.py"
    assert not PUBLIC & set(NEEDED)
    assert set(AUDITED) <= listed


def test_whoever_changes_something_is_in_the_audit_log() -> None:
    changing = {route for route in (*PUBLIC, *NEEDED) if route.split()[0] not in {"GET", "WEBSOCKET"}}
    assert changing - UNAUDITED == set(AUDITED)
    assert changing >= UNAUDITED


def test_what_changes_something_is_no_readers() -> None:
    # Of themselves everybody may: their session, tokens, password, second factor.
    own = ("/session", "/sessions/", "/tokens", "/password", "/second-factor")
    for route, scope in NEEDED.items():
        if not route.startswith("GET "):
            assert scope > Scope.READ or any(part in route for part in own), route


async def test_each_scope_opens_its_routes_and_no_others(api: Api, database: Database) -> None:
    past = utc_now() - timedelta(seconds=1)
    _, expired = await make_token(database, Scope.ADMIN, expires_at=past)
    revoked_id, revoked = await make_token(database, Scope.ADMIN)
    async with client(api, revoked) as one:
        assert (await one.get("/api/v1/session")).status_code == 200
        assert (await api.http.delete(f"/api/v1/tokens/{revoked_id}")).status_code == 204
    strangers = {"nobody": None, "expired": expired, "revoked": revoked}
    known = {scope: (await make_token(database, scope))[1] for scope in Scope}
    # So that asking every route is not too much, nor too many wrong tokens.
    api.context.rates = Rates(0, 1)
    for who, token in strangers.items():
        async with client(api, token) as one:
            for route in NEEDED:
                api.context.auth.throttle._wrong.clear()
                assert await asked(one, route) == (401, "unauthorized"), f"{who}: {route}"
    for scope, token in known.items():
        async with client(api, token) as one:
            for route, needed in NEEDED.items():
                refused = (await asked(one, route))[1] == "scope_needed"
                assert refused == (scope < needed), f"{scope.word}: {route}"


async def test_a_route_that_nobody_was_given_is_refused_to_the_owner_too(api: Api) -> None:
    app = api.server.config.app

    @app.get("/api/v1/forgotten")
    async def forgotten() -> None: ...

    assert await asked(api.http, "GET /api/v1/forgotten") == (403, "scope_needed")
    async with client(api) as one:
        assert await asked(one, "GET /api/v1/forgotten") == (401, "unauthorized")


async def test_a_refusal_says_what_is_needed_before_it_looks_at_the_question(
    api: Api, database: Database
) -> None:
    _, token = await make_token(database, Scope.READ)
    async with client(api, token) as one:
        answer = await one.post("/api/v1/imports", params={"kind": "nonsense"}, content=b"x")
    assert answer.status_code == 403
    assert answer.json()["detail"] == "This needs the scope sync, and yours is read."
