"""``setup``: find the gateway, try it, and write where it is for the next start."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import typer

from core.errors import LotkeeperError, SettingsError
from core.private_files import write_private
from core.settings import PREFIX, Settings, load_settings
from services.cli.doctor.finding import Finding
from services.cli.doctor.gateway import gateway
from services.cli.show import new_console

KNOWN_PORTS: Final = {
    4001: "IB Gateway, live",
    4002: "IB Gateway, paper",
    7496: "TWS, live",
    7497: "TWS, paper",
}
"""Where TWS and IB Gateway listen unless somebody changed it (IBKR, "TWS API: Initial Setup")."""

FILE: Final = Path(".env")
_FAR_PORT: Final = 65535


class GatewayNotFoundError(LotkeeperError):
    """No gateway answers there."""

    code = "gateway_unreachable"
    exit_code = 4


def run_setup(
    host: str | None, port: int | None, client_id: int | None, *, yes: bool, no_check: bool
) -> None:
    """Ask for what is not given where a person can answer, try it, and write it to ``.env``.

    Raises:
        GatewayNotFoundError: nothing answers there as a gateway does; nothing was written.
        SettingsError: the file cannot be written.
    """
    settings = load_settings()
    asks = sys.stdin.isatty() and not yes
    host = host or (_ask("Where TWS or IB Gateway runs", settings.ib_host) if asks else settings.ib_host)
    if port is None:
        port = asyncio.run(_port(settings, host, asks=asks))
    client_id = settings.ib_client_id if client_id is None else client_id
    chosen = settings.model_copy(update={"ib_host": host, "ib_port": port, "ib_client_id": client_id})
    if not no_check:
        _require(asyncio.run(_tried(chosen)))
    _write(chosen)
    typer.echo(f"Written to {FILE.absolute()}: {host}:{port}, client id {client_id}.")
    _say_what_next(settings)


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default)).strip()


async def _port(settings: Settings, host: str, *, asks: bool) -> int:
    """The port of a gateway that greets; asked for where none or several do and somebody can answer."""
    ports = [*KNOWN_PORTS, *([settings.ib_port] if settings.ib_port not in KNOWN_PORTS else [])]
    tried = await asyncio.gather(
        *(_tried(settings.model_copy(update={"ib_host": host, "ib_port": one})) for one in ports)
    )
    found = [one for one, findings in zip(ports, tried, strict=True) if _greets(findings)]
    for one in found:
        typer.echo(
            f"A gateway answers at {host}:{one} ({KNOWN_PORTS.get(one, 'a port of yours')}).", err=True
        )
    if len(found) == 1 and not asks:
        return found[0]
    if not asks:
        raise GatewayNotFoundError(
            f"Several gateways answer on {host}: name one with --port."
            if found
            else f"No gateway answers on {host}, ports {', '.join(map(str, ports))}. Start TWS or IB "
            "Gateway, log in, and enable socket clients in its API settings; or name its port with --port."
        )
    default = found[0] if found else settings.ib_port
    while True:
        told = _ask("Its port", str(default))
        if told.isascii() and told.isdigit() and 0 < int(told) <= _FAR_PORT:
            return int(told)
        typer.echo(f"{told!r} is not a port: a number from 1 to {_FAR_PORT}.", err=True)


async def _tried(settings: Settings) -> list[Finding]:
    return [one async for one in gateway(settings)]


def _greets(findings: list[Finding]) -> bool:
    return all(one.state != "error" for one in findings)


def _require(findings: list[Finding]) -> None:
    for one in findings:
        if one.state == "error":
            raise GatewayNotFoundError(
                f"{one.told}. {one.todo} Nothing was written; --no-check writes it anyway."
            )
        typer.echo(f"{one.check}: {one.told}", err=True)


def _write(settings: Settings) -> None:
    """Put the three lines into the file in place of those it has of them; the rest stays as it is."""
    ours = {
        f"{PREFIX}IB_HOST": settings.ib_host,
        f"{PREFIX}IB_PORT": str(settings.ib_port),
        f"{PREFIX}IB_CLIENT_ID": str(settings.ib_client_id),
    }
    try:
        before = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{FILE.absolute()} cannot be read: {reason}.") from None
    kept = [line for line in before if line.partition("=")[0].removeprefix("export ").strip() not in ours]
    lines = [*kept, *(f"{name}={value}" for name, value in ours.items())]
    write_private(FILE, "\n".join(lines).encode())


def _say_what_next(settings: Settings) -> None:
    variables = [name for name in ("IB_HOST", "IB_PORT", "IB_CLIENT_ID") if f"{PREFIX}{name}" in os.environ]
    for name in variables:
        typer.echo(f"But {PREFIX}{name} is set, and wins over what was written.", err=True)
    console = new_console()
    console.print("\nNext:")
    console.print(f"  lotkeeper up             start it from this folder ({FILE} is read there)")
    console.print("  lotkeeper flex setup     statements of the years before, from IBKR's Flex Web Service")
    console.print("  lotkeeper alerts add     be told of what stands wrong")
    console.print("  lotkeeper user setup-token   let the page make the first user")
    if settings.database_url is None:
        console.print("  lotkeeper doctor         looks at all that Lotkeeper needs")
