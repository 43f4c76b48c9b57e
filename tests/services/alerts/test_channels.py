"""Where messages go: kept in a file for their owner, and told without their secrets."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.domain.alerting import Message
from core.errors import SettingsError
from core.settings import Settings, load_settings
from services.alerts.channels import (
    UnknownChannelError,
    UnreadableUrlError,
    add_channel,
    channels_of,
    remove_channel,
)
from services.alerts.send import _reason, send
from tests.services.alerts.receiver import Receiver

URL = "ntfys://owner:hush-hush@ntfy.example/portfolio"


@pytest.fixture
def at_home(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


def test_it_is_kept_for_its_owners_eyes_and_named_without_secrets(at_home: Settings) -> None:
    channel = add_channel(at_home, URL)
    assert channel.name.startswith("ntfys-")
    assert "hush" not in channel.name
    assert stat.S_IMODE(at_home.alerts_file.stat().st_mode) == 0o600
    add_channel(at_home, URL)
    assert channels_of(at_home) == [channel]
    remove_channel(at_home, channel.name)
    assert channels_of(at_home) == []


def test_what_is_set_and_what_is_stored_are_both_there_each_once(at_home: Settings) -> None:
    add_channel(at_home, URL)
    both = at_home.model_copy(update={"alerts_urls": SecretStr(f"json://127.0.0.1:9/\n {URL} ")})
    assert [(one.url, one.is_stored) for one in channels_of(both)] == [
        ("json://127.0.0.1:9/", False),
        (URL, False),
    ]
    with pytest.raises(UnknownChannelError, match="LOTKEEPER_ALERTS_URLS"):
        remove_channel(both, channels_of(both)[0].name)
    with pytest.raises(UnknownChannelError, match="There are: json-"):
        remove_channel(both, "ntfy-nonsense")


def test_nonsense_is_refused_without_repeating_it(at_home: Settings) -> None:
    with pytest.raises(UnreadableUrlError) as refused:
        add_channel(at_home, "nonsense://hush-hush")
    assert "hush" not in str(refused.value)
    assert channels_of(at_home) == []


def test_a_damaged_file_says_what_to_do(at_home: Settings) -> None:
    add_channel(at_home, URL)
    at_home.alerts_file.write_text('{"urls": ["hush')
    with pytest.raises(SettingsError, match="Remove it, and add the channels anew") as refused:
        channels_of(at_home)
    assert "hush" not in str(refused.value)
    assert refused.value.__context__ is None


async def test_why_it_was_not_taken_is_told_without_secrets(hook: Receiver) -> None:
    message = Message("title", "body", "error")
    hook.status = 401
    error = await send(hook.url, message)
    assert error is not None
    assert "hush" not in error
    hook.status = 200
    assert await send(hook.url, message) is None
    assert "Connection" in (await send("json://owner:hush-hush@127.0.0.1:9/", message) or "")
    assert await send("nonsense://x", message) == "Apprise makes nothing of its URL"


async def test_a_plugin_that_fails_is_its_own_failure(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise UnicodeError("hush-hush")

    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.notify", broken)
    error = await send(hook.url, Message("title", "body", "error"))
    assert error == "its plugin failed (UnicodeError)"


def test_what_could_be_a_secret_is_taken_out_of_a_reason() -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#money?user=hush-hush"
    said = "POST https://hooks.example/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ for hush-hush: error=403"
    reason = _reason(said, url)
    assert reason == "POST https://hooks.example/****/****/**** for ****: error=403"
    assert _reason("no route to 127.0.0.1:8080", "json://127.0.0.1:8080/") == "no route to 127.0.0.1:8080"
    assert _reason("", url) == "the service did not take it, and did not say why"
