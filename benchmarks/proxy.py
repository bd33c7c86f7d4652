"""A counting proxy for HTTP/1.1 with adjustable latency, run as a process of its own.

    python -m benchmarks.proxy PORT UPSTREAM_PORT

``GET /-/stats`` answers the counts so far as JSON, ``GET /-/reset?latency=0.02`` sets them
to zero and the latency, in seconds, that is added to each request.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TARGET = re.compile(rb"\r\nx-amz-target: *AmazonSQS\.(\w+)", re.IGNORECASE)


class Proxy:
    """Passes requests on and counts them."""

    def __init__(self, upstream_port):
        self._upstream_port = upstream_port
        self.reset(0.0)

    def reset(self, latency):
        self.latency = latency
        self.requests = Counter()
        self.receives = []
        self.bytes = 0

    async def serve(self, reader, writer):
        """Serve one connection, with one to the server."""
        upstream = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await self._body(reader, head)
                if head.startswith(b"GET /-/"):
                    self._control(head, writer)
                    continue
                self._count(head, body)
                if self.latency:
                    await asyncio.sleep(self.latency)
                if upstream is None:
                    upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
                upstream[1].write(head + body)
                answer = await upstream[0].readuntil(b"\r\n\r\n")
                writer.write(answer + await self._body(upstream[0], answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def _body(self, reader, head):
        found = LENGTH.search(head)
        return await reader.readexactly(int(found[1])) if found else b""

    def _count(self, head, body):
        target = TARGET.search(head)
        operation = target[1].decode() if target else "other"
        self.requests[operation] += 1
        self.bytes += len(head) + len(body)
        if operation == "ReceiveMessage":
            self.receives.append(time.monotonic())

    def _control(self, head, writer):
        url = urlsplit(head.split(b" ", 2)[1].decode())
        if url.path == "/-/reset":
            self.reset(float(parse_qs(url.query)["latency"][0]))
        stats = {
            "requests": self.requests,
            "bytes": self.bytes,
            "receives": self.receives,
            "now": time.monotonic(),
        }
        body = json.dumps(stats).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def main(port, upstream_port):
    proxy = Proxy(upstream_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=4 * 1024 * 1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
