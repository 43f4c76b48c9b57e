"""ib_async's decoder, made to tell of what it cannot read instead of swallowing it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from ib_async import Execution
from ib_async.decoder import Decoder
from ib_async.wrapper import Wrapper

from core.errors import ErrorCategory
from services.broker.gateway_time import GatewayTimes
from services.broker.told import Told
from services.broker.unreadable import UnreadableError

Fields = list[str]
OnUnreadable = Callable[[ErrorCategory, str, Fields], None]

USED = frozenset(
    {4, 6, 7, 9, 10, 11, 15, 18, 49, 52, 54, 55, 59, 61, 62, 63, 64, 71, 72, 73, 74, 94, 95},
)
"""The messages a recorder needs. Others that exist (orders, market data) are not even decoded: ib_async would
keep every order and fill until the link ends."""

_REQUEST, _EXEC_ID, _EXECUTION_TIME, _SHARES, _PRICE = 1, 14, 15, 19, 20
"""Where an execution (11) has them."""

_PAID_EXEC_ID, _COMMISSION, _REALIZED = 2, 3, 5
"""Where a commission report (59) has them."""

_NAN = "nan"

# Fields whose empty text ib_async reads as 0 (or stumbles over); for us it is unknown.
_EMPTY_IS_UNKNOWN = {
    7: (13, 14, 15, 16, 17, 18),
    59: (3, 5),
    61: (14, 15),
    71: (15, 16),
}


def _to_float(text: str) -> float:
    return float(text) if text else math.nan


def _to_int(text: str) -> int:
    return int(text) if text else 0


def _to_text(text: str) -> str:
    return text


def _to_bool(text: str) -> bool:
    return bool(int(text)) if text else False


_CONVERT: dict[type, Callable[[str], Any]] = {float: _to_float, int: _to_int, str: _to_text, bool: _to_bool}
_plans: dict[type, list[tuple[str, Callable[[str], Any], Any]]] = {}


def _plan(kind: type) -> list[tuple[str, Callable[[str], Any], Any]]:
    """The numeric fields of one of ib_async's dataclasses: name, conversion, value where it is empty."""
    known = _plans.get(kind)
    if known is None:
        known = []
        for field in dataclasses.fields(kind):
            numeric = type(field.default)
            if numeric in {int, float, bool}:
                unknown = math.nan if kind is Execution and numeric is float else field.default
                known.append((field.name, _CONVERT[numeric], unknown))
        _plans[kind] = known
    return known


class RecordingDecoder(Decoder):
    """Decodes what a recorder needs; what cannot be read goes to ``on_unreadable`` with its raw fields.

    What repeats something that was ``told`` is passed over undecoded.
    """

    def __init__(
        self, wrapper: Wrapper, times: GatewayTimes, on_unreadable: OnUnreadable, told: Told | None = None
    ) -> None:
        super().__init__(wrapper, 0)
        self.times = times
        self._told = told or Told()
        self.zone_assumed = False
        self._on_unreadable = on_unreadable
        self._by_text: dict[str, Callable[[Fields], None] | None] = {
            str(message): self._prepared(message, handler) if message in USED else None
            for message, handler in self.handlers.items()
        }

    def wrap(self, methodName: str, types: list[type], skip: int = 2) -> Callable[[Fields], None]:  # noqa: N803 - ib_async's name
        """As in ib_async, but an exception is not swallowed and an empty float is not 0."""
        converters = [_CONVERT[kind] for kind in types]
        wrapper = self.wrapper

        def handler(fields: Fields) -> None:
            values = fields[skip:]
            method = getattr(wrapper, methodName, None)
            if method is not None:
                method(*[convert(value) for convert, value in zip(converters, values, strict=False)])

        return handler

    def _prepared(self, message: int, handler: Callable[[Fields], None]) -> Callable[[Fields], None]:
        """``handler`` behind whatever must happen to the fields before ib_async sees them."""
        if message == 11:  # noqa: PLR2004 - the wire's id of an execution
            return self._execution(handler)
        if message == 59:  # noqa: PLR2004 - of a commission report
            return self._commission(self._with_unknown(message, handler))
        return self._with_unknown(message, handler)

    def _with_unknown(self, message: int, handler: Callable[[Fields], None]) -> Callable[[Fields], None]:
        unknown_where_empty = _EMPTY_IS_UNKNOWN.get(message)
        if unknown_where_empty is None:
            return handler

        def prepared(fields: Fields) -> None:
            if "" in fields:
                fields = fields.copy()
                for index in unknown_where_empty:
                    if not fields[index]:
                        fields[index] = _NAN
            handler(fields)

        return prepared

    def _execution(self, handler: Callable[[Fields], None]) -> Callable[[Fields], None]:
        told = self._told

        def prepared(fields: Fields) -> None:
            # ib_async loses the fill where it does not know the zone, and asks the machine for its zone where
            # there is none. It reads seconds since 1970 as they are.
            moment, self.zone_assumed = self.times.read(fields[_EXECUTION_TIME])
            if told.skip_known and len(fields) > _PRICE:
                one = fields[_REQUEST], fields[_EXEC_ID], fields[_SHARES], fields[_PRICE]
                if told.repeats_text(*one, moment):
                    return
            readable = fields.copy()
            readable[_EXECUTION_TIME] = str(int(moment.timestamp()))
            handler(readable)

        return prepared

    def _commission(self, handler: Callable[[Fields], None]) -> Callable[[Fields], None]:
        told = self._told

        def prepared(fields: Fields) -> None:
            if told.skip_known and len(fields) > _REALIZED:
                one = fields[_PAID_EXEC_ID], fields[_COMMISSION], fields[_REALIZED]
                if told.repeats_commission_text(*one):
                    return
            handler(fields)

        return prepared

    def parse(self, obj: Any) -> None:
        """As in ib_async, with the fields of each class looked up once."""
        kind = type(obj)
        for name, convert, unknown in _plan(kind):
            text = getattr(obj, name)
            setattr(obj, name, convert(text) if text else unknown)

    def interpret(self, fields: Fields) -> None:
        """Decode one message and call the wrapper, or tell why that cannot be done."""
        try:
            handler = self._by_text[fields[0]]
        except LookupError:
            self._on_unreadable("parsing", "unknown message id", fields)
            return
        if handler is None:
            return
        try:
            handler(fields)
        except UnreadableError as error:
            self._on_unreadable(error.category, error.reason, fields)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes cause is told, never raised
            self._on_unreadable("parsing", f"a message that does not decode ({type(error).__name__})", fields)
