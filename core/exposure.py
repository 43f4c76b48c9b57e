"""Where we may be reached from, and that nobody can read along there."""

import ipaddress
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from core.errors import SettingsError
from core.settings import PREFIX, Settings

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, never bound by default

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens at ``host``."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in LOOPBACK_NAMES


def require_private_api(settings: Settings) -> None:
    """Refuse to send tokens and holdings over a network in the clear.

    Raises:
        SettingsError: the API would listen beyond this machine with neither TLS, nor a proxy that has it, nor
            the owner's word that the network is closed; or of certificate and key one is missing.
    """
    certificate, key = settings.api_tls_cert, settings.api_tls_key
    if (certificate is None) != (key is None):
        missing = "API_TLS_KEY" if key is None else "API_TLS_CERT"
        raise SettingsError(f"{PREFIX}{missing} is not set: TLS needs the certificate and its key.")
    if is_loopback(settings.api_host) or settings.api_plain_http or settings.api_proxies or certificate:
        return
    raise SettingsError(
        f"{PREFIX}API_HOST={settings.api_host} would send tokens and holdings over the network in the clear. "
        f"Set {PREFIX}API_TLS_CERT and {PREFIX}API_TLS_KEY, or {PREFIX}API_PROXIES to the proxy in front of "
        f"it, or {PREFIX}API_PLAIN_HTTP=true where nobody else is in that network."
    )


def require_private_metrics(settings: Settings) -> None:
    """Refuse to show the metrics of link and worker, which ask nobody who they are, to a network.

    Raises:
        SettingsError: they would be.
    """
    if is_loopback(settings.metrics_host) or settings.api_plain_http:
        return
    raise SettingsError(
        f"{PREFIX}METRICS_HOST={settings.metrics_host} would show metrics to whoever reaches that port: they "
        f"ask for no token. Leave it at 127.0.0.1, or set {PREFIX}API_PLAIN_HTTP=true where nobody else is "
        "in that network."
    )


def scheme_of(settings: Settings) -> str:
    """``https`` where we have a certificate of our own."""
    return "http" if settings.api_tls_cert is None else "https"


def trusting(url: str, certificate: Path | None) -> ssl.SSLContext | None:
    """How to talk to our own API: by the very certificate that it shows, whatever name that is for.

    Raises:
        SettingsError: the certificate cannot be read.
    """
    if urlsplit(url).scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cadata=None if certificate is None else _its_own(certificate))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{PREFIX}API_TLS_CERT={certificate} cannot be used: {error}.") from None
    if certificate is not None:
        context.check_hostname = False
        # It need not be signed by itself.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def _its_own(chain: Path) -> str:
    """The first certificate of a chain: of those after it come others than ours, for whatever names."""
    found = _CERTIFICATE.search(chain.read_text(encoding="ascii", errors="replace"))
    if found is None:
        raise ValueError("there is no certificate in it")
    return found[0]


def api_url(settings: Settings) -> str:
    """Where a browser on this machine finds the API."""
    host = _WILDCARDS.get(settings.api_host, settings.api_host)
    return f"{scheme_of(settings)}://{f'[{host}]' if ':' in host else host}:{settings.api_port}"
