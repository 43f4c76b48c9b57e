"""What can go wrong, as types: each text is a sentence that says what to do."""

from typing import ClassVar

import msgspec


class LotkeeperClientError(Exception):
    """Something that a user of the client can act on."""


class TokenMissingError(LotkeeperClientError):
    """No API token was found."""


class InsecureAddressError(LotkeeperClientError):
    """The token would go over the network in the clear."""


class UnreachableError(LotkeeperClientError):
    """Nobody answers at the address."""


class UnexpectedAnswerError(LotkeeperClientError):
    """What answers is no Lotkeeper, or one that this client is too old for."""


class ExtraMissingError(LotkeeperClientError):
    """A library is not installed that this needs."""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one parameter."""

    location: str
    message: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document, as far as it is read here."""

    status: int
    title: str = ""
    detail: str = ""
    code: str = ""
    errors: tuple[FieldError, ...] = ()


class ProblemError(LotkeeperClientError):
    """A refusal of the server (RFC 9457). ``code`` is stable; the text is what the server says to do."""

    kinds: ClassVar[dict[int, type["ProblemError"]]] = {}

    def __init__(self, document: Document, retry_after: float | None = None) -> None:
        told = "; ".join(f"{one.location}: {one.message}" for one in document.errors)
        super().__init__(f"{document.detail or document.title} [{document.code}]{told and f' ({told})'}")
        self.status = document.status
        self.code = document.code
        self.title = document.title
        self.detail = document.detail
        self.errors = document.errors
        self.retry_after = retry_after


class InvalidRequestError(ProblemError):
    """A parameter is wrong: 400 or 422."""


class UnauthorizedError(ProblemError):
    """The token is not the one of this server: 401."""


class ForbiddenError(ProblemError):
    """The token may not do this: 403."""


class NotFoundError(ProblemError):
    """There is no such thing: 404."""


class ConflictError(ProblemError):
    """It cannot be done as things stand: 409."""


class TooManyRequestsError(ProblemError):
    """The server is asked too often: 429. ``retry_after`` says in how many seconds to come again."""


class UnavailableError(ProblemError):
    """The server cannot answer just now: 503, also after it was tried again."""


ProblemError.kinds = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    503: UnavailableError,
}


def refusal(status: int, document: Document, retry_after: float | None = None) -> ProblemError:
    """A refusal as the type that its status has."""
    return ProblemError.kinds.get(status, ProblemError)(document, retry_after)


def problem_of(status: int, body: bytes, retry_after: float | None = None) -> LotkeeperClientError:
    """The refusal that a body tells of."""
    try:
        document = msgspec.json.decode(body, type=Document)
    except msgspec.MsgspecError:
        return UnexpectedAnswerError(f"The answer has status {status} and is no problem document.")
    return refusal(status, document, retry_after)
