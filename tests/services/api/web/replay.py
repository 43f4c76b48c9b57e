"""A server that plays what the API would say: real HTTP and a real WebSocket, rows under the test's hand."""

import asyncio
import contextlib
import inspect
import itertools
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from services.api.page import Page
from services.api.problems import ProblemError
from tests.services.api.web.recorded import answers
from tests.waiting import eventually

STATIC = Path(__file__).parents[4] / "services" / "api" / "static"
TOKEN = "let-me-in"
COOKIE = "lotkeeper_session"
PASSWORD = "violin harbour lamp 9"
Row = dict[str, Any]


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def freshness(reason: str | None = None, *, age: float = 0, gateway: str = "up", ibkr: str = "up") -> Row:
    """The block as the API writes it."""
    as_of = stamp(now() - timedelta(seconds=age))
    return {
        "source": "live" if reason is None else "last_known",
        "as_of": as_of,
        "received_at": as_of,
        "age_seconds": int(age),
        "stale": reason is not None,
        "reason": reason,
        "links": {"gateway": gateway, "ibkr": ibkr},
    }


class Replay:
    """Start it, change its rows, break its links, stop it and start it again on the same port."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {"positions": {}, "summary": {}}
        self.accounts: list[Row] = []
        self.events: dict[str, list[Row]] = {}
        self.snapshots: list[Row] = []
        self.runs: list[Row] = []
        self.jobs: dict[str, Row] = {}
        self.asked: dict[str, str] = {}
        self.answers: dict[str, Any] = answers()
        """What is told at a path, or what tells it of the question: a status besides 200 is a problem."""
        self.questions: list[tuple[str, dict[str, str]]] = []
        self.block = freshness()
        self.seqs = {"positions": 0, "summary": 0}
        self.epoch = 0
        self.refuse_streams = False
        self.factor_due = False
        self.subscribed: list[Row] = []
        self._sessions: set[str] = set()
        self.has_users = False
        self.code: str | None = None
        self._sockets: set[WebSocket] = set()
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = listening.getsockname()[1]
        self._listening: socket.socket | None = listening

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        listening = self._listening or socket.create_server(("127.0.0.1", self.port))
        self._listening = None
        self.epoch += 1
        config = uvicorn.Config(
            self._app(), ws="websockets-sansio", lifespan="off", log_config=None, access_log=False
        )
        self._server = uvicorn.Server(config)
        # `serve` would take over the signals of the test run.
        self._task = asyncio.create_task(self._server._serve([listening]))
        await eventually(self._has_started)

    async def _has_started(self) -> bool:
        return self._server is not None and self._server.started

    async def stop(self) -> None:
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        self._server.force_exit = True
        await self.cut()
        await self._task
        for server in self._server.servers:
            server.close()
        self._server = self._task = None

    # -- what the test does to it ------------------------------------------------------------------------

    async def upsert(self, topic: str, key: str, **changes: Any) -> None:
        """Change a row, or add one, and tell everybody."""
        row = {**self.rows[topic].get(key, {}), **changes}
        self.rows[topic][key] = row
        await self._delta(topic, [{"op": "upsert", "key": key, "value": row}])

    async def delete(self, topic: str, key: str) -> None:
        del self.rows[topic][key]
        await self._delta(topic, [{"op": "delete", "key": key, "value": None}])

    async def lose_a_frame(self, topic: str, key: str, **changes: Any) -> None:
        """A change that nobody is told of: the next frame does not follow."""
        self.rows[topic][key] = {**self.rows[topic][key], **changes}
        self.seqs[topic] += 1

    async def status(self, reason: str | None = None, *, gateway: str = "up", ibkr: str = "up") -> None:
        """The broker comes or goes."""
        self.block = freshness(reason, age=60 if reason else 0, gateway=gateway, ibkr=ibkr)
        links = self.block["links"]
        await self._send(
            {"type": "status", "links": links, "since": None, "reason": reason, "freshness": self.block}
            | {"server_time": stamp(now())}
        )

    async def cut(self) -> None:
        """Every WebSocket breaks; HTTP stays."""
        for websocket in list(self._sockets):
            with contextlib.suppress(RuntimeError):
                await websocket.close(1011)

    def welcome(self) -> str:
        """A session without the form."""
        name = f"session-{next(self._numbers)}"
        self._sessions.add(name)
        return name

    def sign_everybody_out(self) -> None:
        self._sessions.clear()

    # -- what it says ------------------------------------------------------------------------------------

    async def _delta(self, topic: str, ops: list[Row]) -> None:
        before = self.seqs[topic]
        self.seqs[topic] = before + 1
        await self._send(
            {"type": "delta", "topic": topic, "epoch": str(self.epoch), "seq": before + 1}
            | {"prev_seq": before, "ops": ops, "freshness": self.block}
        )

    async def _send(self, message: Row) -> None:
        for websocket in list(self._sockets):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await websocket.send_json(message)

    def _app(self) -> FastAPI:
        app = FastAPI()
        self._session_routes(app)
        self._data_routes(app)
        return app

    def _why_not(self, told: dict[str, str]) -> tuple[str, str] | None:
        code = told.pop("code", None)
        if told not in ({"token": TOKEN}, {"name": "anna", "password": PASSWORD}):
            return "unauthorized", "The token is not valid."
        if "name" in told and self.code is not None and code != self.code:
            which = "needed" if code is None else "wrong"
            return f"second_factor_{which}", "This code is wrong, or was used before."
        return None

    def _session_routes(self, app: FastAPI) -> None:
        @app.post("/api/v1/session")
        async def sign_in(request: Request) -> Response:
            refused = self._why_not(await request.json())
            if refused is not None:
                return self._problem(401, *refused)
            return self._signing_in()

        @app.get("/api/v1/setup")
        async def setup() -> dict[str, bool]:
            return {"needed": not self.has_users}

        @app.post("/api/v1/setup")
        async def set_up(request: Request) -> Response:
            told = await request.json()
            if told["setup_token"] != TOKEN:
                return self._problem(401, "unauthorized", "This is not the setup token.")
            if told["password"] != PASSWORD:
                return self._problem(422, "password_refused", "The password is one of the commonest.")
            self.has_users = True
            return self._signing_in()

        @app.get("/api/v1/session")
        async def session(request: Request) -> Response:
            if not self._signed_in(request):
                return self._problem(401, "unauthorized", "Sign in first.")
            owner = {"name": "owner", "kind": "owner", "scope": "admin", "accounts": None}
            return JSONResponse({"authenticated": True, "profile": "demo", "version": "0.1.0", **owner})

        @app.delete("/api/v1/session")
        async def sign_out(request: Request) -> Response:
            self._sessions.discard(request.cookies.get(COOKIE, ""))
            return Response(status_code=204)

    def _signing_in(self) -> Response:
        response = Response(status_code=204)
        response.set_cookie(COOKIE, self.welcome(), httponly=True, samesite="strict")
        return response

    def _data_routes(self, app: FastAPI) -> None:
        @app.get("/api/v1/accounts")
        async def accounts(request: Request) -> Response:
            if not self._signed_in(request):
                return self._problem(401, "unauthorized", "Sign in first.")
            return self._page(self.accounts)

        @app.get("/api/v1/positions/{position_id}/events")
        async def events(position_id: str) -> Response:
            if position_id not in self.events:
                return self._problem(404, "not_found", "There is no such position.")
            return self._page(self.events[position_id])

        self._snapshot_routes(app)

        @app.get("/api/v1/{path:path}")
        async def anything(request: Request, path: str) -> Response:
            asked = dict(request.query_params)
            self.questions.append((path, asked))
            told = await self._told(path, asked)
            if told is None or ("status" in told and "code" in told):
                problem = told or {"status": 404, "code": "not_found", "detail": "There is nothing here."}
                return self._problem(problem["status"], problem["code"], problem["detail"])
            return JSONResponse(told)

        @app.websocket("/api/v1/stream")
        async def stream(websocket: WebSocket) -> None:
            await self._stream(websocket)

        page = Page(STATIC)

        @app.get("/{path:path}")
        async def file(request: Request, path: str) -> Response:
            try:
                return page.answer(request.method, f"/{path}", request.headers)
            except ProblemError as problem:
                return self._problem(problem.status, problem.code, problem.detail)

    async def _told(self, path: str, asked: dict[str, str]) -> Any:
        told = self.answers.get(path)
        told = told(asked) if callable(told) else told
        return await told if inspect.isawaitable(told) else told

    def _snapshot_routes(self, app: FastAPI) -> None:
        @app.get("/api/v1/snapshots")
        async def snapshots(limit: int) -> Response:
            return self._page(self.snapshots[:limit])

        @app.get("/api/v1/snapshots/runs")
        async def runs(limit: int) -> Response:
            return self._page(self.runs[:limit])

        @app.post("/api/v1/snapshots", status_code=202)
        async def save(request: Request) -> Response:
            job = self.asked.setdefault(request.headers["idempotency-key"], f"job-{len(self.asked) + 1}")
            self.jobs.setdefault(job, self.job(job, "queued"))
            return JSONResponse({"job": self.jobs[job]}, 202)

        @app.get("/api/v1/jobs/{job}")
        async def one_job(job: str) -> Response:
            return JSONResponse({"job": self.jobs[job]})

    @staticmethod
    def job(job: str, status: str, error: str | None = None) -> Row:
        """A job as the API tells of it."""
        return {"id": job, "kind": "snapshot", "status": status, "progress": None, "error": error} | {
            "result": None
        }

    async def _stream(self, websocket: WebSocket) -> None:
        if self.refuse_streams or websocket.cookies.get(COOKIE) not in self._sessions:
            await websocket.close(1008)
            return
        await websocket.accept()
        if self.factor_due:
            code = "second_factor_required"
            await websocket.send_json({"type": "error", "code": code, "detail": "Set one up."})
            await websocket.close(4401, code)
            return
        self._sockets.add(websocket)
        beating = asyncio.create_task(self._beat(websocket))
        try:
            await websocket.send_json(
                {"type": "hello", "server_time": stamp(now()), "profile": "demo", "version": "0.1.0"}
                | {"heartbeat_seconds": 5.0, "topics": ["positions", "summary"]}
            )
            while True:
                asked = await websocket.receive_json()
                for subscription in asked["topics"]:
                    self.subscribed.append(subscription)
                    await self._answer(websocket, subscription)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            beating.cancel()
            self._sockets.discard(websocket)

    async def _answer(self, websocket: WebSocket, subscription: Row) -> None:
        topic = subscription["topic"]
        here = {"epoch": str(self.epoch), "after_seq": self.seqs[topic]}
        if {"epoch": subscription.get("epoch"), "after_seq": subscription.get("after_seq")} == here:
            await websocket.send_json(
                {"type": "resumed", "topic": topic, "replayed": 0, "freshness": self.block} | here
            )
            return
        await websocket.send_json(
            {"type": "snapshot", "topic": topic, "epoch": str(self.epoch), "seq": self.seqs[topic]}
            | {"data": self.rows[topic], "freshness": self.block}
        )

    async def _beat(self, websocket: WebSocket) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            while True:
                await asyncio.sleep(1)
                await websocket.send_json(
                    {"type": "heartbeat", "seqs": self.seqs, "server_time": stamp(now())}
                )

    def _signed_in(self, request: Request) -> bool:
        return request.cookies.get(COOKIE) in self._sessions

    def _page(self, items: list[Row]) -> Response:
        return JSONResponse({"items": items, "next_cursor": None, "freshness": self.block})

    def _problem(self, status: int, code: str, detail: str) -> Response:
        body = {"type": f"/problems/{code}", "title": code, "status": status, "detail": detail, "code": code}
        return JSONResponse(body, status_code=status, media_type="application/problem+json")
