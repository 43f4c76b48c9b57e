"""RFC 9457 problem documents: every refusal and failure of the API, with a stable code."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core import logs
from core.errors import (
    DatabaseUnavailableError,
    LedgerUnfoldedError,
    LotkeeperError,
    StreamUnavailableError,
)
from services.api import failures
from services.api.live.load import database_is_away
from services.api.schemas.common import FieldError, Problem, encode

log = logs.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:lotkeeper:problem:"

TITLES = {
    "unauthorized": "Authentication is needed",
    "too_many_attempts": "Too many wrong tokens",
    "token_in_url": "A token does not belong in an address",
    "host_not_allowed": "Unknown host name",
    "cross_site": "Request from another site",
    "not_found": "Nothing is here",
    "account_not_found": "Unknown account",
    "position_not_found": "Unknown position",
    "job_not_found": "Unknown job",
    "import_not_found": "Unknown import",
    "issue_not_found": "Unknown issue",
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
    "method_not_allowed": "Method not allowed",
    "cursor_invalid": "The cursor is not one of ours",
    "account_needed": "An account is needed",
    "time_invalid": "The time is not one that can be asked about",
    "validation_failed": "The request is not valid",
    "database_unavailable": "The database cannot be reached",
    "stream_unavailable": "Redis cannot be reached",
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
        body = Problem(
            type=TYPE_PREFIX + self.code,
            title=TITLES.get(self.code, self.status.phrase),
            status=self.status.value,
            detail=self.detail,
            code=self.code,
            errors=self.errors,
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
    elif isinstance(error, StreamUnavailableError | LedgerUnfoldedError):
        problem = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, error.code, str(error))
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


async def _answer(_request: Request, error: Exception) -> Response:
    return problem_of(error).response()


def install(app: FastAPI) -> None:
    """Answer every failure inside the application with a problem document."""
    for kind in (ProblemError, RequestValidationError, HTTPException, LotkeeperError):
        app.add_exception_handler(kind, _answer)
