"""The page of commands says what `--help` says, and every exit code there is. ``UPDATE_DOCS=1`` writes it."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import typer.main

import services
from core.errors import LotkeeperError
from services.cli.commands import INTERRUPTED, app

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAD = """# Commands

`lotkeeper COMMAND --help` says the same. Answers go to standard output. What went wrong goes to standard
error, and so does how far it has come, on a terminal only. What is asked wrongly is one sentence and exit
code 2.

`--json` prints JSON for programs. `--plain`, before or after the command, prints text as it is, and of each
table a line `# TITLE`, a line of the columns' names and a line for each row, parted by tabs: nothing is
coloured or wrapped, what is not known is an empty field, and a tab or line break within a field is a space.
Numbers are spelled as for people, as 1,234; `--json` has every digit.

```sh
lotkeeper export datasets --plain
```

Colours are shown on a terminal only, and not where `NO_COLOR` is set.

| command | options | |
|---|---|---|
"""
EXIT_CODES = {
    0: "done; nothing is wrong",
    1: "failed; the sentence on standard error says why and what to do",
    2: "asked wrongly: an unknown command, option, account, cost method, query, instrument, dataset or id",
    3: "something that is needed is not there: PostgreSQL, its schema, Redis, the API, a child process, "
    "IBKR's Flex service",
    4: "not yet: the Flex service still makes the statement, or was asked too often; try again later",
    5: "`validate`: something stored, or something the broker says, differs, or a rule of severity `error` "
    "found something that nobody acknowledged; `export verify`: a file is not what was written; `backup "
    "drill`, `backup restore`: what was restored is not what was saved",
    6: "a setting, a file, a port or the Flex token is wrong, or the database belongs to the other profile",
    7: "another backup or restore is under way, or the database to restore into is in use",
    130: "stopped by Ctrl-C",
}


def _commands(group: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if not hasattr(command, "commands"):
            yield (*names, name), command
            continue
        if command.invoke_without_command:
            yield (*names, name), command
        yield from _commands(command, (*names, name))


def cli_page() -> str:
    rows = []
    for names, command in _commands(typer.main.get_command(app)):
        arguments = [
            one.metavar or one.name.upper() for one in command.params if one.param_type_name == "argument"
        ]
        options = [f"`{one.opts[0]}`" for one in command.params if one.param_type_name == "option"]
        called = " ".join(["lotkeeper", *names, *arguments]).replace("|", "\\|")
        rows.append(f"| `{called}` | {' '.join(options)} | {(command.help or '').splitlines()[0]} |")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    return f"{HEAD}{chr(10).join(rows)}\n\n## Exit codes\n\n| | |\n|---|---|\n{codes}\n"


def test_the_page_of_commands_lists_every_command() -> None:
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(cli_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == cli_page(), "run `UPDATE_DOCS=1 pytest tests/docs`"


async def test_every_exit_code_is_explained() -> None:
    # Within a loop: what ib_async stands on asks for one when it is imported.
    for module in walk_packages(services.__path__, "services."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    seen = {0, 2, INTERRUPTED}
    kinds: list[type[LotkeeperError]] = [LotkeeperError]
    while kinds:
        kind = kinds.pop()
        seen.add(kind.exit_code)
        kinds.extend(kind.__subclasses__())
    assert seen == set(EXIT_CODES)
