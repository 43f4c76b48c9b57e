"""Settings: one prefix, built once in ``main`` and passed down, never read at import."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import SettingsError

PREFIX = "LOTKEEPER_"

Profile = Literal["demo", "main"]
Port = Annotated[int, Field(ge=1, le=65535)]


def default_home() -> Path:
    """The platform's user data directory for Lotkeeper.

    Follows the XDG base directory specification where ``XDG_DATA_HOME`` is set or the platform is Linux.
    """
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "lotkeeper"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone, for example US/Eastern") from error
    return name


def query_ids(listed: Any) -> Any:
    """The numbers of Flex queries, from a text where commas or blanks part them; each once, in their order.

    Raises:
        ValueError: one is not a number.
    """
    if not isinstance(listed, str):
        return listed
    found = tuple(dict.fromkeys(listed.replace(",", " ").split()))
    for one in found:
        if not (one.isascii() and one.isdigit()):
            raise ValueError(f"{one!r} is not the number of a Flex query, for example 800969")
    return found


class Settings(BaseSettings):
    """What can be set from outside: ``LOTKEEPER_<NAME>``, ``LOTKEEPER_<NAME>_FILE`` or ``.env``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        # `LOTKEEPER_API_TOKEN=` in a template or a compose file means "not set", and never an empty token.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    home: Path = Field(
        default_factory=default_home, description="where embedded servers, tokens and logs live"
    )
    profile: Profile = Field(
        "main", description="which portfolio of the home this is: the demo's or the real one"
    )

    ib_host: str = Field("127.0.0.1", min_length=1, description="TWS or IB Gateway")
    ib_port: Port = Field(4002, description="4001/4002 Gateway live/paper, 7496/7497 TWS live/paper")
    ib_client_id: int = Field(
        71,
        ge=0,
        le=2**31 - 1,
        description="fixed; one per connection to the gateway. A standby needs one of its own to take over "
        "from a link that is paused or cut off: the gateway keeps that one's socket, and its id, for a while",
    )
    ib_timezone: Annotated[str, AfterValidator(_known_zone)] | None = Field(
        None, description="zone of execution times that carry none; default: the zone in the handshake"
    )
    ib_connect_timeout_seconds: float = Field(
        15.0, gt=0, le=300, description="an accepted connection that says nothing is given up after this"
    )
    ib_heartbeat_seconds: float = Field(
        5.0, gt=0, le=60, description="a silent gateway is found after about two"
    )
    ib_stale_seconds: float = Field(
        90.0, gt=0, le=3600, description="a gateway that tells the time and nothing else is stale after this"
    )

    api_host: str = Field("127.0.0.1", min_length=1, description="where the API and the page listen")
    api_port: Port = Field(
        8321, description="the demo moves to the next free port when this default is taken"
    )
    api_token: SecretStr | None = Field(None, description="an admin token instead of the generated one")

    database_url: SecretStr | None = Field(
        None, description="your own PostgreSQL instead of the embedded one"
    )
    database_direct_url: SecretStr | None = Field(
        None, description="PostgreSQL itself, where DATABASE_URL is a pooler: locks need one connection"
    )
    redis_url: SecretStr | None = Field(None, description="your own Redis (6.2 or newer), not the embedded")
    postgres_bin: Path | None = Field(
        None, description="a directory of PostgreSQL programs (15 or newer) instead of the installed ones"
    )
    stream_prefix: str = Field("lotkeeper", min_length=1, description="first part of every Redis key")
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

    settle_seconds: float = Field(3.0, ge=0, le=300, description="quiet time before a difference counts")
    sweep_seconds: float = Field(300.0, gt=0, le=3600, description="between full comparisons with the broker")
    last_known_flush_seconds: float = Field(
        5.0, gt=0, le=60, description="marks and values reach the database"
    )

    rules_hour: int = Field(
        6,
        ge=0,
        le=23,
        description="UTC: from then on what is kept is held to the rules, once a day",
    )
    snapshot_hourly_years: int = Field(
        2,
        ge=0,
        le=100,
        description="what is older may be thinned to one snapshot a day; 0: nothing ever. See SNAPSHOT_THIN",
    )
    snapshot_thin: bool = Field(
        False,
        description="have the worker do so by itself; otherwise only `lotkeeper snapshot thin` does. What is "
        "dropped cannot be had again",
    )

    flex_token: SecretStr | None = Field(
        None, description="of IBKR's Flex Web Service, instead of what `lotkeeper flex setup` stored"
    )
    flex_queries: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(query_ids)] = Field(
        None, description="the numbers of the Flex queries to fetch, with commas between; the same"
    )
    flex_url: str = Field(
        "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService",
        min_length=1,
        description="where the Flex Web Service is; the token goes there and to IBKR only",
    )
    flex_hour: int = Field(
        5,
        ge=0,
        le=23,
        description="of the daily fetch, in New York: statements of a day are ready some hours after its end",
    )
    statements_dir: Path | None = Field(
        None, description="where fetched statements are kept; default: `statements` in the profile's folder"
    )
    statements_inbox: Path | None = Field(
        None,
        description="what is put there is imported; default: `inbox` in the folder of statements",
    )

    metrics_host: str = Field("127.0.0.1", description="where link and worker serve metrics")
    broker_metrics_port: int = Field(0, ge=0, le=65535, description="of the broker link; 0: not served")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="of the worker; 0: not served")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="account numbers and amounts appear at DEBUG only"
    )
    log_format: Literal["console", "json"] = Field("console", description="lines for people, or JSON")

    @property
    def data_dir(self) -> Path:
        """The profile's own folder: ``<home>/demo`` or ``<home>/main``."""
        return self.home / self.profile

    @property
    def spool_dir(self) -> Path:
        """Where the broker link keeps facts on disk while Redis cannot have them."""
        return self.data_dir / "spool"

    @property
    def token_file(self) -> Path:
        """Where the generated API token is kept (mode 0600)."""
        return self.data_dir / "api-token"

    @property
    def flex_file(self) -> Path:
        """Where `lotkeeper flex setup` keeps the Flex token and the queries (mode 0600)."""
        return self.data_dir / "flex.json"

    @property
    def statements_folder(self) -> Path:
        """Where fetched statements are kept."""
        return self.statements_dir or self.data_dir / "statements"

    @property
    def statements_inbox_folder(self) -> Path:
        """The watched folder."""
        return self.statements_inbox or self.statements_folder / "inbox"

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


def _file_variants() -> dict[str, Any]:
    """Values of ``LOTKEEPER_<NAME>_FILE``: secrets as files (Docker and systemd hand them over so)."""
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"{variable} names {path}, which cannot be read: {reason}.") from None
        if not values[name]:
            raise SettingsError(f"{variable} names {path}, which is empty.")
    return values


def _require_sound_address(name: str, url: str) -> None:
    """Refuse what no client could read, without repeating it: it may hold a password."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise SettingsError(
            f"{PREFIX}{name} is not a URL that can be read: its host or port is malformed "
            "(an @, / or : in the password must be written as %40, %2F or %3A)."
        ) from None


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; ``overrides`` win over it.

    Raises:
        SettingsError: one clear sentence that names the first wrong variable.
    """
    try:
        return Settings(**{**_file_variants(), **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{str(first['loc'][0]).upper()}" if first["loc"] else PREFIX
        # The value itself may be a secret: only what is wrong with it is told.
        raise SettingsError(f"{name} is wrong: {first['msg']}.") from None
