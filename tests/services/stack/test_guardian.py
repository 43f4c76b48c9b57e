import signal
import sys

from services.stack.guardian import end, listen
from services.stack.processes import Process
from tests.waiting import eventually_now


def test_it_knows_who_is_left() -> None:
    assert listen(["+ 10 2", "+ 11 9", "- 10", "- 99"]) == {11: 9}


def test_it_asks_first_and_kills_then() -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(3600)"
    process = Process([sys.executable, "-c", deaf])
    eventually_now(lambda: process.tail)
    end({process.pid: signal.SIGTERM, 2**22 + 1: signal.SIGTERM}, grace_seconds=0.1)
    assert process.wait(20) == -signal.SIGKILL
