"""The dashboard: files that were built before, served from memory, compressed ahead of time."""

import hashlib
import html
import mimetypes
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from services.api.problems import ProblemError, not_found

INDEX = "index.html"
IMMUTABLE = "_app/immutable/"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_META_POLICY = re.compile(r'<meta\s+http-equiv="content-security-policy"\s+content="([^"]*)"', re.IGNORECASE)
_STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Lotkeeper</title>
<h1>The dashboard has not been built</h1>
<p>The API is running. Build the page with <code>make web</code> and reload.</p></html>
"""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    media_type: str
    bodies: dict[str, bytes]
    etag: str

    def encoding_for(self, accepted: str) -> str:
        return next((name for name, _ in ENCODINGS if name in self.bodies and _accepts(accepted, name)), "")


def _accepts(header: str, encoding: str) -> bool:
    for part in header.lower().split(","):
        name, _, parameters = part.strip().partition(";")
        if name.strip() == encoding:
            return parameters.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _media_type(path: str) -> str:
    known = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
    kind = known.get(Path(path).suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


class Page:
    """The built page. A build that is newer than what is in memory is noticed with the next request."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stamp: int | None = None
        self._files: dict[str, _File] = {}
        self._policy = ""

    def _look(self) -> None:
        try:
            stamp = (self._root / INDEX).stat().st_mtime_ns
        except OSError:
            self._stamp, self._files = None, {}
            return
        if stamp != self._stamp:
            self._files = {file.path: file for file in self._read()}
            self._policy = self._page_policy()
            self._stamp = stamp

    def _read(self) -> list[_File]:
        suffixes = tuple(suffix for _, suffix in ENCODINGS)
        files = []
        for path in sorted(self._root.rglob("*")):
            if not path.is_file() or path.name.endswith(suffixes):
                continue
            bodies = {"": path.read_bytes()}
            for name, suffix in ENCODINGS:
                packed = path.with_name(path.name + suffix)
                if packed.is_file():
                    bodies[name] = packed.read_bytes()
            name = path.relative_to(self._root).as_posix()
            etag = hashlib.sha256(bodies[""]).hexdigest()[:32]
            files.append(_File(name, _media_type(name), bodies, etag))
        return files

    def _page_policy(self) -> str:
        """The policy that the build put into the page, where its start script's hash is, and no frames."""
        found = _META_POLICY.search(self._files[INDEX].bodies[""].decode(errors="replace"))
        policy = html.unescape(found.group(1)).strip().rstrip(";") if found else _STRICT
        return f"{policy}; frame-ancestors 'none'"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what no route of the API took."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        await self.answer(scope["method"], scope["path"], Headers(scope=scope))(scope, receive, send)

    def answer(self, method: str, path: str, headers: Headers) -> Response:
        """The file, the page for one of its own routes, or a problem.

        Raises:
            ProblemError: 404 or 405.
        """
        if path == "/api" or path.startswith("/api/"):
            raise not_found(
                "not_found", "There is nothing at this path. See /openapi.json for what there is."
            )
        if method not in {"GET", "HEAD"}:
            raise ProblemError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Here is only to read.",
                headers={"allow": "GET, HEAD"},
            )
        self._look()
        if not self._files:
            headers_out = {"cache-control": "no-store"}
            return Response(
                _NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE, headers_out, media_type="text/html; charset=utf-8"
            )
        name = path.lstrip("/") or INDEX
        file = self._files.get(name)
        if file is None:
            if name.startswith("_app/") or "." in name.rpartition("/")[2]:
                raise not_found("not_found", "There is no such file.")
            file = self._files[INDEX]
        return self._file(file, headers)

    def _file(self, file: _File, headers: Headers) -> Response:
        encoding = file.encoding_for(headers.get("accept-encoding", ""))
        etag = f'"{file.etag}{"-" + encoding if encoding else ""}"'
        fixed = file.path.startswith(IMMUTABLE)
        out = {
            "etag": etag,
            "vary": "Accept-Encoding",
            "cache-control": "public, max-age=31536000, immutable" if fixed else "no-cache",
        }
        if file.path == INDEX:
            out["content-security-policy"] = self._policy
        if encoding:
            out["content-encoding"] = encoding
        if etag in {known.strip() for known in headers.get("if-none-match", "").split(",")}:
            return Response(None, HTTPStatus.NOT_MODIFIED, out)
        return Response(file.bodies[encoding], HTTPStatus.OK, out, media_type=file.media_type)
