"""A Redis server of a test's own, where Redis is installed."""

import contextlib
import os
import shutil
import socket
import time

import pytest

from .processes import Process


@contextlib.contextmanager
def running(folder):
    """A server on 127.0.0.1; yields its URL."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    server = Process([*command, "--dir", str(folder)], dict(os.environ))
    try:
        deadline = time.monotonic() + 20
        while "Ready to accept connections" not in server.output:
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.end()
