"""Hosts: each a network of its own with a cable to here; or processes side by side, where none is allowed."""

import asyncio
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]


def networks_allowed() -> bool:
    """Whether there can be networks of our own here: Linux, as its administrator."""
    name = f"lk-{secrets.token_hex(3)}"
    return shutil.which("ip") is not None and _ip("netns", "add", name) and _ip("netns", "delete", name)


def _ip(*arguments: str) -> bool:
    program = shutil.which("ip") or "ip"
    return subprocess.run([program, *arguments], capture_output=True, check=False).returncode == 0


class Host:
    """Where processes run that see nothing of this machine but what they are given a way to."""

    def __init__(self, name: str, running: AsyncExitStack, here: str | None) -> None:
        self.name, self._running, self._here = name, running, here

    async def way_to(self, url: str) -> str:
        """The URL by which a server of this machine is reached from there."""
        if self._here is None:
            return url
        parts = urlsplit(url)

        async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                there = await asyncio.open_connection(parts.hostname, parts.port)
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))

        server = await asyncio.start_server(lead, self._here)
        self._running.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        return url.replace(f"{parts.hostname}:{parts.port}", f"{self._here}:{port}")

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Start a process there; it is killed at the end."""
        prefix = [] if self._here is None else ["ip", "netns", "exec", self.name]
        process = subprocess.Popen([*prefix, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)

        def end() -> None:
            process.kill()
            process.wait()

        self._running.callback(end)
        return process


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def host() -> AsyncIterator[Host]:
    """One host."""
    name = f"lk-{secrets.token_hex(3)}"
    async with AsyncExitStack() as running:
        if not networks_allowed():
            yield Host(name, running, None)
            return
        # Of the addresses that are set apart for measurements; two of a network of four.
        block = 4 * secrets.randbelow(2**14)
        here, there = (f"198.18.{block // 256}.{block % 256 + one}" for one in (1, 2))
        assert _ip("netns", "add", name)
        running.callback(_ip, "netns", "delete", name)
        for command in (
            f"link add {name} type veth peer name cable netns {name}",
            f"address add {here}/30 dev {name}",
            f"link set {name} up",
            f"-n {name} address add {there}/30 dev cable",
            f"-n {name} link set cable up",
            f"-n {name} link set lo up",
        ):
            assert _ip(*command.split()), command
        yield Host(name, running, here)
