"""A program: ask a host that moves to another address, and print how long it is not found.

``python -m tests...moving_host HOSTS PORT``: in a namespace of its own, in which the file HOSTS is
``/etc/hosts``, ``moved.test`` is first where nobody listens, and then 127.0.0.1.
"""

import sys
import time
from pathlib import Path

from django_sqs_kombu import EndpointUnreachable
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

from ..conftest import QUEUE_URL


def main(hosts, port):
    url = f"http://moved.test:{port}"
    options = {"region": "us-east-1", "client-config": {"connect_timeout": 1}}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=url)
    account.urls["orders"] = QUEUE_URL
    requests = Requests(account)
    for address in ("127.0.0.2", "127.0.0.1"):
        Path(hosts).write_text(f"{address} moved.test\n")
        began = time.monotonic()
        while not answers(requests) and address == "127.0.0.1" and passed(began) < 20:
            time.sleep(0.1)
    sys.stdout.write(str(passed(began)))


def passed(began):
    return time.monotonic() - began


def answers(requests):
    try:
        requests.receive("orders", 1, 0, None)
    except EndpointUnreachable:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
