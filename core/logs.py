"""Logs: one line an event, readable on a terminal or as JSON. ``core.log_fields`` says what is in them."""

import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

_OF_SEVERAL_LINES = frozenset({"exception", "stack"})


def _visible(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def _one_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show line ends and other controls of what came from elsewhere: it must not make up lines of ours."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key not in _OF_SEVERAL_LINES:
            event[key] = _visible(value)
    return event


def configure(
    service: str, level: str, log_format: Literal["console", "json"], *, to: TextIO | None = None
) -> None:
    """Send structured events and the standard library's records to stdout, or ``to``, in one format."""
    to = to or sys.stdout
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Any
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        # Local variables stay out of tracebacks: they hold secrets and accounts.
        shared.append(ExceptionRenderer(ExceptionDictTransformer(show_locals=False)))
        renderer = structlog.processors.JSONRenderer()
    else:
        last.append(_one_line)
        renderer = structlog.dev.ConsoleRenderer(
            colors=to.isatty(), pad_event_to=32, exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A cached logger could not be listened to (structlog.testing), and we log too little to gain by it.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(to)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[*last, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell of every request, statement, account and fill at INFO. Account numbers and amounts stay out
    # of our log unless someone asks for them with DEBUG.
    for noisy in ("ib_async", "arq", "uvicorn.access", "uvicorn.error", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING if level != "DEBUG" else logging.DEBUG)
    # These tell of addresses, and an address can hold a token: not even at DEBUG.
    for secretive in ("httpx", "httpcore"):
        logging.getLogger(secretive).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)


def configure_command(level: str, log_format: Literal["console", "json"]) -> None:
    """For a command that ends: to stderr, as stdout has its data, and under one correlation id.

    It tells people itself what it did, so that without JSON only warnings are logged.
    """
    configure(
        "cli", "WARNING" if log_format == "console" and level == "INFO" else level, log_format, to=sys.stderr
    )
    structlog.contextvars.bind_contextvars(correlation_id=str(uuid.uuid4()))


@contextmanager
def caused_by(cause: str | None = None) -> Iterator[None]:
    """Have every line meanwhile carry one ``correlation_id``: that of a ``cause``, or else a new one.

    Tasks and threads that are begun meanwhile have it, too, for as long as they last.
    """
    with structlog.contextvars.bound_contextvars(correlation_id=cause or str(uuid.uuid4())):
        yield


def correlation_id() -> str:
    """What lines carry just now; empty where nothing in particular is the cause."""
    return str(structlog.contextvars.get_contextvars().get("correlation_id", ""))


def stopwatch() -> Callable[[], float]:
    """Starts to measure; what is returned tells the milliseconds since, for ``duration_ms``."""
    began = time.perf_counter()
    return lambda: round((time.perf_counter() - began) * 1000, 3)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module. Events are named in snake_case; details are keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
