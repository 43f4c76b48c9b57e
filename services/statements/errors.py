"""Why a file could not be read as a statement. Each names the file, the line and the reason."""

from core.errors import LotkeeperError


class StatementError(LotkeeperError):
    """A file cannot be read as a statement. ``line`` counts from 1, ``None`` where none is to blame."""

    code = "statement_unreadable"

    def __init__(self, name: str, line: int | None, reason: str) -> None:
        self.name = name
        self.line = line
        self.reason = reason
        super().__init__(f"{name}{'' if line is None else f', line {line}'}: {reason}")


class NotXmlError(StatementError):
    """It is not XML, or damaged in the middle."""

    code = "statement_not_xml"


class TruncatedError(StatementError):
    """It ends before it is complete."""

    code = "statement_truncated"


class NotAStatementError(StatementError):
    """It is well-formed, but nothing in it is of a Flex statement."""

    code = "statement_of_another_kind"


class DeclarationError(StatementError):
    """It declares a document type: entities could make it grow without end, and a statement has none."""

    code = "statement_declares_entities"


class ExcessiveError(StatementError):
    """It is nested deeper, or a piece of it is longer, than any statement: it could fill the memory."""

    code = "statement_excessive"


class UnusableRowError(StatementError):
    """A row lacks what it cannot do without."""

    code = "statement_row_unusable"


class FlexServiceError(StatementError):
    """The Flex service answered that it has no statement. ``flex_code`` is its own number for why."""

    code = "flex_service_error"

    def __init__(self, name: str, line: int | None, flex_code: int | None, message: str) -> None:
        self.flex_code = flex_code
        number = "without a code" if flex_code is None else f"with code {flex_code}"
        super().__init__(
            name, line, f"the Flex service answered {number} instead of a statement: {message or 'no reason'}"
        )


class NotCsvError(StatementError):
    """It is no text, or no table with a row of names at its head."""

    code = "statement_not_csv"
