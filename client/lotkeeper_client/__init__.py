"""Read a Lotkeeper portfolio: ``Client.from_env().positions().to_polars()``."""

from lotkeeper_client.client import Client
from lotkeeper_client.errors import (
    ConflictError,
    ExtraMissingError,
    ForbiddenError,
    InsecureAddressError,
    InvalidRequestError,
    LotkeeperClientError,
    NotFoundError,
    ProblemError,
    TokenMissingError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
)
from lotkeeper_client.frame import Frame
from lotkeeper_client.rows import Freshness

__all__ = [
    "Client",
    "ConflictError",
    "ExtraMissingError",
    "ForbiddenError",
    "Frame",
    "Freshness",
    "InsecureAddressError",
    "InvalidRequestError",
    "LotkeeperClientError",
    "NotFoundError",
    "ProblemError",
    "TokenMissingError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
]
