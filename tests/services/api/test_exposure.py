"""Reached from elsewhere: by HTTPS, through proxies of ours, and under names of ours only."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trustme

from core.errors import SettingsError
from core.exposure import api_url
from core.settings import Settings
from services.api.app import main
from services.api.security.throttle import ATTEMPTS
from services.cli.target import Target, ask
from services.stack.supervisor import answers_ok
from tests.services.api.conftest import Start
from tests.services.api.portfolio import TOKEN
from tests.waiting import eventually


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def by_tls(settings: Settings, authority: trustme.CA, tmp_path: Path) -> Settings:
    issued = authority.issue_cert("lot.example.org")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.private_key_pem.write_to_path(key)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(certificate, append=True)
    return settings.model_copy(update={"api_tls_cert": certificate, "api_tls_key": key})


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(main(settings))
    try:

        async def is_ready() -> bool:
            return await answers_ok(api_url(settings), "/readyz", settings.api_tls_cert)

        await eventually(is_ready)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_with_a_certificate_everything_goes_by_https(by_tls: Settings, authority: trustme.CA) -> None:
    async with serving(by_tls):
        assert api_url(by_tls) == f"https://127.0.0.1:{by_tls.api_port}"
        trusting_nobody = ssl.create_default_context()
        async with httpx.AsyncClient(verify=trusting_nobody, trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"{api_url(by_tls)}/livez")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        context.check_hostname = False
        async with httpx.AsyncClient(base_url=api_url(by_tls), verify=context, trust_env=False) as client:
            answer = await client.post("/api/v1/session", json={"token": TOKEN})
            assert answer.status_code == 204
            assert "; secure" in answer.headers["set-cookie"].lower()
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
        told = await asyncio.to_thread(
            ask, Target(api_url(by_tls), TOKEN, by_tls, None), "GET", "/api/v1/session"
        )
        assert told["authenticated"]


async def agreed(
    port: int, *, least: ssl.TLSVersion, most: ssl.TLSVersion, ciphers: str = "ALL"
) -> str | None:
    """The version of TLS that the server agrees to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # So that not this end refuses what is older.
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = least, most
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    version: str | None = writer.get_extra_info("ssl_object").version()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return version


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_what_is_older_than_tls_1_2_is_refused(by_tls: Settings) -> None:
    version, port = ssl.TLSVersion, by_tls.api_port
    async with serving(by_tls):
        for old in (version.TLSv1, version.TLSv1_1):
            # Whether or not its alert arrives before the end. This end would say otherwise.
            with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"^$|ALERT_PROTOCOL_VERSION"):
                await agreed(port, least=old, most=old)
        assert await agreed(port, least=version.TLSv1, most=version.TLSv1_2) == "TLSv1.2"
        assert await agreed(port, least=version.TLSv1, most=version.TLSv1_3) == "TLSv1.3"


async def test_no_cipher_is_agreed_to_that_is_weak_or_whose_keys_stay(by_tls: Settings) -> None:
    version, port = ssl.TLSVersion.TLSv1_2, by_tls.api_port
    async with serving(by_tls):
        for weak in ("ECDHE+SHA1", "ECDHE+SHA256:ECDHE+SHA384:!AESGCM:!CHACHA20", "kRSA"):
            with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"^$|HANDSHAKE_FAILURE"):
                await agreed(port, least=version, most=version, ciphers=weak)
        for good in ("ECDHE+AESGCM", "ECDHE+CHACHA20"):
            assert await agreed(port, least=version, most=version, ciphers=good) == "TLSv1.2"


@pytest.mark.parametrize("name", ["lot.example.org", "evil.example"])
async def test_our_own_tools_trust_the_certificate_itself_and_not_who_signed_it(
    by_tls: Settings, authority: trustme.CA, tmp_path: Path, name: str
) -> None:
    """A chain is what is usually set: whoever has any certificate of the same authority is not us."""
    signer = authority.create_child_ca()
    ours = signer.issue_cert("lot.example.org")
    served = ours if name == "lot.example.org" else signer.issue_cert(name)
    chain, certificate, key = tmp_path / "ours.pem", tmp_path / "served.pem", tmp_path / "served.key"
    for issued, path in ((ours, chain), (served, certificate)):
        path.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    served.private_key_pem.write_to_path(key)
    serving = asyncio.create_task(
        main(by_tls.model_copy(update={"api_tls_cert": certificate, "api_tls_key": key}))
    )
    try:
        await eventually(lambda: answers_ok(api_url(by_tls), "/readyz", certificate))
        if served is ours:
            await eventually(lambda: answers_ok(api_url(by_tls), "/livez", chain))
        else:
            assert not await answers_ok(api_url(by_tls), "/livez", chain)
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


@pytest.mark.parametrize("broken", ["cert", "key"])
async def test_a_certificate_that_cannot_be_used_is_a_sentence(by_tls: Settings, broken: str) -> None:
    path = by_tls.api_tls_cert if broken == "cert" else by_tls.api_tls_key
    assert path is not None
    path.write_text("nothing")
    with pytest.raises(SettingsError, match=r"LOTKEEPER_API_TLS_CERT=.*cannot be used"):
        await main(by_tls)


async def test_in_the_clear_it_does_not_listen_beyond_this_machine(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"LOTKEEPER_API_HOST=0\.0\.0\.0 would send"):
        await main(settings.model_copy(update={"api_host": "0.0.0.0"}))


async def test_in_the_clear_nobody_is_told_to_come_by_https_only(start: Start, settings: Settings) -> None:
    api = await start(settings, loaded=False)
    assert "strict-transport-security" not in (await api.http.get("/livez")).headers


async def wrong_tokens(client: httpx.AsyncClient, count: int) -> list[int]:
    """Each as if it came through a proxy from an address of its own."""
    codes = []
    for number in range(count):
        headers = {"authorization": "Bearer wrong", "x-forwarded-for": f"203.0.113.{number}"}
        codes.append((await client.get("/api/v1/session", headers=headers)).status_code)
    return codes


async def test_nobody_but_a_proxy_of_ours_says_who_asks(start: Start, settings: Settings) -> None:
    api = await start(settings, loaded=False)
    assert await wrong_tokens(api.http, ATTEMPTS + 1) == [401] * ATTEMPTS + [429]


async def test_a_proxy_of_ours_says_who_asks_and_whether_by_https(start: Start, settings: Settings) -> None:
    api = await start(settings.model_copy(update={"api_proxies": ("127.0.0.0/8",)}), loaded=False)
    assert await wrong_tokens(api.http, ATTEMPTS + 1) == [401] * (ATTEMPTS + 1)
    answer = await api.http.post(
        "/api/v1/session", json={"token": TOKEN}, headers={"x-forwarded-proto": "https"}
    )
    assert "; secure" in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" in answer.headers


async def test_a_proxys_name_is_ours_once_it_is_set(start: Start, settings: Settings) -> None:
    api = await start(settings.model_copy(update={"api_names": ("lot.example.org",)}), loaded=False)
    for name, status in (("lot.example.org", 200), ("LOT.example.org:443", 200), ("lot.example.com", 421)):
        assert (await api.http.get("/livez", headers={"host": name})).status_code == status
