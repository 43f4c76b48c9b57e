"""One readable log out of many processes: a line an event, on the terminal and in a file."""

import json
import os
import re
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from services.stack.log_file import LogFile

KEPT_DAYS = 90
_OWN_NAME = "stack"
# What core.logs writes for a terminal: time, level, event and details.
_EVENT = re.compile(r"^(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) \[(?P<level>\w+)\s*\] (?P<text>.*)$")
_POSTGRES = re.compile(r"^(?P<level>[A-Z]+\d?):\s+(?P<text>.*)$")
_REDIS = re.compile(r"^\d+:[A-Z] \d\d \w{3} \d{4} [\d:.]+ (?P<mark>[.\-*#]) (?P<text>.*)$")
_REDIS_FAREWELL = "bye bye..."
_BAD_POSTGRES = {"WARNING", "ERROR", "FATAL", "PANIC"}
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
_SERVICE_COLOURS = ("\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[33m")
_PLAIN = "\x1b[0m"
# What a gateway or a client sent may be quoted in a log; it must not move our reader's cursor.
_SPELLED_OUT = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}


@dataclass(frozen=True)
class Line:
    """One line of one service, taken apart as far as it can be."""

    service: str
    level: str
    text: str
    time: datetime


def parse(service: str, raw: str, now: datetime) -> Line:
    """Take apart a line in any of the three forms that our processes write."""
    if event := _EVENT.match(raw):
        text = re.sub(rf"\s+service={re.escape(service)}\b", "", event["text"]).rstrip()
        return Line(service, event["level"], text, datetime.fromisoformat(event["time"]))
    if service == "postgres" and (found := _POSTGRES.match(raw)):
        return Line(service, "warning" if found["level"] in _BAD_POSTGRES else "debug", found["text"], now)
    if service == "redis" and (found := _REDIS.match(raw)):
        loud = found["mark"] == "#" and not found["text"].endswith(_REDIS_FAREWELL)
        return Line(service, "warning" if loud else "debug", found["text"], now)
    if service == "redis" and "signal-handler" in raw:
        return Line(service, "debug", raw, now)
    return Line(service, "info", raw, now)


class Journal:
    """Writes lines to a file a day (mode 0600) and to a terminal; safe to use from any thread.

    ``as_json``: what services do not write as JSON themselves is made of it, so that every line is.
    """

    def __init__(
        self,
        path: Path,
        terminal: TextIO | None = None,
        *,
        colours: bool | None = None,
        as_json: bool = False,
        days: int = KEPT_DAYS,
    ) -> None:
        self.path = path
        self._terminal: TextIO | None = sys.stdout if terminal is None else terminal
        if colours is None:
            colours = self._terminal.isatty() and "NO_COLOR" not in os.environ
        self._colours = colours
        self._services: list[str] = []
        self._writing = threading.Lock()
        self._as_json = as_json
        self._file = LogFile(path, days=days)

    def say(self, text: str, level: str = "info") -> None:
        """A sentence of the supervisor itself."""
        self._write(Line(_OWN_NAME, level, text, datetime.now(UTC)), None)

    def announce(self, text: str) -> None:
        """A sentence for the person at the terminal, exactly as it is."""
        if self._as_json:
            self.say(text)
            return
        with self._writing:
            self._to_terminal(text)
            self._file.write(text)

    def hear(self, service: str, raw: str) -> None:
        """A line that a service wrote."""
        if raw.strip():
            raw = raw.translate(_SPELLED_OUT)
            self._write(parse(service, raw, datetime.now(UTC)), raw)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Line, raw: str | None) -> None:
        as_it_is = raw is not None and raw.startswith("{")
        with self._writing:
            if as_it_is and raw is not None:
                # JSON lines are for machines, and name their service themselves.
                self._file.write(raw)
                self._to_terminal(raw)
                return
            time = line.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            if self._as_json:
                told = {"timestamp": time, "level": line.level, "service": line.service, "event": line.text}
                text = json.dumps(told, ensure_ascii=False)
                self._file.write(text)
                self._to_terminal(text)
                return
            self._file.write(f"{time} {line.service:<9} {line.level:<8} {line.text}")
            if line.level != "debug":
                self._to_terminal(self._for_people(line))

    def _for_people(self, line: Line) -> str:
        loud = "" if line.level == "info" else f"{line.level.upper()} "
        if not self._colours:
            return f"{line.time:%H:%M:%S} {line.service:<9} {loud}{line.text}"
        if line.service not in self._services:
            self._services.append(line.service)
        colour = _SERVICE_COLOURS[self._services.index(line.service) % len(_SERVICE_COLOURS)]
        text = f"{_COLOURS.get(line.level, '')}{loud}{line.text}{_PLAIN}"
        return f"{line.time:%H:%M:%S} {colour}{line.service:<9}{_PLAIN} {text}"

    def _to_terminal(self, text: str) -> None:
        if self._terminal is None:
            return
        try:
            # Not every terminal has every letter.
            encoding = self._terminal.encoding or "utf-8"
            self._terminal.write(f"{text}\n".encode(encoding, "replace").decode(encoding))
            self._terminal.flush()
        except (OSError, ValueError):
            # The terminal is gone (closed window, ended pipe). The stack is not: the file goes on.
            self._terminal = None
