"""Writing to the audit log what the table of routes says is written, and what else somebody was refused."""

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import Scope

from core import logs
from models.stores.audit import write_audit
from services.api.exchange import exchange_of
from services.api.live.load import DATABASE_AWAY
from services.api.security.identity import Identity
from services.api.security.permissions import AUDITED

if TYPE_CHECKING:
    from services.api.context import Context

log = logs.get_logger(__name__)

OK = "ok"
ACTOR, TARGET = "audit_actor", "audit_target"
"""Where in its scope a route leaves what cannot be seen from outside."""

REFUSED = "refused"
"""What it is called when somebody known was refused a route that is not in the table: the target."""

TOLD_AGAIN_SECONDS = 600.0
_LONGEST = 255
_ENTRIES = 10_000


class Refusals:
    """Each party's of each route are told once in a while: a program that asks on and on fills no table."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, party: str, route: str) -> bool:
        """Whether this one is to be told; it counts as told then."""
        now = self._now()
        told = self._told.get((party, route))
        if told is not None and now - told < TOLD_AGAIN_SECONDS:
            return False
        self._told[(party, route)] = now
        self._told.move_to_end((party, route))
        while len(self._told) > _ENTRIES:
            self._told.popitem(last=False)
        return True


def _writable(told: str) -> str:
    """PostgreSQL takes no NUL, and what is sent must not decide whether it is written."""
    return told.replace("\0", "")[:_LONGEST]


def _actor(identity: Identity) -> str:
    """Users have a name each; of tokens several may be called the same."""
    return identity.name if identity.token_id is None else f"{identity.name}#{identity.token_id}"


def _party(identity: Identity) -> str:
    """However many sessions a user opens, or tokens of one name there are."""
    return f"{identity.kind} {_actor(identity)}"


async def note(context: "Context", scope: Scope, status: int) -> None:
    """Keep who asked for what and how it went, before it is answered.

    What was done is done: a log that cannot be written is said, and changes no answer.
    """
    route = f"{scope['method']} {getattr(scope.get('route'), 'path', '')}"
    action = AUDITED.get(route)
    identity: Identity | None = scope.get("identity")
    failed = status >= HTTPStatus.BAD_REQUEST
    target = scope.get(TARGET) or "/".join(str(part) for part in (scope.get("path_params") or {}).values())
    if action is None:
        if status != HTTPStatus.FORBIDDEN or identity is None:
            return
        if not context.refusals.is_new(_party(identity), route):
            return
        action, target = REFUSED, route
    if identity is None and failed and status != HTTPStatus.UNAUTHORIZED:
        return  # Strangers can send what is malformed, or too much, as often as they like.
    client = scope.get("client")
    try:
        async with context.database.write() as writer:
            await write_audit(
                writer,
                at=context.clock(),
                actor=scope.get(ACTOR, "") if identity is None else _actor(identity),
                kind="nobody" if identity is None else identity.kind,
                action=action,
                target=_writable(target),
                address=str(client[0]) if client else "",
                outcome=scope.get("problem", str(status)) if failed else OK,
                request_id=exchange_of(scope).request_id,
            )
    except DATABASE_AWAY:
        log.warning("audit_unwritten", action=action)
