"""Problems that repeat: told once with their reason, then counted."""

from typing import Any

import structlog

MOST_TOLD = 1000
"""Different problems at a time. A peer that sends nothing but noise has no end of them."""


class Problems:
    """Remembers which problems were told. ``solved`` makes the next one news again."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._told: dict[object, int] = {}
        self._is_full = False

    def tell(self, key: object, event: str, **details: Any) -> None:
        """Log ``event`` as a warning the first time ``key`` is met; count it after that."""
        if key not in self._told and len(self._told) >= MOST_TOLD:
            if not self._is_full:
                self._is_full = True
                self._log.warning("further_problems_only_counted", told=MOST_TOLD)
            return
        seen = self._told.get(key, 0)
        self._told[key] = seen + 1
        if not seen:
            self._log.warning(event, **details)

    def solved(self, key: object, event: str, **details: Any) -> None:
        """Log ``event`` if ``key`` was told before."""
        seen = self._told.pop(key, 0)
        if seen:
            self._log.info(event, occurrences=seen, **details)
