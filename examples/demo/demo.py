"""The demo: a local SQS server, a worker, messages of several kinds, and their status.

Run it with ``make demo``; ``make demo KEEP=1`` leaves all of it running to play with.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MANAGE = [sys.executable, str(HERE / "manage.py")]
PATIENCE = 40.0


def start_server():
    """A server in this process, as sqs_local runs one; returns its URL."""
    from django_sqs.development.local_server import LocalServer

    server = LocalServer("127.0.0.1", 0)
    server.start()
    return server.url


def step(text):
    print(f"\n== {text}", flush=True)


def send_messages():
    """One message of each kind."""
    from shop import receivers
    from shop.models import Order

    receivers.receive_greeting(body="Hello, żółw!")
    receivers.receive_price(body={"item": "tea", "price": 3})
    receivers.receive_note(body="<note>plain</note>")
    receivers.pack_order(instance=Order.objects.create(title="two pounds of tea"))
    receivers.receive_payment(body="42 EUR")
    receivers.fail(body="bad luck")


def wait_until_empty():
    subprocess.run(
        [*MANAGE, "sqs_wait", "-t", "0.5", "-c", "1", "--timeout", str(PATIENCE)], check=True
    )


def run(keep):
    step("Starting a local SQS server")
    os.environ["DEMO_SQS_ENDPOINT_URL"] = start_server()
    print(os.environ["DEMO_SQS_ENDPOINT_URL"])

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    sys.path.insert(0, str(HERE))
    import django

    django.setup()
    subprocess.run([*MANAGE, "migrate", "--run-syncdb", "-v", "0"], check=True)

    step("Starting the receivers: manage.py runreceiver (a process for each queue)")
    # In a session of its own, so that Ctrl-C reaches it once, from here.
    worker = subprocess.Popen([*MANAGE, "runreceiver"], start_new_session=True)
    try:
        step("Sending messages")
        send_messages()
        wait_until_empty()
        time.sleep(0.2)
        step("All messages are done: manage.py sqs_status")
        subprocess.run([*MANAGE, "sqs_status"], check=True)
        if keep:
            play(worker)
    finally:
        worker.terminate()
        code = worker.wait(30)
    print("\nThe receivers have stopped.")
    return code


def play(worker):
    from django.contrib.auth.models import User

    if not User.objects.filter(username="demo").exists():
        User.objects.create_superuser("demo", password="demo")
    step("Everything is left running; end it with Ctrl-C. In another terminal, for instance:")
    endpoint = os.environ["DEMO_SQS_ENDPOINT_URL"]
    manage = f"DEMO_SQS_ENDPOINT_URL={endpoint} {sys.executable} {MANAGE[1]}"
    print(
        f"  {manage} shell -c \"import django_sqs; django_sqs.send('greetings', body='Hi')\"\n"
        f"  {manage} sqs_status\n"
        f"  {manage} runserver    # then http://127.0.0.1:8000/admin/ as demo, password demo",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        worker.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    keep = parser.parse_args().keep
    if keep:
        return run(keep)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEMO_DATABASE"] = str(Path(folder) / "demo.sqlite3")
        return run(keep)


if __name__ == "__main__":
    sys.exit(main())
