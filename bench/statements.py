"""Read a statement of 100,000 trades with 88 attributes each (175 MB), beside libxml2 or bare expat.

The floor goes through the same file and makes nothing of it: libxml2, element by element, where lxml is
installed (it is no dependency of ours), else expat without a single handler. Neither makes a text of any of
the nine million attributes, let alone a number. Memory is what a process grew by while it read, a chunk of
the file at least. Both run in processes of their own, in turns; times are theirs, so that a busy machine
changes them little.
``python -m bench.statements [TRADES]``
"""

import importlib.util
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.parsers.expat import ParserCreate

from bench.report import figure
from core.process import collect_rarely
from services.statements.read import CHUNK_BYTES, StatementReader
from services.statements.rows import Trade

ROUNDS = 3
HEAD = (
    '<FlexQueryResponse queryName="all" type="AF">\n<FlexStatements count="1">\n'
    '<FlexStatement accountId="U1234567" fromDate="20230102" toDate="20231229" period="LastYear" '
    'whenGenerated="20240102;031500">\n<Trades>\n'
)
TAIL = "</Trades>\n</FlexStatement>\n</FlexStatements>\n</FlexQueryResponse>\n"

# fmt: off
EMPTY = (
    "acctAlias", "model", "underlyingConid", "underlyingSymbol", "underlyingSecurityID",
    "underlyingListingExchange", "issuer", "strike", "expiry", "putCall", "principalAdjustFactor",
    "clearingFirmID", "volatilityOrderLink", "openDateTime", "holdingPeriodDateTime", "whenRealized",
    "whenReopened", "traderID", "origTradeDate", "origTradeID", "serialNumber", "deliveryType",
    "commodityType", "relatedTradeID", "relatedTransactionID", "rtn", "origTransactionID",
    "positionActionID", "orderReference", "brokerageOrderID",
)
# fmt: on


def trades(count: int) -> Iterator[str]:
    """Rows as an activity statement has them: some two hundred instruments, a trade every minute or so."""
    chance = random.Random(5)  # noqa: S311 - the same input in every run
    at = datetime(2023, 1, 3, 9, 30)  # noqa: DTZ001 - as a statement spells it, without a zone
    for number in range(count):
        at += timedelta(seconds=chance.randrange(120))
        stated = _trade(number, at, chance)
        yield "<Trade " + " ".join(f'{name}="{text}"' for name, text in stated.items()) + " />\n"


def _trade(number: int, at: datetime, chance: random.Random) -> dict[str, str]:
    instrument, size = chance.randrange(200), chance.choice((1, 5, 10, 100, 250))
    quantity = size * chance.choice((1, -1))
    price = Decimal(chance.randrange(1_000, 60_000)) / 100
    fee = Decimal(chance.randrange(35, 500)) / 100
    money = price * quantity
    when = at.strftime("%Y%m%d;%H%M%S")
    return {
        "accountId": "U1234567",
        "currency": "USD",
        "fxRateToBase": "0.92137",
        "assetCategory": "STK",
        "subCategory": "COMMON",
        "symbol": f"SYM{instrument}",
        "description": f"THE {instrument}TH CO",
        "conid": str(265_598 + instrument),
        "securityID": f"US{instrument:09d}5",
        "multiplier": "1",
        "securityIDType": "ISIN",
        "cusip": f"{instrument:09d}",
        "isin": f"US{instrument:09d}5",
        "figi": f"BBG{instrument:09d}",
        "listingExchange": "NASDAQ",
        "issuerCountryCode": "US",
        "tradeID": str(600_000_000 + number),
        "reportDate": when[:8],
        "dateTime": when,
        "tradeDate": when[:8],
        "settleDateTarget": when[:8],
        "transactionType": "ExchTrade",
        "exchange": "ISLAND",
        "quantity": str(quantity),
        "tradePrice": str(price),
        "tradeMoney": str(money),
        "proceeds": str(-money),
        "taxes": "0",
        "ibCommission": str(-fee),
        "ibCommissionCurrency": "USD",
        "netCash": str(-money - fee),
        "closePrice": str(price),
        "openCloseIndicator": "O" if quantity > 0 else "C",
        "notes": "P",
        "cost": str(money + fee),
        "fifoPnlRealized": "0" if quantity > 0 else str(fee * 3),
        "fxPnl": "0",
        "mtmPnl": str(fee * 2),
        "origTradePrice": "0",
        "origOrderID": "0",
        "transactionID": str(2_790_000_000 + number),
        "buySell": "BUY" if quantity > 0 else "SELL",
        "ibOrderID": str(427_000_000 + number // 2),
        "ibExecID": f"0000e9a5.{0x5BE51000 + number:08x}.01.01",
        "exchOrderId": "N/A",
        "extExecID": f"{number:014d}",
        "orderTime": when,
        "levelOfDetail": "EXECUTION",
        "changeInPrice": "0",
        "changeInQuantity": "0",
        "orderType": "LMT",
        "isAPIOrder": "N",
        "accruedInt": "0",
        "fineness": "0.0",
        "weight": "0.0 ()",
        "initialInvestment": "No",
        "capitalGainsPnl": "0",
        "netCashInBase": str(-money - fee),
        **dict.fromkeys(EMPTY, ""),
    }


def write(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(trades(count))
        file.write(TAIL)


def ours(path: Path) -> int:
    """Every row read to typed values."""
    return sum(isinstance(row, Trade) for row in StatementReader(path))


def libxml2(path: Path) -> int:
    """Every element, of which no attribute is looked at, and nothing kept."""
    from lxml import etree  # noqa: PLC0415 - may be missing

    found = 0
    for _, element in etree.iterparse(path, events=("end",), tag="Trade"):
        found += 1
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return found


def expat(path: Path) -> int:
    """Well-formed or not, and nothing else."""
    parser = ParserCreate()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            parser.Parse(chunk, False)
    parser.Parse(b"", True)
    return -1


READERS: dict[str, Callable[[Path], int]] = {"ours": ours, "libxml2": libxml2, "expat": expat}


def measure(reader: str, path: Path) -> None:
    """Print seconds, megabytes grown and rows of one reading, for the process that started this one."""
    collect_rarely()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    rows = READERS[reader](path)
    seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps([seconds, max(grown, CHUNK_BYTES / 1e6), rows]))


def apart(reader: str, path: Path) -> tuple[float, float, int]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.statements", "--measure", reader, str(path)],
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, grown, rows = json.loads(done.stdout)
    return seconds, grown, rows


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    floor = "libxml2" if importlib.util.find_spec("lxml") else "expat"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "statement.xml")
        write(path, count)
        size = path.stat().st_size / 1e6
        runs = [(apart("ours", path), apart(floor, path)) for _ in range(ROUNDS)]
    if any(mine[2] != count or theirs[2] not in {count, -1} for mine, theirs in runs):
        raise SystemExit("The figures would be worth nothing: not every trade was read.")
    name = f"{count:,} trades of 88 attributes, {size:.0f} MB"
    print(f"floor: {floor}")
    figure(f"memory of reading {name}", *(min(run[side][1] for run in runs) for side in (0, 1)), "MB")
    figure(f"reading {name}", *(min(run[side][0] for run in runs) for side in (0, 1)), "s")


if __name__ == "__main__":
    main()
