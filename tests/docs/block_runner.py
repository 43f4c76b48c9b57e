"""Runs the blocks of a page one after the other, in one folder, over one portfolio, as its reader would."""

import asyncio
import configparser
import functools
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import typer.main
import yaml
from anyio.from_thread import start_blocking_portal

from core import logs
from core.settings import PREFIX, Settings, load_settings
from models.session import Database
from services.api import app as api_module
from services.cli.commands import app as cli
from tests.docs import block_rules as rules
from tests.docs.blocks import ROOT, Block, Command, commands_of, shell_lines, shell_of
from tests.environment import NO_AUTHORITIES
from tests.services.api.conftest import PATIENCE_SECONDS, Running
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import seed
from tests.services.cli.conftest import Said
from tests.waiting import SECONDS

PLACEHOLDER = re.compile("[A-Z…]")
"""What stands for a command, or for several, in text."""
CONTRACTS = ("openapi.json", "asyncapi.json")


class _EnoughError(Exception):
    """What never ends has printed something."""


async def seed_documented(database: Database) -> None:
    """The portfolio that pages ask: positions open and closed, and what they were worth hour by hour."""
    await seed(database)
    await seed_snapshots(database)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """An API, told its address."""
    async with Running() as running:
        api = await running.start(settings)
        yield f"http://{api.address}"


