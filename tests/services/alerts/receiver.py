"""A web hook as people have one: takes what Apprise posts, or refuses it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What came, and with which status the next is answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = 200
        self.came: list[dict[str, Any]] = []
        self.beats = 0

    @property
    def url(self) -> str:
        """For Apprise."""
        return f"json://owner:hush-hush@127.0.0.1:{self.port}/hook"

    @property
    def heartbeat_url(self) -> str:
        """For the heartbeat."""
        return f"http://127.0.0.1:{self.port}/beat"

    @property
    def titles(self) -> list[str]:
        """Of what came."""
        return [one["title"] for one in self.came]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """One that listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if found.status < 300:
                found.came.append(body)
            self._answer(found.status)

        def do_GET(self) -> None:
            found.beats += 1
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
