"""Every fenced block of README.md, client/README.md and docs/ is run, or named with why it is not.

Decisions are read, too: what they show was true once, and a block in them would be taken for what is.
"""

import asyncio
import re
import shlex
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.settings import PREFIX, Settings
from services.stack import PostgresServer, RedisServer
from services.stack.ports import free_port
from tests.databases import Templates, create_database, drop_database, run_sql
from tests.docs import block_rules as rules
from tests.docs.block_runner import Reader, command_names, look_up, seed_documented
from tests.docs.blocks import (
    PAGES,
    ROOT,
    Block,
    blocks_of,
    commands_of,
    inline_code_of,
    shell_lines,
    shell_of,
)
from tests.services.api.portfolio import TOKEN
from tests.services.cli.conftest import Said, _logs_as_they_were, lotkeeper

__all__ = ["_logs_as_they_were", "lotkeeper"]

WRONG = (
    ("python", "1 / 0", "division by zero"),
    ("python", "for row in []:\n    print(row)", "printed nothing"),
    ("sql", "SELECT 1 WHERE false;\n", "found nothing"),
    ("sql", "SELECT nonsense FROM daily_portfolio_value;\n", "does not exist"),
    ("json", "{", "Expecting"),
    ("json", '{"nonsense": 1}', "nothing in openapi.json"),
    ("yaml", "a: [", "expected the node"),
    ("toml", "a =", "Invalid value"),
    ("ini", "nonsense", "no section headers"),
    ("console", "lotkeeper status", "nothing is typed in"),
    ("sh", "if lotkeeper status", "yntax error"),
    ("sh", "mystery --now", "mystery is not known"),
    ("sh", "git add . | mystery", "mystery is not known"),
    ("sh", "lotkeeper backup nonsense", "no command backup nonsense"),
    ("sh", "lotkeeper up --nonsense", "up has no --nonsense"),
    ("sh", "lotkeeper backup restore", "Missing parameter"),
    ("sh", "lotkeeper export verify nonsense", "ended with 2"),
    ("sh", "make nonsense", "No rule to make target"),
    ("sh", "curl http://127.0.0.1:8321/api/v1/nonsense", "not in the contract"),
    ("sh", "curl http://127.0.0.1:8321/api/v1/accounts", "401"),
    ("sh", "curl -X POST http://127.0.0.1:8321/api/v1/jobs", "only GET"),
    ("sh", "pip install './client[nonsense]'", "nonsense"),
    ("sh", "install -m 644 /opt/lotkeeper/nonsense /etc", "not in the tree"),
    ("sh", "grep nonsense logs/lotkeeper.log | sort", "ended with 1"),
    ("sh", "export LOTKEEPER_NONSENSE=1", "LOTKEEPER_NONSENSE is no setting"),
    ("ini", "LOTKEEPER_API_PORT=many", "LOTKEEPER_API_PORT is wrong"),
    ("fortran", "STOP", "a block in fortran"),
    ("", "lotkeeper status", "a block in no language"),
)
"""What is refused, and what is said of it. The last ones leave the environment wrong."""

BLOCKS = {str(page.relative_to(ROOT)): found for page in PAGES if (found := blocks_of(page))}


def _marks(blocks: list[Block]) -> list[pytest.MarkDecorator]:
    return [pytest.mark.jq] if any(re.search(r"\bjq ", one.text) for one in blocks) else []


@pytest.fixture
def reader(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lotkeeper: Callable[..., Said],
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    templates: Templates,
) -> Iterator[Reader]:
    """Somebody with a portfolio of their own, in a folder of their own."""
    url = asyncio.run(create_database(postgres_server, templates.seeded(seed_documented)))
    unmade = postgres_server.url_of(f"test_{uuid.uuid4().hex}")
    for name, value in {
        "DATABASE_URL": url,
        "REDIS_URL": redis_server.url,
        "STREAM_PREFIX": f"test-{uuid.uuid4().hex}",
        "API_PORT": str(free_port()),
        "API_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    with ExitStack() as stack:
        yield Reader(stack, monkeypatch, tmp_path, lotkeeper, unmade)
    asyncio.run(drop_database(postgres_server, url))
    name = unmade.rpartition("/")[2]
    asyncio.run(run_sql(postgres_server.url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.mark.parametrize(
    "blocks", [pytest.param(found, id=page, marks=_marks(found)) for page, found in BLOCKS.items()]
)
def test_the_blocks_of_a_page_do_what_it_says(blocks: list[Block], reader: Reader) -> None:
    for block in blocks:
        try:
            reader.read(block)
        except Exception as error:
            raise AssertionError(f"{block.place}: {error}\n\n{block.text}") from error


def test_what_is_wrong_is_refused(reader: Reader) -> None:
    for language, text, told in WRONG:
        with pytest.raises(Exception, match=re.escape(told)):
            reader.read(Block("page.md", 1, language, text))


def test_blocks_are_found_wherever_they_stand(tmp_path: Path) -> None:
    page = ROOT / "docs" / "index.md"
    assert [one.language for one in blocks_of(page)] == ["{toctree}"] * 4
    written = tmp_path / "page.md"
    written.write_text(
        "- a list\n\n  ```sh\n  make\n  ```\n\n> ~~~python\n> 1\n> ~~~\n\n    indented\n", encoding="utf-8"
    )
    found = [(one.line, one.language, one.text) for one in blocks_of(written, tmp_path)]
    assert found == [(3, "sh", "make\n"), (7, "python", "1\n"), (11, "", "indented\n")]


def test_commands_within_the_text_are_there() -> None:
    wrong = []
    for page in PAGES:
        for code in inline_code_of(page):
            program, _, rest = code.partition(" ")
            if program in {"lotkeeper", ".venv/bin/lotkeeper"} and rest:
                try:
                    look_up(shlex.split(rest), loosely=True)
                except (AssertionError, ValueError) as error:
                    wrong.append(f"{page.relative_to(ROOT)}: `{code}`: {error}")
    assert wrong == []


def test_targets_within_the_text_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        code.split()[1] for page in PAGES for code in inline_code_of(page) if re.match(r"make [a-z]", code)
    }
    assert len(named) > 8
    assert named <= targets


def test_every_variable_that_is_named_is_there() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | set(rules.NO_SETTINGS)
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", text))
    assert {one for one in named if one not in known and one.removesuffix("_FILE") not in known} == set()
    assert named >= set(rules.NO_SETTINGS)


def test_nothing_is_said_not_to_be_run_that_is_not_there() -> None:
    blocks = [block for page in BLOCKS.values() for block in page]
    shell = [block for block in blocks if block.language in {"sh", "console"}]
    commands = []
    for block in shell:
        for line in shell_lines(shell_of(block)):
            known = line.replace(".venv/bin/lotkeeper", "lotkeeper").replace("<this repository>", "it")
            commands += [command.words for command in commands_of(known) if command.words]
    assert {block.language for block in blocks} >= set(rules.LANGUAGES_NOT_RUN)
    assert {words[0] for words in commands} >= set(rules.PROGRAMS_NOT_RUN) | rules.READS_A_LOG
    ours = {command_names(list(words[1:])) for words in commands if words[0] == "lotkeeper"}
    assert ours >= set(rules.COMMANDS_NOT_RUN)
    text = "".join(block.text for block in blocks)
    assert [one for one in (*rules.ENDLESS, *rules.stands_for(None, None)) if one not in text] == []
