"""The floor of the live path: one process that reads a Redis stream and writes each entry to its WebSockets.

No decoding, no state, no database. ``python bare_path.py REDIS_URL STREAM`` prints its port and serves until
it is killed.
"""

import sys

import uvloop
from redis.asyncio import Redis
from websockets.asyncio.server import ServerConnection, serve


async def main(redis_url: str, stream: str) -> None:
    clients: set[ServerConnection] = set()

    async def welcome(client: ServerConnection) -> None:
        clients.add(client)
        try:
            await client.wait_closed()
        finally:
            clients.discard(client)

    async with serve(welcome, "127.0.0.1", 0, compression=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        redis = Redis.from_url(redis_url)
        last = "$"
        while True:
            for _, entries in await redis.xread({stream: last}, count=500, block=1000) or []:
                for entry_id, fields in entries:
                    last = entry_id
                    for client in clients:
                        await client.send(fields[b"d"])


uvloop.run(main(sys.argv[1], sys.argv[2]))
