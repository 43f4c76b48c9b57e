"""PostgreSQL and Redis: which, and what waits where."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, SecretStr

from core.errors import SettingsError
from core.settings.place import Place
from core.settings.values import PREFIX


class Stores(Place):
    """Servers, their addresses, and the names of streams."""

    database_url: SecretStr | None = Field(
        None, description="your own PostgreSQL instead of the embedded one"
    )
    database_direct_url: SecretStr | None = Field(
        None,
        description="PostgreSQL itself, where DATABASE_URL is a pooler of transactions (PgBouncer)",
    )
    redis_url: SecretStr | None = Field(None, description="your own Redis (6.2 or newer), not the embedded")
    postgres_bin: Path | None = Field(
        None, description="a directory of PostgreSQL programs (15 or newer) instead of the installed ones"
    )
    # A brace of its own could end the part that a Redis Cluster goes by.
    stream_prefix: str = Field(
        "lotkeeper",
        min_length=1,
        pattern=r"^[^{}]+$",
        description="first part of every Redis key; no { or }",
    )
    stream_conflate_ms: int = Field(250, ge=0, le=10_000, description="WebSocket frame; 0 sends each change")

    facts_in_redis: int = Field(
        100_000, ge=100, description="entries that wait in Redis before the link keeps more on disk"
    )
    spool_megabytes: int = Field(
        1024, ge=1, description="of facts on disk while Redis is away or full; then the link pauses"
    )
    lease_seconds: float = Field(
        8.0, ge=1, le=300, description="a link that is silent this long towards PostgreSQL can be replaced"
    )

    @property
    def spool_dir(self) -> Path:
        """Where the broker link keeps facts on disk while Redis cannot have them."""
        return self.data_dir / "spool"

    @property
    def facts_stream(self) -> str:
        """What the broker said: durable. The braces keep one partition's keys on one Redis Cluster node."""
        return f"{self.stream_prefix}:{{0}}:facts"

    @property
    def ticks_stream(self) -> str:
        """Marks and profit-and-loss figures: bounded, may be shed."""
        return f"{self.stream_prefix}:{{0}}:ticks"

    @property
    def changes_stream(self) -> str:
        """What was committed."""
        return f"{self.stream_prefix}:{{0}}:changes"

    @property
    def frames_stream(self) -> str:
        """What API replicas number for each other's WebSocket clients: bounded, empty while there is one."""
        return f"{self.stream_prefix}:{{0}}:frames"

    @property
    def requests_stream(self) -> str:
        """What someone asks of the broker: bounded."""
        return f"{self.stream_prefix}:{{0}}:requests"

    @property
    def queue_name(self) -> str:
        """The arq queue of the position_sync worker."""
        return f"{self.stream_prefix}:{{0}}:jobs"

    def require_database_url(self) -> str:
        """The database URL for SQLAlchemy with asyncpg.

        Raises:
            SettingsError: it is not set, or not a PostgreSQL URL.
        """
        return self._database_url(self.database_url, "DATABASE_URL")

    def require_database_direct_url(self) -> str:
        """The same for what needs one and the same server connection: session locks.

        Raises:
            SettingsError: it is not a PostgreSQL URL, or neither of the two is set.
        """
        if self.database_direct_url is None:
            return self.require_database_url()
        return self._database_url(self.database_direct_url, "DATABASE_DIRECT_URL")

    def has_pooler(self) -> bool:
        """Whether there is a pooler before PostgreSQL: nothing of a session outlives a transaction then.

        Raises:
            SettingsError: an address is missing or not of PostgreSQL.
        """
        return self.require_database_direct_url() != self.require_database_url()

    def _database_url(self, secret: SecretStr | None, name: str) -> str:
        url = self._require(secret, name, "postgresql://user:password@host:5432/lotkeeper")
        scheme, _, rest = url.partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"}:
            raise SettingsError(
                f"{PREFIX}{name} must start with postgresql://, not {scheme}://. "
                "Lotkeeper keeps its data in PostgreSQL only."
            )
        _require_sound_address(name, url)
        # libpq's name for it, which people copy from their provider; asyncpg's is shorter.
        rest, mark, query = rest.partition("?")
        options = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)]
        return f"postgresql+asyncpg://{rest}{mark}{urlencode(options)}"

    def require_redis_url(self) -> str:
        """The Redis URL.

        Raises:
            SettingsError: it is not set, or not a Redis URL.
        """
        url = self._require(self.redis_url, "REDIS_URL", "redis://host:6379/0")
        if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise SettingsError(f"{PREFIX}REDIS_URL must start with redis://, rediss:// or unix://.")
        _require_sound_address("REDIS_URL", url)
        return url

    @staticmethod
    def _require(secret: SecretStr | None, name: str, example: str) -> str:
        if secret is None or not secret.get_secret_value():
            raise SettingsError(
                f"{PREFIX}{name} is not set. Set it (for example {example}), or use `lotkeeper up`, "
                "which starts the embedded servers by itself."
            )
        return secret.get_secret_value()


def _require_sound_address(name: str, url: str) -> None:
    """Refuse what no client could read, without repeating it: it may hold a password."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise SettingsError(
            f"{PREFIX}{name} is not a URL that can be read: its host or port is malformed "
            "(an @, / or : in the password must be written as %40, %2F or %3A)."
        ) from None