class Reader:
    """Somebody who reads a page and tries every block of it."""

    def __init__(
        self,
        stack: ExitStack,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
        lotkeeper: Callable[..., Said],
        unmade_url: str,
    ) -> None:
        self._stack = stack
        self._monkeypatch = monkeypatch
        self._folder = folder
        self._lotkeeper = lotkeeper
        self._unmade_url = unmade_url
        self._api_url: str | None = None
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._runner = stack.enter_context(asyncio.Runner())
        self._connection: asyncpg.Connection | None = None
        self._run = {
            "python": self.python,
            "sql": self.sql,
            "sh": self.shell,
            "console": self.shell,
            "json": self.json,
            "yaml": lambda block: yaml.safe_load(block.text),
            "toml": lambda block: tomllib.loads(block.text),
            "ini": self.ini,
        }

    def read(self, block: Block) -> None:
        """Run it; whatever it raises says what is wrong with it."""
        if block.language in rules.LANGUAGES_NOT_RUN:
            return
        assert block.language in self._run, (
            f"a block in {block.language or 'no language'}: name one that is run, or `text`, or say in "
            "tests/docs/block_rules.py why it is not run"
        )
        self._run[block.language](block)

    def python(self, block: Block) -> None:
        """Executed; what pages before it define it may use."""
        printed: list[tuple[Any, ...]] = []

        def told(*values: Any) -> None:
            printed.append(values)
            if any(call in block.text for call in rules.ENDLESS):
                raise _EnoughError

        self._names["print"] = told
        # The lines of a traceback are those of the page.
        code = compile("\n" * block.line + self._filled(block.text), block.page, "exec")
        self._api()
        try:
            exec(code, self._names)  # noqa: S102 - our own pages
        except _EnoughError:
            return
        assert printed or "print(" not in block.text, "it printed nothing"

    def sql(self, block: Block) -> None:
        """Executed, each query has to find something, and all of it is undone when the page is at its end.

        Once the page has made a role, the queries are that role's.
        """
        self._runner.run(self._sql(self._filled(block.text)))

    async def _sql(self, text: str) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(os.environ[f"{PREFIX}DATABASE_URL"])
            self._stack.callback(lambda: self._runner.run(self._closed()))
            await self._connection.execute("BEGIN")
        for statement in filter(str.strip, text.split(";\n")):
            if statement.upper().lstrip().startswith(("SELECT", "WITH")):
                assert await self._connection.fetch(statement), f"found nothing: {statement}"
            else:
                await self._connection.execute(statement)
        if "CREATE ROLE" in text:
            role = text.split("CREATE ROLE", 1)[1].split(maxsplit=1)[0]
            await self._connection.execute(f"SET LOCAL ROLE {role}")

    async def _closed(self) -> None:
        assert self._connection is not None
        await self._connection.close()

    def json(self, block: Block) -> None:
        """Parsed; and the names in it are those of something in the contracts."""
        told = json.loads(block.text)
        for name in CONTRACTS:
            contract = json.loads((ROOT / "docs" / "reference" / name).read_text(encoding="utf-8"))
            for schema in contract["components"]["schemas"].values():
                if fits(told, schema, contract):
                    return
        raise AssertionError(f"nothing in {' or '.join(CONTRACTS)} has these fields: {sorted(told)}")

    def ini(self, block: Block) -> None:
        """Parsed; lines of ``.env`` are settings with values that are taken."""
        if PREFIX not in block.text:
            configparser.ConfigParser().read_string(block.text)
            return
        self._settings(shell_lines(block.text))

    def _settings(self, assignments: list[str]) -> None:
        for one in assignments:
            name, _, value = one.partition("=")
            known = name.removeprefix(PREFIX).removesuffix("_FILE").lower()
            assert name.startswith(PREFIX), f"{name} is none of ours"
            assert {known, name.removeprefix(PREFIX).lower()} & set(Settings.model_fields), (
                f"{name} is no setting"
            )
            self._monkeypatch.setenv(name, value)
        load_settings()

    def shell(self, block: Block) -> None:
        """What a shell takes; every program of it is run, or looked at, or named as not run."""
        text = shell_of(block)
        assert text.strip(), "nothing is typed in"
        read = subprocess.run(
            ["/bin/sh", "-n"], input=self._filled(text), text=True, capture_output=True, check=False
        )
        assert read.returncode == 0, read.stderr
        for line in shell_lines(text):
            commands = commands_of(self._filled(line))
            programs = {command.words[0] for command in commands if command.words}
            if programs and programs <= rules.READS_A_LOG:
                self._read_log(line)
                continue
            for command in commands:
                if command.settings:
                    self._settings(list(command.settings))
                if command.words:
                    self._program(command)

    def _program(self, command: Command) -> None:
        program, *arguments = command.words
        run = {"lotkeeper": self._ours, "make": self._make, "curl": self._curl, "pip": self._pip}.get(program)
        assert run or program in rules.PROGRAMS_NOT_RUN, (
            f"{program} is not known: have it run in tests/docs/block_runner.py, or say in "
            "tests/docs/block_rules.py why it is not"
        )
        for word in arguments:
            assert not word.startswith(f"{ROOT}/") or Path(word).exists(), f"{word} is not in the tree"
        if run:
            run(arguments)

    def _ours(self, arguments: list[str]) -> None:
        called = command_names(arguments)
        look_up(arguments)
        if called in rules.COMMANDS_NOT_RUN:
            return
        if called == "backup restore":
            self._on_fresh_machine()
        elif not called.startswith(("backup ", "export ")):
            self._api()
        said = self._lotkeeper(*arguments)
        told = f"{shlex.join(arguments)} ended with {said.code}: {said.err}{said.out}"
        assert said.code == rules.ENDS_WITH.get(called, 0), told

    def _on_fresh_machine(self) -> None:
        """Another home, without a database; the copy of the key that the page tells to keep is at hand."""
        shutil.copy(next(self._folder.glob("home/*/backup-identity")), self._folder / "backup-identity")
        self._monkeypatch.setenv(f"{PREFIX}HOME", str(self._folder / "fresh"))
        self._monkeypatch.setenv(f"{PREFIX}DATABASE_URL", self._unmade_url)

    @staticmethod
    def _make(arguments: list[str]) -> None:
        done = subprocess.run(
            ["make", "--dry-run", *arguments],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _curl(self, arguments: list[str]) -> None:
        """Asked by ourselves: what streams never ends, so that its first bytes are enough."""
        headers: dict[str, str] = {}
        urls = []
        left = iter(arguments)
        for word in left:
            if word == "-H":
                name, _, value = next(left).partition(":")
                headers[name] = value.strip()
            elif not word.startswith("-"):
                urls.append(word)
            else:
                assert word in {"-N", "-s", "-f"}, f"curl {word} is not known here: only GET is asked"
        [url] = urls
        assert url.startswith(self._api()), f"{url} is not of our API"
        contract = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
        assert urlsplit(url).path in contract["paths"], f"{url} is not in the contract"
        with (
            httpx.Client(trust_env=False, verify=NO_AUTHORITIES, timeout=SECONDS) as http,
            http.stream("GET", url, headers=headers) as answer,
        ):
            assert answer.status_code == 200, f"answered {answer.status_code}"
            assert next(answer.iter_raw())

    @staticmethod
    def _pip(arguments: list[str]) -> None:
        """Not installed, which the lock files do; the folder and its extras are there."""
        [action, what] = arguments
        assert action == "install"
        folder, _, extras = what.rstrip("]").partition("[")
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        unknown = set(filter(None, extras.split(","))) - set(project["optional-dependencies"])
        assert not unknown, f"{folder} has no extra {unknown}"

    def _read_log(self, line: str) -> None:
        folder = self._folder / "logs"
        if not folder.exists():
            folder.mkdir()
            with (folder / "lotkeeper.log").open("w", encoding="utf-8") as file:
                logs.configure("api", "INFO", "json", to=file)
                with logs.caused_by(rules.LOGGED):
                    logs.get_logger(__name__).info("request_done", duration_ms=1200.5, rows=3)
                    logs.get_logger(__name__).error("request_failed", duration_ms=0.5)
            yesterday = (folder / "lotkeeper.log").read_bytes()
            (folder / "lotkeeper-2026-11-19.log.gz").write_bytes(gzip.compress(yesterday))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],  # noqa: S607
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line} ended with {done.returncode}: {done.stderr}"
        assert done.stdout, f"{line} finds nothing"

    def _api(self) -> str:
        """The address of the API over the portfolio, which is started when something asks first."""
        if self._api_url is None:
            self._monkeypatch.setattr(api_module, "READ_SECONDS", PATIENCE_SECONDS)
            self._monkeypatch.setattr(api_module, "POOL_SECONDS", PATIENCE_SECONDS)
            portal = self._stack.enter_context(start_blocking_portal())
            self._api_url = self._stack.enter_context(
                portal.wrap_async_context_manager(serving(load_settings()))
            )
            self._monkeypatch.setenv(f"{PREFIX}URL", self._api_url)
        return self._api_url

    def _filled(self, text: str) -> str:
        archive = next(iter(sorted(self._folder.glob("home/*/backups/*.backup"))), None)
        if "http://127.0.0.1:8321" in text:
            self._api()
        for example, real in rules.stands_for(self._api_url, archive).items():
            text = text.replace(example, real)
        return text


