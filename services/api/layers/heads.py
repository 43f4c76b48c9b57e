"""HEAD wherever there is GET."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.exchange import exchange_of


class Heads:
    """ASGI middleware: asks for what GET would answer, and keeps its body to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass GET on for HEAD."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        exchange_of(scope).bodiless = True
        # A copy: the server must go on seeing HEAD, so that it sends no body either.
        asked = {**scope, "method": "GET"}

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.body":
                if message.get("more_body", False):
                    return
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        try:
            await self._app(asked, receive, headers_only)
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]
