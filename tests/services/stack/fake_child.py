"""Stand-ins for our services, for tests of the supervisor: small programs that behave or misbehave."""

import http.server
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def api() -> None:
    server = http.server.ThreadingHTTPServer(
        (os.environ["LOTKEEPER_API_HOST"], int(os.environ["LOTKEEPER_API_PORT"])), Ready
    )
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    say("2026-11-21T01:02:03.123456Z [info     ] listening    service=api")
    server.serve_forever()


def listen() -> None:
    """A stand-in for the simulator: it takes its time, then listens on the port that it is given."""
    with socket.create_server(("127.0.0.1", int(os.environ["FAKE_PORT"]))) as server:
        say("listening")
        while True:
            server.accept()[0].close()


def idle() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    scheme = os.environ.get("LOTKEEPER_DATABASE_URL", "none").partition(":")[0]
    say(f"idle with database {scheme}")
    direct = os.environ.get("LOTKEEPER_DATABASE_DIRECT_URL", "none")
    say(f"locks in database {direct.rpartition('/')[2]}")
    while True:
        time.sleep(3600)


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("deaf")
    while True:
        time.sleep(3600)


def migrate() -> None:
    say("migrated")


def refuse() -> None:
    sys.stderr.write("Error: LOTKEEPER_IB_TIMEZONE is wrong: no such zone.\n")
    sys.exit(6)


def crash_once() -> None:
    mark = Path(os.environ["LOTKEEPER_HOME"]) / "crashed-once"
    if not mark.exists():
        mark.touch()
        sys.exit(1)
    idle()


globals()[sys.argv[1]]()
