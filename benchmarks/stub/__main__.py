"""python -m benchmarks.stub: serve until ended."""

import argparse
import asyncio
import contextlib
import signal

from ..cores import SERVER, pin
from .connection import Connection
from .service import Service

try:
    import uvloop
except ImportError:  # It is slower, and does the same.
    uvloop = None


async def serve(port, latency):
    loop = asyncio.get_running_loop()
    service = Service(latency)
    server = await loop.create_server(
        lambda: Connection(service, loop), "127.0.0.1", port, backlog=4096
    )
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(service.url, flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stub", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each request")
    parser.add_argument("--pinned", action="store_true", help="to a core, beside its clients'")
    arguments = parser.parse_args()
    if arguments.pinned:
        pin(SERVER)
    if uvloop is not None:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, arguments.latency))


if __name__ == "__main__":
    main()
