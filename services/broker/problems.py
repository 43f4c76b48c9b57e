"""Problems that repeat: told once with their reason, then counted."""

from typing import Any

import structlog


class Problems:
    """Remembers which problems were told. ``solved`` makes the next one news again."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._told: dict[object, int] = {}

    def tell(self, key: object, event: str, **details: Any) -> None:
        """Log ``event`` as a warning the first time ``key`` is met; count it after that."""
        seen = self._told.get(key, 0)
        self._told[key] = seen + 1
        if not seen:
            self._log.warning(event, **details)

    def solved(self, key: object, event: str, **details: Any) -> None:
        """Log ``event`` if ``key`` was told before."""
        seen = self._told.pop(key, 0)
        if seen:
            self._log.info(event, occurrences=seen, **details)
