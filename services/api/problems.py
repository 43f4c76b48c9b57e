"""RFC 9457 problem documents: every refusal and failure of the API, with a stable code."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from structlog.contextvars import get_contextvars

from core import logs
from core.errors import (
    AllAccountsNeededError,
    DatabaseUnavailableError,
    LedgerUnfoldedError,
    LotkeeperError,
    RestrictionUnavailableError,
    StreamUnavailableError,
)
from models.session import is_too_slow
from services.api import failures
from services.api.live.load import database_is_away
from services.api.schemas.common import FieldError, Problem, encode

log = logs.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:lotkeeper:problem:"

TITLES = {
    "unauthorized": "Authentication is needed",
    "scope_needed": "A wider scope is needed",
    "sign_in_needed": "A user is needed",
    "account_not_yours": "Not one of your accounts",
    "too_many_attempts": "Too many wrong tokens or passwords",
    "too_many_requests": "Too many requests",
    "password_wrong": "The password is wrong",
    "second_factor_needed": "A second factor is needed",
    "second_factor_wrong": "The code is wrong",
    "second_factor_set": "There is a second factor",
    "second_factor_required": "A second factor has to be set up",
    "second_factor_unreadable": "The second factor cannot be read",
    "second_factor_not_found": "There is no second factor",
    "password_refused": "The password is too easily guessed",
    "setup_done": "There is a user already",
    "user_exists": "There is such a user already",
    "user_not_found": "Unknown user",
    "token_not_found": "Unknown token",
    "session_not_found": "Unknown session",
    "token_in_url": "A token does not belong in an address",
    "host_not_allowed": "Unknown host name",
    "cross_site": "Request from another site",
    "not_found": "Nothing is here",
    "account_not_found": "Unknown account",
    "position_not_found": "Unknown position",
    "job_not_found": "Unknown job",
    "import_not_found": "Unknown import",
    "import_undone": "It was taken back already",
    "issue_not_found": "Unknown issue",
    "difference_not_found": "Unknown difference",
    "note_not_found": "Unknown note",
    "difference_changed": "The difference is another one",
    "difference_resolved": "The difference is gone",
    "snapshot_not_found": "Unknown snapshot",
    "dead_fact_not_found": "Nothing of that number was set aside",
    "already_applied": "It was applied already",
    "instrument_not_found": "Unknown instrument",
    "value_not_known": "No value is known then",
    "nothing_between": "There is nothing between these times",
    "currency_changed": "The base currency is another one",
    "group_not_found": "Unknown group of accounts",
    "benchmark_not_found": "Unknown benchmark",
    "currency_needed": "The accounts are in several currencies",
    "file_too_large": "The file is too large",
    "file_empty": "There is no file",
    "too_many_files": "Other files are being handed in",
    "file_stalled": "The file does not come any more",
    "file_too_slow": "The file comes too slowly",
    "request_in_progress": "The same request is being answered",
    "idempotency_key_reused": "The key was used for another request",
    "answer_not_kept": "The answer is not kept",
    "method_not_allowed": "Method not allowed",
    "cursor_invalid": "The cursor is not one of ours",
    "account_needed": "An account is needed",
    "time_invalid": "The time is not one that can be asked about",
    "validation_failed": "The request is not valid",
    "database_unavailable": "The database cannot be reached",
    "query_too_slow": "The question takes too long",
    "too_busy": "Too many questions at once",
    "stream_unavailable": "Redis cannot be reached",
    "all_accounts_needed": "Access to all accounts is needed",
    "restriction_unavailable": "The database is not prepared for access to some accounts",
    "ledger_unfolded": "The ledger is still to be folded",
    "page_not_built": "The dashboard has not been built",
    "internal_error": "Something went wrong on the server",
}


class ProblemError(Exception):
    """A refusal with its status and code. ``detail`` says what to do."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = errors

    def response(self) -> Response:
        """The problem document."""
        named = get_contextvars()
        body = Problem(
            type=TYPE_PREFIX + self.code,
            title=TITLES.get(self.code, self.status.phrase),
            status=self.status.value,
            detail=self.detail,
            code=self.code,
            errors=self.errors,
            request_id=named.get("request_id") or named.get("correlation_id", ""),
        )
        headers = {"cache-control": "no-store", **self.headers}
        return Response(encode(body), self.status.value, headers, media_type=MEDIA_TYPE)


