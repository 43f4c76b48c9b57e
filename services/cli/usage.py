"""Common to all commands: ``--plain`` beside every ``--json``, and a sentence where one is asked wrongly."""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

_IS_PLAIN: Final = ContextVar("is_plain", default=False)
_NAME: Final = "--plain"
_IN_OUR_WORDS: Final = (
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "it is no whole number"),
    ("Input should be a valid number, unable to parse string as a number", "it is no number"),
)


def is_plain() -> bool:
    """Whether this run of a command was asked for lines for programs, as ``cut`` and ``awk``."""
    return _IS_PLAIN.get()


@contextmanager
def one_run() -> Iterator[None]:
    """What was asked for lasts for one run of the command line, also where a process has several."""
    token = _IS_PLAIN.set(False)
    try:
        yield
    finally:
        _IS_PLAIN.reset(token)


def _ask_for_plain(wanted: bool) -> bool:
    if wanted:
        _IS_PLAIN.set(True)
    return wanted


AsPlain = Annotated[
    bool,
    typer.Option(
        _NAME, callback=_ask_for_plain, help="Print tables as lines for programs: columns parted by tabs."
    ),
]


class RootGroup(TyperGroup):
    """The group of all commands: its own ``--plain`` is also taken after each command that has ``--json``."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        (plain,) = (one for one in self.params if _NAME in one.opts)
        again = copy.copy(plain)
        again.expose_value = False
        _add(self, again)


def _add(group: Any, option: Any) -> None:
    for command in group.commands.values():
        places = [place for place, one in enumerate(command.params) if "--json" in one.opts]
        for place in places:
            command.params.insert(place + 1, option)
        if hasattr(command, "commands"):
            _add(command, option)


def run(app: Callable[..., Any]) -> None:
    """Run the command that the arguments of this process name.

    Raises:
        SystemExit: always, with its exit code; that it was asked wrongly is told on stderr.
        LotkeeperError: as the command.
    """
    try:
        with one_run():
            code = app(standalone_mode=False, prog_name="lotkeeper")
    except TyperException as error:
        sys.stdout.flush()
        sys.stderr.write(_sentence(error))
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.stderr.write("Aborted.\n")
        sys.exit(1)
    sys.exit(code or 0)


def _sentence(error: TyperException) -> str:
    """What was wrong, and where it stands how it is right; nothing where that was shown already."""
    is_ours = isinstance(error, typer.BadParameter) and error.param is None and error.param_hint is None
    told = " ".join((error.message if is_ours else error.format_message()).split())
    for theirs, ours in _IN_OUR_WORDS:
        told = told.replace(theirs, ours)
    if not told:
        return ""
    end = "" if told.endswith((".", "!", "?")) else "."
    context = getattr(error, "ctx", None)
    where = "" if context is None else f" See: {context.command_path} --help"
    return f"Error: {told}{end}{where}\n"
