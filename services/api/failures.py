"""Telling of a failure that nobody expected, without telling what must stay inside."""

import traceback

import structlog


def tell(log: structlog.stdlib.BoundLogger, event: str, error: BaseException, **details: str) -> None:
    """Log where it happened: the frames without their variables, and not the text of the error.

    Both may hold tokens, account numbers or amounts.
    """
    causes = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
    for cause in causes:
        frames = "".join(traceback.format_tb(cause.__traceback__)).rstrip()
        log.error(event, error=cause.__class__.__qualname__, frames=frames, **details)
