"""Embedded PostgreSQL: a real server from a directory of binaries, run as our own child process."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from core.errors import StackError
from services.stack.binaries import PostgresBinaries, find_postgres, for_unprivileged_user
from services.stack.embedded import EmbeddedServer
from services.stack.ports import LOOPBACK, new_port, remembered_port
from services.stack.processes import ON_LINUX, POLL_SECONDS, LineSink, Process, User, started_at, works_in
from services.stack.swap import finish_swap

ROLE = "lotkeeper"
DATABASE = "lotkeeper"
_BUILTIN_LOCALE_SINCE = 17
_IO_METHOD_SINCE = 18
_READY_LINE = 7
_RETRY_SIGNS = (
    "pre-existing shared memory block",
    "is another postmaster",
    "could not create any TCP/IP sockets",
)

# The whole stack is meant to idle in 350 MB: a portfolio is small, and its few connections are pooled.
_SMALL = {
    "shared_buffers": "48MB",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "maintenance_work_mem": "48MB",
    "max_wal_size": "512MB",
    # What nobody fetches any more fills no disk.
    "max_slot_wal_keep_size": "2GB",
    "jit": "off",
    "huge_pages": "off",
    # Statement texts and row values would carry account numbers and amounts into the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
CONNECTIONS = 60
_QUICK_TO_LET_IN = ("--set", "scram_iterations=1")
"""For tests, which connect often: to prove the password takes a client 3 ms with the usual 4,096."""
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer(EmbeddedServer):
    """One PostgreSQL, see ``EmbeddedServer``; ``binaries`` is a directory of programs other than ours.

    ``options`` are further settings of the server. It has room for ``connections``, ample for one system.
    """

    content = "database"
    # Fast shutdown: connections are ended, everything is written, nothing is left to recover.
    stop_signal = signal.SIGINT

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Path | None = None,
        connections: int = CONNECTIONS,
        durable: bool = True,
        on_line: LineSink | None = None,
        start_seconds: float = 120.0,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, durable=durable, on_line=on_line, start_seconds=start_seconds)
        self._options = options or {}
        self._chosen = binaries
        self._connections = connections

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "data"

    @property
    def url(self) -> str:
        """Where clients connect; carries the password."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The same server, another database."""
        return f"postgresql://{ROLE}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Make the data directory if there is none, start the server and return when it takes connections.

        Raises:
            StackError: it does not start, or another process uses the directory.
        """
        if self.running:
            return
        self._lock.release()
        found = find_postgres(self._chosen)
        user = unprivileged_user()
        if user is not None:
            found = for_unprivileged_user(found)
        self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._take_lock()
        try:
            finish_swap(self.directory)
            self._password = self._read_or_make_password()
            if not self.data.exists():
                self._initialise(found, user)
            self._check_version(found)
            self._launch(found, user)
        except BaseException:
            self.stop()
            raise

    def _kill_process(self, process: Process) -> None:
        # Only the postmaster: its own children must find out by themselves, as after a real crash.
        process.send(signal.SIGKILL)

    def _read_or_make_password(self) -> str:
        path = self.directory / "password"
        if self.data.exists() and not path.exists():
            raise StackError(
                f"{path} is missing, so the database in {self.data} cannot be opened. Restore that file."
            )
        return super()._read_or_make_password()

    def _initialise(self, found: PostgresBinaries, user: User | None) -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for a database."""
        fresh = self.directory / "data.new"
        password_file = self.directory / "initdb-password"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(f"{self._password}\n", encoding="ascii")
        if user is not None:
            for path in (fresh, password_file):
                os.chown(path, user.uid, user.gid)
        place = _place(fresh, user)
        options = [
            *("-D", place, "-U", ROLE, "-A", "scram-sha-256", "--encoding=UTF8", "--no-instructions"),
            f"--pwfile={place}/../{password_file.name}" if user else f"--pwfile={password_file}",
            *_locale_options(found.major),
        ]
        if not self._durable:
            options += ["--no-sync", *_QUICK_TO_LET_IN]
        try:
            self._run([found.initdb, *options], fresh, user)
            single = [found.postgres, "--single", "-D", place]
            if not self._durable:
                single += ["-F"]
            self._run([*single, "postgres"], fresh, user, f"CREATE DATABASE {DATABASE}\n".encode())
        finally:
            password_file.unlink(missing_ok=True)
        fresh.rename(self.data)

    def _run(self, command: list[str], cwd: Path, user: User | None, stdin: bytes | None = None) -> None:
        process = Process(command, cwd=cwd, user=user, env=_environment(), stdin=stdin)
        code = process.wait()
        if code != 0:
            raise StackError(f"{Path(command[0]).name} failed with code {code}:\n{process.last_words()}")

    def _check_version(self, found: PostgresBinaries) -> None:
        major = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if major != str(found.major):
            raise StackError(
                f"The database in {self.data} was made by PostgreSQL {major}; the programs in "
                f"{found.directory} are version {found.major}. "
                f"Name a bin directory of version {major} in LOTKEEPER_POSTGRES_BIN."
            )

    def _launch(self, found: PostgresBinaries, user: User | None) -> None:
        """Start, again where orphans of a killed server or a just taken port are in the way."""
        deadline = time.monotonic() + self._start_seconds
        self.port = remembered_port(self.directory / "port")
        while True:
            self._clear_stale_pid_file()
            process = self._spawn(found, user)
            self._process = process
            if self._becomes_ready(process, deadline):
                process.on_line = self._on_line
                self._lock.note(process.pid)
                return
            words = process.last_words()
            if not any(sign in words for sign in _RETRY_SIGNS) or time.monotonic() > deadline:
                raise StackError(f"PostgreSQL in {self.directory} did not start:\n{words}")
            if "TCP/IP" in words:
                self.port = new_port(self.directory / "port")
            time.sleep(POLL_SECONDS)

    def _clear_stale_pid_file(self) -> None:
        """Remove a postmaster.pid whose number belongs to no server on this directory.

        PostgreSQL itself only asks whether the number is in use: a zombie that nobody reaps (usual in
        containers), or a stranger with the same number, would keep it from starting for ever.
        """
        path = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(path.read_text(encoding="utf-8").splitlines()[0])
            if started_at(pid) is None or not works_in(pid, self.data):
                path.unlink()

    def _spawn(self, found: PostgresBinaries, user: User | None) -> Process:
        options = {
            **_SMALL,
            "max_connections": str(self._connections),
            **({} if self._durable else _NOT_DURABLE),
            **({"io_method": "sync"} if found.major >= _IO_METHOD_SINCE else {}),
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            # Relative, so inside the data directory: private, and never too long for a socket's name.
            "unix_socket_directories": ".",
            "unix_socket_permissions": "0700",
            **self._options,
        }
        command = [found.postgres, "-D", _place(self.data, user)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return Process(
            command,
            cwd=self.data,
            user=user,
            env=_environment(),
            death_signal=signal.SIGINT,
            pass_fds=[self._lock.fileno()],
        )

    def _becomes_ready(self, process: Process, deadline: float) -> bool:
        """Watch postmaster.pid, as pg_ctl does: its eighth line turns to ``ready``. False: it ended."""
        path = self.data / "postmaster.pid"
        while time.monotonic() < deadline:
            if process.poll() is not None:
                process.wait()
                return False
            with contextlib.suppress(OSError):
                lines = path.read_text(encoding="utf-8").splitlines()
                if (
                    len(lines) > _READY_LINE
                    and lines[0] == str(process.pid)
                    and lines[_READY_LINE].strip() == "ready"
                ):
                    return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
        process.kill()
        process.wait()
        return False


def unprivileged_user() -> User | None:
    """Whom to run as: PostgreSQL refuses to run as root, so then ``nobody``."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("nobody")
    return User(account.pw_uid, account.pw_gid)


def _place(folder: Path, user: User | None) -> str:
    """How the server names its folder.

    A server that gave up root may not be allowed to walk the path (``/root`` is closed), but the folder it
    was put into stays reachable as the current directory.
    """
    if user is not None and ON_LINUX:
        return "/proc/self/cwd"
    return str(folder)


def _locale_options(major: int) -> list[str]:
    if major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]


def _environment() -> dict[str, str]:
    """Nothing of ours: PG… variables of the user would reach into the server."""
    return {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
