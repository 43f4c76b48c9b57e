"""Why a statement could not be fetched. None of these, nor what caused it, has the token in it."""

from typing import ClassVar

from core.errors import ErrorCategory, LotkeeperError


class FlexError(LotkeeperError):
    """A statement could not be fetched. ``flex_code`` is the service's own number for why, if it gave one."""

    code = "flex_failed"
    category: ClassVar[ErrorCategory] = "validation"

    def __init__(self, sentence: str, flex_code: int | None = None) -> None:
        self.flex_code = flex_code
        super().__init__(sentence)


class FlexTokenError(FlexError):
    """The service does not take the token: someone has to make another."""

    code = "flex_token_refused"
    exit_code = 6
    category = "auth"


class FlexQueryError(FlexError):
    """The service has no such query, or cannot answer it."""

    code = "flex_query_refused"
    exit_code = 2
    category = "validation"


class FlexBusyError(FlexError):
    """The statement is still being made, or the service was asked too often: later it will be there."""

    code = "flex_busy"
    exit_code = 4
    category = "rate_limit"


class FlexUnreachableError(FlexError):
    """The service could not be reached, or broke off: network, TLS, time-outs, HTTP 5xx. Try again."""

    code = "flex_unreachable"
    exit_code = 3
    category = "network"


class FlexAnswerError(FlexError):
    """What the service answered is neither a statement nor a refusal."""

    code = "flex_answer_unusable"
    category = "parsing"


class FlexFolderError(FlexError):
    """The statement cannot be kept where it was to be kept."""

    code = "flex_folder_unusable"
    exit_code = 6
    category = "database"
