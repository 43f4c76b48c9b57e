"""What is reached from other machines is not sent in the clear, and asks who asks."""

import pytest

from core.errors import SettingsError
from core.exposure import is_loopback, require_private_api, require_private_metrics, scheme_of, trusting
from core.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours


def test_the_api_listens_on_loopback_without_more_ado() -> None:
    require_private_api(load_settings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "nas"])
def test_the_api_does_not_listen_in_the_clear_elsewhere_and_says_what_to_set(host: str) -> None:
    with pytest.raises(SettingsError, match=f"API_HOST={host}") as told:
        require_private_api(load_settings(api_host=host))
    for name in ("API_TLS_CERT", "API_TLS_KEY", "API_PROXIES", "API_PLAIN_HTTP"):
        assert f"LOTKEEPER_{name}" in str(told.value)


@pytest.mark.parametrize(
    "more",
    [
        {"api_tls_cert": "a.pem", "api_tls_key": "b.pem"},
        {"api_proxies": "10.0.0.0/8"},
        {"api_plain_http": True},
    ],
)
def test_with_tls_a_proxy_or_the_owners_word_it_does(more: dict[str, object]) -> None:
    require_private_api(load_settings(api_host="0.0.0.0", **more))


@pytest.mark.parametrize(
    ("half", "missing"), [({"api_tls_cert": "a.pem"}, "KEY"), ({"api_tls_key": "a.pem"}, "CERT")]
)
def test_half_a_certificate_is_none(half: dict[str, object], missing: str) -> None:
    with pytest.raises(SettingsError, match=f"LOTKEEPER_API_TLS_{missing} is not set"):
        require_private_api(load_settings(**half))


def test_metrics_that_ask_for_no_token_are_not_shown_to_a_network() -> None:
    require_private_metrics(load_settings())
    require_private_metrics(load_settings(metrics_host="0.0.0.0", api_plain_http=True))
    with pytest.raises(SettingsError, match=r"LOTKEEPER_METRICS_HOST=0\.0\.0\.0"):
        require_private_metrics(load_settings(metrics_host="0.0.0.0"))


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("api_names", "Lot.example.org, keeper", ("lot.example.org", "keeper")),
        ("api_names", "", ()),
        ("api_names", "[::1]", ("::1",)),
        ("api_proxies", "10.0.0.1 10.0.0.1,172.16.0.0/12", ("10.0.0.1", "172.16.0.0/12")),
    ],
)
def test_lists_are_read(setting: str, value: str, found: tuple[str, ...]) -> None:
    assert getattr(load_settings(**{setting: value}), setting) == found


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("api_names", "https://lot.example.org"),
        ("api_names", "lot.example.org:8321"),
        ("api_proxies", "proxy.example.org"),
        ("api_proxies", "10.0.0.1/8"),
        ("api_proxies", "*"),
    ],
)
def test_what_is_no_name_or_network_is_refused(setting: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"LOTKEEPER_{setting.upper()} is wrong: .*for example"):
        load_settings(**{setting: value})


def test_a_certificate_that_cannot_be_read_is_a_sentence(plain: Settings) -> None:
    missing = plain.home / "none.pem"
    assert scheme_of(plain.model_copy(update={"api_tls_cert": missing})) == "https"
    with pytest.raises(SettingsError, match="LOTKEEPER_API_TLS_CERT"):
        trusting("https://127.0.0.1:8321", missing)
    assert trusting("http://127.0.0.1:8321", missing) is None
    for nothing in (b"", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"):
        missing.write_bytes(nothing)
        with pytest.raises(SettingsError, match=r"LOTKEEPER_API_TLS_CERT=.* cannot be used"):
            trusting("https://127.0.0.1:8321", missing)


@pytest.fixture
def plain(tmp_path: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path)