def unauthorized(detail: str = "Send the API token as a bearer token, or sign in.") -> ProblemError:
    """Nobody, or nobody we know."""
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        detail,
        headers={"www-authenticate": 'Bearer realm="lotkeeper"'},
    )


def not_found(code: str, detail: str) -> ProblemError:
    """What was asked for is not here."""
    return ProblemError(HTTPStatus.NOT_FOUND, code, detail)


def database_unavailable() -> ProblemError:
    """PostgreSQL is away."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database_unavailable",
        "PostgreSQL cannot be reached or is not migrated. It is tried again with the next request.",
        headers={"retry-after": "2"},
    )


def _query_too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "query_too_slow",
        "PostgreSQL took too long for this and was told to stop. Ask for a shorter time, one account or a "
        "smaller page, or ask again when less is going on.",
        headers={"retry-after": "10"},
    )


def _too_busy() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_busy",
        "All connections to PostgreSQL are taken by other requests. Ask again in a moment.",
        headers={"retry-after": "2"},
    )


def problem_of(error: BaseException) -> ProblemError:
    """The problem that an exception amounts to; an unexpected one is logged, and its inside stays inside."""
    known = _known(error)
    if known is not None:
        return known
    failures.tell(log, "request_failed", error)
    detail = "The log of Lotkeeper says more."
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail)


def _known(error: BaseException) -> ProblemError | None:
    problem: ProblemError | None = None
    if isinstance(error, ProblemError):
        problem = error
    elif isinstance(error, RequestValidationError):
        problem = _validation(error)
    elif isinstance(error, HTTPException):
        problem = _http(error)
    elif isinstance(error, AllAccountsNeededError):
        problem = ProblemError(HTTPStatus.FORBIDDEN, error.code, str(error))
    elif isinstance(error, StreamUnavailableError | LedgerUnfoldedError | RestrictionUnavailableError):
        problem = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error))
    elif is_too_slow(error):
        log.warning("query_too_slow")
        problem = _query_too_slow()
    elif isinstance(error, PoolTimeoutError):
        log.warning("pool_exhausted")
        problem = _too_busy()
    elif isinstance(error, DatabaseUnavailableError) or database_is_away(error):
        log.warning("request_without_database", reason=error.__class__.__name__)
        problem = database_unavailable()
    elif isinstance(error, LotkeeperError):
        problem = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, error.code, str(error))
    return problem


def _validation(error: RequestValidationError) -> ProblemError:
    fields = tuple(
        FieldError(
            location=".".join(str(part) for part in entry["loc"]),
            message=str(entry["msg"]).removeprefix("Value error, "),
        )
        for entry in error.errors()
    )
    detail = "; ".join(f"{field.location}: {field.message}" for field in fields)
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", detail, errors=fields)


def _http(error: HTTPException) -> ProblemError:
    status = HTTPStatus(error.status_code)
    code = {404: "not_found", 405: "method_not_allowed", 400: "validation_failed"}.get(
        error.status_code,
        "internal_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "validation_failed",
    )
    return ProblemError(status, code, f"{status.phrase}: {status.description}.", headers=error.headers)


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    request.scope["problem"] = problem.code
    return problem.response()


def install(app: FastAPI) -> None:
    """Answer every failure inside the application with a problem document."""
    for kind in (ProblemError, RequestValidationError, HTTPException, LotkeeperError):
        app.add_exception_handler(kind, _answer)
