"""The database gone while receivers run: the workers stay, and connections heal."""

import pytest

from .. import postgres


@pytest.fixture
def server():
    with postgres.running() as server:
        yield server


def names(server, name):
    import psycopg

    _, _, database = name.partition("/")
    address = f"host=127.0.0.1 port={server.port} user=postgres dbname={database}"
    with psycopg.connect(address) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM shop_run ORDER BY id")]


@pytest.mark.parametrize("queue", ["patient", "patient_closing"])
@pytest.mark.parametrize("threads", [1, 3])
def test_receivers_heal_after_the_database_was_gone(
    queue, threads, server, world, eventually, fast_server
):
    world.project.env["TEST_POSTGRES"] = name = server.create_database("site")
    migrated = world.project.run("migrate", "-v0", "--run-syncdb")
    assert migrated.popen.returncode == 0, migrated.output
    worker = world.project.start("runreceiver", queue, f"--threads={threads}")

    def send(*bodies):
        code = f"import django_sqs; [django_sqs.send({queue!r}, body=b) for b in {bodies!r}]"
        done = world.project.run("shell", "-c", code)
        assert done.popen.returncode == 0, done.output

    send("before")
    eventually(lambda: names(server, name) == ["before"], timeout=30)
    server.stop()
    send("meanwhile", "too")
    eventually(lambda: worker.output.count("is to be restarted later") >= 2, timeout=30)
    server.start()
    send("after")

    eventually(
        lambda: set(names(server, name)) == {"before", "meanwhile", "too", "after"}, timeout=40
    )
    assert len(names(server, name)) == 4
    assert worker.popen.poll() is None
