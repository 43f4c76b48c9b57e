"""PostgreSQL's own programs: whom they connect to is told by their environment, which others cannot read."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from sqlalchemy import URL, make_url

from services.backup.errors import BackupFailedError
from services.backup.parts import CHUNK
from services.stack.binaries import PostgresClients, find_postgres_clients
from services.stack.processes import LAUNCHER

_TLS: Final = frozenset({"require", "verify-ca", "verify-full"})
_OPTIONS: Final = {
    "ssl": "PGSSLMODE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "host": "PGHOST",
    "port": "PGPORT",
}
_WORDS: Final = 600
# What the server has already, what others may own, and who may see what: that is made anew by a migration.
_NOT_RESTORED: Final = re.compile(
    r"\d+; \d+ \d+ (POLICY |ROW SECURITY |ACL |DEFAULT ACL |EXTENSION |COMMENT - EXTENSION |SCHEMA - public |"
    r"COMMENT - SCHEMA public )"
)


def clients_for(url: str, least_major: int, chosen: Path | None) -> PostgresClients:
    """The programs for a server.

    Raises:
        SettingsError: there are none that fit.
    """
    query = make_url(url).query
    with_tls = str(query.get("ssl") or query.get("sslmode") or "") in _TLS
    return find_postgres_clients(least_major, chosen, with_tls=with_tls)


def libpq_environment(url: str | URL, **more: str) -> dict[str, str]:
    """Where to connect to, in libpq's variables; nothing of the user's own but where their files are."""
    made = make_url(url)
    values = {
        "PGHOST": made.host,
        "PGPORT": None if made.port is None else str(made.port),
        "PGUSER": made.username,
        "PGPASSWORD": None if made.password is None else str(made.password),
        "PGDATABASE": made.database,
    }
    for name, variable in _OPTIONS.items():
        if name in made.query:
            values[variable] = str(made.query[name])
    home = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
    fixed = {
        "LC_ALL": "C",
        "PATH": "/usr/bin:/bin",
        "PGCONNECT_TIMEOUT": "10",
        "PGAPPNAME": "lotkeeper-backup",
    }
    return {**fixed, **home, **{name: value for name, value in values.items() if value}, **more}


class Program:
    """One of them while it runs; ``quiet``: what it writes is of no use. It ends with us, however we end."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, quiet: bool = False) -> None:
        options = {"uid": None, "gid": None, "parent": os.getpid(), "signal": int(signal.SIGKILL)}
        self._name = Path(command[0]).name
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its last words
        self._words = ""
        self._asking = threading.Lock()
        self._popen = subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs, no shell
            [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(options), *command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else subprocess.PIPE,
            stderr=self._errors,
            process_group=0,
        )

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._popen.poll() is None

    def stop(self) -> None:
        """End it, and what it started; nothing of it is left afterwards."""
        if self._popen.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        self._last_words()

    def read(self) -> Iterator[bytes]:
        """What it writes, to its end.

        Raises:
            BackupFailedError: it failed.
        """
        stream = self._popen.stdout
        if stream is not None:
            with stream:
                while piece := stream.read(CHUNK):
                    yield piece
        self.end()

    def end(self) -> None:
        """Wait for its end.

        Raises:
            BackupFailedError: it failed; the sentence has its last words.
        """
        code = self._popen.wait()
        words = self._last_words()
        if code:
            told = "it was stopped" if code < 0 else words[-_WORDS:] or f"exit code {code}"
            raise BackupFailedError(f"{self._name} failed: {told}")

    def _last_words(self) -> str:
        """What it said; whoever stops it and whoever waits for it both ask."""
        with self._asking:
            if not self._errors.closed:
                with self._errors as file:
                    file.seek(0)
                    self._words = file.read().decode("utf-8", "replace").strip()
            return self._words


def dump(clients: PostgresClients, url: str, snapshot: str) -> Program:
    """Begin to write a database as a snapshot shows it to standard output, compressed."""
    command = [
        *(clients.dump, "--format=custom", "--compress=1", "--no-owner", "--no-privileges", "--no-password"),
        *("--no-publications", "--no-subscriptions", "--exclude-schema=lotkeeper_restricted"),
        *("--lock-wait-timeout=60000", f"--snapshot={snapshot}"),
    ]
    return Program(command, libpq_environment(url))


def choose(clients: PostgresClients, url: URL, file: Path) -> Path:
    """Write down what of such a file is to be restored, beside it.

    Raises:
        BackupFailedError: what is in the file cannot be listed.
    """
    listing = Program([clients.restore, "--list", str(file)], libpq_environment(url))
    lines = b"".join(listing.read()).decode("utf-8", "replace").splitlines()
    chosen = file.with_name("restored.list")
    wanted = "\n".join(line for line in lines if not _NOT_RESTORED.match(line))
    try:
        chosen.write_text(wanted, encoding="utf-8")
    except OSError as error:
        raise BackupFailedError(f"{chosen} cannot be written: {error.strerror}.") from None
    return chosen


def restore(clients: PostgresClients, url: URL, file: Path, chosen: Path, jobs: int) -> Program:
    """Begin to write such a file into an empty database, as far as it was chosen."""
    command = [
        *(clients.restore, "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"),
        *(f"--use-list={chosen}", f"--jobs={jobs}", f"--dbname={url.database}", str(file)),
    ]
    # Nobody uses this database yet: a crash of the server leaves it half, and it is made anew.
    options = "-c synchronous_commit=off -c maintenance_work_mem=128MB"
    return Program(command, libpq_environment(url, PGOPTIONS=options), quiet=True)
