"""Which route needs what, in one table: a route that is not in it is refused to everybody."""

from http import HTTPStatus
from types import MappingProxyType

from starlette.requests import HTTPConnection

from core.domain.access import Scope
from services.api.problems import ProblemError, unauthorized
from services.api.security.identity import Identity

PUBLIC = frozenset(
    {
        "GET /livez",
        "GET /readyz",
        "POST /api/v1/session",
        "GET /api/v1/setup",
        "POST /api/v1/setup",
        # Signs in by itself: browsers cannot send a header with it.
        "WEBSOCKET /api/v1/stream",
    }
)
"""What answers anybody."""

_READ = """
GET /metrics
GET /openapi.json
GET /asyncapi.json
GET /api/v1/session
DELETE /api/v1/session
GET /api/v1/sessions
DELETE /api/v1/sessions/{number}
GET /api/v1/tokens
POST /api/v1/tokens
DELETE /api/v1/tokens/{token_id}
POST /api/v1/users/{name}/password
POST /api/v1/users/{name}/second-factor
POST /api/v1/users/{name}/second-factor/prove
POST /api/v1/users/{name}/second-factor/remove
GET /api/v1/accounts
GET /api/v1/accounts/{account}
GET /api/v1/accounts/{account}/summary
GET /api/v1/positions
GET /api/v1/positions/{position_id}
GET /api/v1/positions/{position_id}/events
GET /api/v1/positions/{position_id}/lots
GET /api/v1/positions/{position_id}/methods
GET /api/v1/positions/{position_id}/executions
GET /api/v1/positions/{position_id}/notes
GET /api/v1/positions/{position_id}/prices
GET /api/v1/tags
GET /api/v1/executions
GET /api/v1/realized
GET /api/v1/realized/differences
GET /api/v1/statistics
GET /api/v1/performance
GET /api/v1/performance/attribution
GET /api/v1/performance/measures
GET /api/v1/account-groups
GET /api/v1/benchmarks
GET /api/v1/cash/balances
GET /api/v1/cash/flows
GET /api/v1/cash/rates
GET /api/v1/reconciliations
GET /api/v1/reconciliations/differences
GET /api/v1/imports
GET /api/v1/imports/{import_id}
GET /api/v1/snapshots
GET /api/v1/snapshots/runs
GET /api/v1/snapshots/gaps
GET /api/v1/snapshots/{snapshot_id}
GET /api/v1/instruments
GET /api/v1/instruments/{conid}
GET /api/v1/allocation
GET /api/v1/valuation
GET /api/v1/statements/differences
GET /api/v1/issues
GET /api/v1/issues/{issue_id}
GET /api/v1/rules
GET /api/v1/stream/events
GET /api/v1/sync
GET /api/v1/sync/history
GET /api/v1/jobs
GET /api/v1/jobs/{job_id}
GET /api/v1/alerts
GET /api/v1/dead
GET /api/v1/dead/{dead_id}
GET /api/v1/meta
GET /api/v1/portfolio/allocation
GET /api/v1/portfolio/attribution
GET /api/v1/portfolio/calendar
GET /api/v1/portfolio/drawdowns
GET /api/v1/portfolio/history
GET /api/v1/portfolio/summary
GET /api/v1/statements
GET /api/v1/statements/coverage
GET /api/v1/validation
"""

_SYNC = """
POST /api/v1/sync/resync
POST /api/v1/snapshots
POST /api/v1/imports
POST /api/v1/imports/{import_id}/undo
POST /api/v1/issues/check
POST /api/v1/issues/{issue_id}/acknowledge
POST /api/v1/reconciliations/differences/{difference_id}/acknowledge
DELETE /api/v1/reconciliations/differences/{difference_id}/acknowledge
POST /api/v1/dead/{dead_id}/retry
POST /api/v1/positions/{position_id}/notes
PATCH /api/v1/positions/{position_id}/notes/{note_id}
DELETE /api/v1/positions/{position_id}/notes/{note_id}
POST /api/v1/positions/{position_id}/tags
DELETE /api/v1/positions/{position_id}/tags
"""

_ADMIN = """
GET /api/v1/users
POST /api/v1/users
PATCH /api/v1/users/{name}
DELETE /api/v1/users/{name}
GET /api/v1/audit
GET /api/v1/settings
POST /api/v1/dead/{dead_id}/drop
PATCH /api/v1/accounts/{account}
"""

