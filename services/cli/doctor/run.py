"""``doctor``: all checks, for people or programs, and in an archive to be handed on."""

import asyncio
import io
import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import typer
from pydantic import SecretStr
from rich.markup import escape

from core.clock import utc_now
from core.domain.days import day_of
from core.errors import LotkeeperError, SettingsError
from core.settings import Profile, Settings, load_settings
from services.api.settings_told import settings_told
from services.cli.doctor import backups, gateway, machine, stores
from services.cli.doctor.finding import Finding
from services.cli.on_database import settings_with_servers
from services.cli.show import new_console
from services.cli.target import ask, find_target, running_stack
from services.statements.credentials import credentials_of

DEGRADED = 3
_LOG_BYTES = 2**20
_FEW_DAYS = 14
_COLOURS = {"ok": "green", "note": "dim", "warning": "yellow", "error": "red"}
_ACCOUNT = re.compile(r"\b(DU|DF|U|F)\d{4,}(\d{3})\b")


def run_doctor(profile: Profile | None, bundle: Path | None, *, as_json: bool) -> None:
    """Look at everything and print what was found.

    Raises:
        SettingsError: the settings cannot be read, or the archive cannot be written.
        typer.Exit: 3 where something keeps Lotkeeper from its work.
    """
    settings = settings_with_servers(profile)
    found = list(asyncio.run(_looked_at(settings, profile)))
    if bundle is not None:
        _write(bundle, settings, profile, found)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in found]))
    else:
        _show(found)
        if bundle is not None:
            typer.echo(f"Written to {bundle}, without secrets; accounts are shortened. Look into it first.")
    if any(one.state == "error" for one in found):
        raise typer.Exit(DEGRADED)


async def _looked_at(settings: Settings, profile: Profile | None) -> Iterable[Finding]:
    stack = running_stack(settings, profile)
    found = [*machine.version(), *machine.home(settings)]
    # Not as what runs set them: its servers may be those that came with Lotkeeper.
    found += machine.servers(load_settings())
    if stack is None:
        found += machine.ports(settings)
    found += [one async for one in stores.postgresql(settings)]
    found += [one async for one in stores.redis(settings)]
    found += [one async for one in gateway.gateway(_at_its_gateway(settings, stack))]
    found.append(await asyncio.to_thread(_api, profile))
    found.append(_flex(settings))
    found += await asyncio.to_thread(lambda: list(backups.backups(settings, utc_now())))
    return found


def _at_its_gateway(settings: Settings, stack: Any) -> Settings:
    """A demo's gateway is the simulator that it started."""
    port = None if stack is None else stack.ports.get("simulator")
    return settings if port is None else settings.model_copy(update={"ib_host": "127.0.0.1", "ib_port": port})


def _api(profile: Profile | None) -> Finding:
    try:
        target = find_target(profile)
        told = ask(target, "GET", "/api/v1/meta")
    except LotkeeperError as error:
        return Finding("API", "error", str(error))
    return Finding(
        "API", "ok", f"{target.url} answers, version {told.get('version', '?')}, and takes our token"
    )


def _flex(settings: Settings) -> Finding:
    try:
        credentials = credentials_of(settings)
    except LotkeeperError as error:
        return Finding("Flex", "error", str(error))
    if credentials is None:
        told = "no token is set: there is no history from before Lotkeeper, and gaps stay open"
        return Finding("Flex", "note", told, "lotkeeper flex setup")
    if credentials.expires_on is None:
        told = "a token is set; `lotkeeper flex status` tells how it goes. Until when it is good, nobody said"
        return Finding("Flex", "ok", told)
    left = (credentials.expires_on - day_of(utc_now())).days
    told = f"a token is set, and good for {left} more days; `lotkeeper flex status` tells how it goes"
    renew = "Make another in Client Portal, then: lotkeeper flex setup --expires DAY"
    if left < 0:
        return Finding("Flex", "error", f"the token expired on {credentials.expires_on}", renew)
    return Finding("Flex", "warning", told, renew) if left < _FEW_DAYS else Finding("Flex", "ok", told)


def _show(found: Iterable[Finding]) -> None:
    console = new_console()
    for one in found:
        console.print(
            f"[{_COLOURS[one.state]}]{one.state:7}[/]  {one.check}: {escape(one.told)}", soft_wrap=True
        )
        if one.todo:
            console.print(f"         [bold]→ {escape(one.todo)}[/]", soft_wrap=True)


def _write(path: Path, settings: Settings, profile: Profile | None, found: Iterable[Finding]) -> None:
    """An archive of what was found, what is set and the end of the log, without secrets."""
    stack = running_stack(settings, profile)
    parts = {
        "doctor.json": json.dumps([one._asdict() for one in found], indent=1),
        "settings.json": json.dumps([msgspec.to_builtins(one) for one in settings_told(settings)], indent=1),
    }
    if stack is not None:
        parts["lotkeeper.log"] = _end_of(Path(stack.log_file))
    try:
        with tarfile.open(path, "x:gz") as archive:
            for name, content in parts.items():
                data = redacted(content, settings).encode()
                entry = tarfile.TarInfo(f"lotkeeper-doctor/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(utc_now().timestamp()), 0o600
                archive.addfile(entry, io.BytesIO(data))
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}.") from None


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"{path} cannot be read: {error.strerror or error}"


def redacted(content: str, settings: Settings) -> str:
    """A text without the secrets of the settings, passwords in addresses, tokens and account numbers."""
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            content = content.replace(value.get_secret_value(), f"<{name}>")
    content = re.sub(r"(\w+://)[^\s/@\"']*@", r"\1<secret>@", content)
    content = re.sub(r"\blk_[A-Za-z0-9_-]+", "<token>", content)
    return _ACCOUNT.sub(r"\1…\2", content)