def fits(told: Any, schema: dict[str, Any], contract: dict[str, Any]) -> bool:
    """Whether an object, and all within it, has the fields that a schema requires, and no others than its."""
    if "$ref" in schema:
        found: Any = contract
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return fits(told, found, contract)
    if "anyOf" in schema:
        return any(fits(told, one, contract) for one in schema["anyOf"])
    if isinstance(told, list):
        return schema.get("type") == "array" and all(fits(one, schema["items"], contract) for one in told)
    if not isinstance(told, dict):
        return schema.get("type") not in {"array", "object"} and "properties" not in schema
    fields = schema.get("properties", {})
    if not fields:
        return "additionalProperties" in schema
    return (
        set(schema.get("required", ())) <= set(told) <= set(fields)
        and fields.get("type", {}).get("const", told.get("type")) == told.get("type")
        and all(fits(value, fields[name], contract) for name, value in told.items())
    )


def command_names(words: list[str]) -> str:
    """The command of ours that these words begin with, such as ``backup create``."""
    return " ".join(_walked(words)[1])


@functools.cache
def _commands() -> Any:
    return typer.main.get_command(cli)


def _walked(words: list[str]) -> tuple[list[Any], list[str]]:
    groups, names = [_commands()], []
    for word in words:
        if word.startswith("-") or word not in getattr(groups[-1], "commands", {}):
            break
        groups.append(groups[-1].commands[word])
        names.append(word)
    return groups, names


def look_up(words: list[str], *, loosely: bool = False) -> None:
    """Hold a command of ours to what is there.

    Args:
        words: behind ``lotkeeper``.
        loosely: only its names and its options, as text mentions it; else its arguments, too.

    Raises:
        AssertionError: there is no such command, or it has no such option, or misses an argument.
    """
    groups, names = _walked(words)
    left = words[len(names) :]
    if hasattr(groups[-1], "commands") and left and not (loosely and PLACEHOLDER.match(left[0])):
        assert left[0].startswith("-"), f"there is no command {' '.join([*names, left[0]])}"
    options = {
        name for one in groups for param in one.params for name in (*param.opts, *param.secondary_opts)
    }
    for word in left:
        if word.startswith("--"):
            assert word.partition("=")[0] in {*options, "--help"}, f"{' '.join(names)} has no {word}"
    if not loosely:
        context = groups[-1].make_context(names[-1], list(left))
        context.close()
