import signal
import socket
import subprocess
import sys

import httpx
import pytest

from core import metrics
from core.errors import PortInUseError

PROGRAM = """
import asyncio
from core.process import run_service
from core.settings import load_settings

async def main(settings):
    try:
        print("started", flush=True)
        await asyncio.Event().wait()
    finally:
        print("closed", flush=True)

run_service("test", load_settings(), main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_told_to_stop_closes_what_it_opened(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        assert process.stdout.read() == "closed\n"
        assert process.wait(10) == 0


def test_an_error_ends_the_process_with_its_error() -> None:
    program = PROGRAM.replace("await asyncio.Event().wait()", "raise ValueError('broken')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError: broken" in done.stderr


def test_a_service_serves_its_metrics_where_it_is_told_to(unused_port: int) -> None:
    program = PROGRAM.replace("main)", f"main, metrics_port={unused_port})")
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "python_info" in httpx.get(f"http://127.0.0.1:{unused_port}/metrics").text
        process.terminate()
        assert process.wait(10) == 0


def test_a_metrics_port_that_is_taken_is_a_sentence(unused_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", unused_port))
        taken.listen()
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{unused_port}"):
            metrics.serve("127.0.0.1", unused_port)
