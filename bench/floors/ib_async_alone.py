"""The floor of the recorder: ``ib_async`` decoding a burst of executions and doing nothing with them.

``python ib_async_alone.py PORT COUNT`` prints ``ready``, then the seconds from the first execution to
the last.
"""

import asyncio
import sys
import time

from ib_async import IB


async def main(port: int, count: int) -> None:
    ib = IB()
    await ib.connectAsync("127.0.0.1", port, clientId=5, readonly=True, timeout=30)
    done = asyncio.Event()
    first = 0.0
    seen = 0
    decoded = ib.wrapper.commissionReport

    def commission_report(report: object) -> None:
        nonlocal first, seen
        decoded(report)
        first = first or time.perf_counter()
        seen += 1
        if seen == count:
            done.set()

    ib.wrapper.commissionReport = commission_report
    print("ready", flush=True)
    await asyncio.wait_for(done.wait(), 120)
    print(time.perf_counter() - first, flush=True)
    ib.disconnect()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
