"""The API and the page: where they listen, and who is let in."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from core.settings.place import Place
from core.settings.values import Port, host_names, networks


class Web(Place):
    """What listens, what it believes, whom it counts."""

    api_host: str = Field("127.0.0.1", min_length=1, description="where the API and the page listen")
    api_port: Port = Field(
        8321, description="the demo moves to the next free port when this default is taken"
    )
    api_token: SecretStr | None = Field(None, description="an admin token instead of the generated one")
    api_second_factor_required: bool = Field(
        False, description="whoever signs in by name and has no second factor may do nothing but set one up"
    )
    second_factor_key: SecretStr | None = Field(
        None,
        description="seals the secrets of second factors instead of the generated key, the same for every "
        "API process. Of several, with white space between, the first seals and all open",
    )
    api_names: Annotated[tuple[str, ...], NoDecode, BeforeValidator(host_names)] = Field(
        (), description="further names it answers to, with commas between: those of a certificate or a proxy"
    )
    api_tls_cert: Path | None = Field(None, description="certificate chain (PEM), to speak HTTPS itself")
    api_tls_key: Path | None = Field(None, description="the certificate's key (PEM)")
    api_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(networks)] = Field(
        (),
        description="addresses or networks, with commas between, of proxies: what they say of who asks, and "
        "whether by HTTPS (X-Forwarded-For, X-Forwarded-Proto), is believed",
    )
    api_plain_http: bool = Field(
        False,
        description="let API_HOST and METRICS_HOST be reached from elsewhere without TLS: only where the "
        "network is closed, as one of containers",
    )
    api_requests_per_minute: int = Field(
        600,
        ge=0,
        le=1_000_000,
        description="of each token, session and, unknown, address; the generated or API_TOKEN's own are not "
        "counted. 0: nobody's",
    )
    api_requests_burst: int = Field(120, ge=1, le=1_000_000, description="of them so many at once")
    audit_days: int = Field(730, ge=90, le=36_500, description="that the log of who did what is kept for")

    @property
    def token_file(self) -> Path:
        """Where the generated API token is kept (mode 0600)."""
        return self.data_dir / "api-token"

    @property
    def setup_token_file(self) -> Path:
        """Where the token is kept that makes the first user (mode 0600)."""
        return self.data_dir / "setup-token"

    @property
    def second_factor_key_file(self) -> Path:
        """Where the generated key is kept that secrets of second factors are sealed with (mode 0600)."""
        return self.data_dir / "second-factor-key"
