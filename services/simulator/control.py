"""A small synchronous client of a simulator's control API, for other processes."""

import json
import urllib.error
import urllib.request
from typing import Any

DEFAULT_TIMEOUT_SECONDS = 60.0


class ControlError(RuntimeError):
    """The simulator refused an operation; the text is its reason."""


class ControlClient:
    """Calls the control API on loopback. Every method blocks until it is done."""

    def __init__(self, port: int, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._timeout = timeout

    def status(self) -> dict[str, Any]:
        """``port``, ``client_ids``, ``link_lost``, ``stalled``."""
        return self._call("GET", "/status")

    def book(self) -> dict[str, Any]:
        """Accounts, positions, executions and marks; every amount is a string."""
        return self._call("GET", "/book")

    def fill(self, **arguments: Any) -> str:
        """Fill an order, see ``Simulator.fill``; returns the exec id."""
        return str(self._call("POST", "/fill", arguments)["exec_id"])

    def correct(self, exec_id: str, **arguments: Any) -> str:
        """Correct a fill, see ``Simulator.correct``; returns the new exec id."""
        return str(self._call("POST", "/correct", {"exec_id": exec_id, **arguments})["exec_id"])

    def burst(self, count: int, *, books: int | None = None) -> dict[str, Any]:
        """Send many fills at once: ``count``, ``seconds``, ``first``, ``last``."""
        return self._call("POST", "/burst", {"count": count, "books": books})

    def fault(self, operation: str, /, **arguments: Any) -> Any:
        """Any operation by its name, see ``control_api.operations``."""
        return self._call("POST", f"/faults/{operation}", arguments)["result"]

    def drop_connections(self) -> int:
        """Hang up on everybody."""
        return int(self.fault("drop_connections"))

    def stall(self, on: bool = True) -> None:
        """Open sockets, silence."""
        self.fault("stall", on=on)

    def refuse(self, on: bool = True, how: str = "closed") -> None:
        """No new clients."""
        self.fault("refuse", on=on, how=how)

    def accept_but_never_answer(self, on: bool = True) -> None:
        """Connections that are never greeted."""
        self.fault("accept_but_never_answer", on=on)

    def tell_time_only(self, on: bool = True) -> None:
        """Nothing but the time."""
        self.fault("tell_time_only", on=on)

    def drop_every(self, seconds: float | None) -> None:
        """Hang up again and again."""
        self.fault("drop_every", seconds=seconds)

    def send_error(self, code: int, text: str | None = None, req_id: int = -1) -> None:
        """An error or notice to everybody."""
        self.fault("send_error", code=code, text=text, req_id=req_id)

    def connectivity_lost(self) -> None:
        """1100."""
        self.fault("connectivity_lost")

    def connectivity_restored(self, data_lost: bool = False) -> None:
        """1101 or 1102."""
        self.fault("connectivity_restored", data_lost=data_lost)

    def send_raw(self, message: bytes | list[str]) -> None:
        """Bytes as they are, or one message of these fields."""
        self.fault(
            "send_raw", **({"data_hex": message.hex()} if isinstance(message, bytes) else {"fields": message})
        )

    def send_bad(self, kind: str) -> None:
        """Garbage of a kind."""
        self.fault("send_bad", kind=kind)

    def positions_answer(self, how: str | tuple[str, int]) -> None:
        """How requests for positions are answered."""
        self.fault("positions_answer", how=how)

    def execution_time_zone(self, name: str | None) -> None:
        """The zone name execution times carry."""
        self.fault("execution_time_zone", name=name)

    def duplicate(self, exec_id: str) -> None:
        """Send a fill again."""
        self.fault("duplicate", exec_id=exec_id)

    def out_of_order(self, **arguments: Any) -> list[str]:
        """Fills told backwards."""
        return [str(exec_id) for exec_id in self.fault("out_of_order", **arguments)]

    def pause_market(self) -> None:
        """Nothing moves by itself."""
        self.fault("pause_market")

    def resume_market(self) -> None:
        """The market moves again."""
        self.fault("resume_market")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body, default=str).encode()
        request = urllib.request.Request(  # noqa: S310 - the address is ours: http on loopback
            self._base + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310 - the same
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(error.read().decode()) from None
        return answer