NEEDED = MappingProxyType(
    {
        route: scope
        for scope, routes in ((Scope.READ, _READ), (Scope.SYNC, _SYNC), (Scope.ADMIN, _ADMIN))
        for route in routes.strip().splitlines()
    }
)
"""The scope that each route needs."""

TO_SET_UP = frozenset(
    {
        "GET /api/v1/session",
        "DELETE /api/v1/session",
        "POST /api/v1/users/{name}/second-factor",
        "POST /api/v1/users/{name}/second-factor/prove",
    }
)
"""What a user may who has to set up a second factor first."""

AUDITED = MappingProxyType(
    {
        "POST /api/v1/session": "sign_in",
        "DELETE /api/v1/session": "sign_out",
        "POST /api/v1/setup": "setup",
        "DELETE /api/v1/sessions/{number}": "session_end",
        "POST /api/v1/tokens": "token_create",
        "DELETE /api/v1/tokens/{token_id}": "token_revoke",
        "POST /api/v1/users": "user_create",
        "PATCH /api/v1/users/{name}": "user_change",
        "DELETE /api/v1/users/{name}": "user_remove",
        "POST /api/v1/users/{name}/password": "user_password",
        "POST /api/v1/users/{name}/second-factor": "second_factor_begin",
        "POST /api/v1/users/{name}/second-factor/prove": "second_factor_set",
        "POST /api/v1/users/{name}/second-factor/remove": "second_factor_remove",
        "POST /api/v1/sync/resync": "resync",
        "POST /api/v1/snapshots": "snapshot",
        "POST /api/v1/imports": "import",
        "POST /api/v1/imports/{import_id}/undo": "import_undo",
        "POST /api/v1/issues/check": "issues_check",
        "POST /api/v1/issues/{issue_id}/acknowledge": "issue_acknowledge",
        "POST /api/v1/reconciliations/differences/{difference_id}/acknowledge": "difference_acknowledge",
        "DELETE /api/v1/reconciliations/differences/{difference_id}/acknowledge": "difference_take_back",
        "POST /api/v1/dead/{dead_id}/retry": "dead_retry",
        "POST /api/v1/dead/{dead_id}/drop": "dead_drop",
        "POST /api/v1/positions/{position_id}/notes": "note_write",
        "PATCH /api/v1/positions/{position_id}/notes/{note_id}": "note_change",
        "DELETE /api/v1/positions/{position_id}/notes/{note_id}": "note_remove",
        "POST /api/v1/positions/{position_id}/tags": "tag_add",
        "DELETE /api/v1/positions/{position_id}/tags": "tag_take",
        "PATCH /api/v1/accounts/{account}": "account_change",
    }
)
"""What is written to the audit log, and under which name."""


def route_of(connection: HTTPConnection) -> str:
    """The route as the table spells it."""
    scope = connection.scope
    method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
    return f"{method} {getattr(scope.get('route'), 'path', '')}"


async def permit(connection: HTTPConnection) -> None:
    """Asked before each route, and before its parameters are looked at.

    Raises:
        ProblemError: 403 where it needs a wider scope, or is none that somebody gave a scope to.
    """
    route = route_of(connection)
    if route in PUBLIC:
        return
    identity: Identity | None = connection.scope.get("identity")
    if identity is None:
        raise unauthorized()
    needed = NEEDED.get(route)
    if needed is None:
        raise scope_needed("Nobody was given this route.")
    if identity.scope < needed:
        raise scope_needed(f"This needs the scope {needed.word}, and yours is {identity.scope.word}.")
    if route not in TO_SET_UP:
        check_factor(identity)


def check_factor(identity: Identity) -> None:
    """Where everybody must have a second factor, let nobody pass who signed in by name and has none.

    Raises:
        ProblemError: 403.
    """
    if identity.lacks_factor:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "second_factor_required",
            "Here everybody needs a second factor. Set yours up: POST /api/v1/users/{name}/second-factor, or "
            "`lotkeeper user second-factor NAME` on the machine.",
        )


def scope_needed(detail: str) -> ProblemError:
    """Somebody known asks for more than they may."""
    return ProblemError(HTTPStatus.FORBIDDEN, "scope_needed", detail)


def sign_in_needed(detail: str) -> ProblemError:
    """A token asks for what would outlive it: what leaked must not stay after it was revoked."""
    return ProblemError(HTTPStatus.FORBIDDEN, "sign_in_needed", f"{detail} Sign in as a user for that.")
