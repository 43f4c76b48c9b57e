"""What several lists can be asked for, and what is refused of it, with a sentence that says what to do."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator


def in_utc(moment: datetime) -> datetime:
    """The same moment, by UTC.

    Raises:
        ValueError: without a zone, or where UTC has no such day; the message follows the parameter's name.
    """
    if moment.tzinfo is None:
        msg = "has no zone: end it in Z for UTC, or in an offset such as -05:00"
        raise ValueError(msg)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        msg = "is before the first day there is, or after the last"
        raise ValueError(msg) from None


def _printable(value: str) -> str:
    if "\0" in value:
        msg = "holds a NUL character, which no name has: leave it out"
        raise ValueError(msg)
    return value


Moment = Annotated[datetime, AfterValidator(in_utc)]
Since = Annotated[Moment | None, Query(alias="from", description="closed at or after")]
Until = Annotated[Moment | None, Query(alias="to", description="closed before")]
Text = Annotated[str, AfterValidator(_printable)]
Symbol = Annotated[Text | None, Query(description="the exact symbol")]
RuleName = Annotated[Text | None, Query(description="the rule's name")]
Currency = Annotated[
    Annotated[Text, AfterValidator(str.upper)] | None, Query(description="its three letters, as USD")
]
