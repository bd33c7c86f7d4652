"""manage.py runreceiver as real processes with real signals."""

import os
import re
import signal
import time

import pytest

import django_sqs

pytestmark = pytest.mark.usefixtures("site")


def send(queue, *bodies):
    for body in bodies:
        django_sqs.send(queue, body=body)


def name(queue):
    return django_sqs.queues[queue].full_name()


def children(process):
    """The process ids of the supervisor's children, by what they run."""
    found = {}
    for pid, child in re.findall(r"Process (\d+) started for (.+)", process.output):
        found.setdefault(child.strip(), []).append(int(pid))
    return found


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_queue_runs_in_this_process(project, counts):
    send("plain", "a", "b")

    process = project.run("runreceiver", "plain", "--message-limit=2")

    assert process.wait() == 0
    assert sorted(project.bodies("plain")) == ["a", "b"]
    assert {run["pid"] for run in project.runs("plain")} == {process.pid}
    assert {run["thread"] for run in project.runs("plain")} == {"MainThread"}
    assert "Receiving from queue plain" in process.output
    assert counts(name("plain")) == (0, 0, 0)


def test_several_queues_get_a_process_each(project):
    send("plain", "a", "b")
    send("second", "c", "d")

    process = project.run("runreceiver", "plain", "second", "--message-limit=2")

    assert process.wait() == 0
    pids = {queue: {run["pid"] for run in project.runs(queue)} for queue in ("plain", "second")}
    assert len(pids["plain"]) == len(pids["second"]) == 1
    assert len(pids["plain"] | pids["second"] | {process.pid}) == 3


@pytest.mark.parametrize("queues", [("talking",), ("talking", "second")], ids=["alone", "forked"])
def test_what_receivers_print_is_seen_at_once_where_it_goes_to_a_pipe(queues, project, eventually):
    worker = project.start("runreceiver", *queues, PYTHONUNBUFFERED="")

    project.run("shell", "-c", "import django_sqs; django_sqs.send('talking', body='hello')")

    eventually(lambda: "it says hello\n" in worker.output)
    assert worker.popen.poll() is None, "its end shows what is printed in any case"


def test_message_limit_is_exact_with_threads_and_processes(project, counts):
    send("plain", *map(str, range(25)))
    send("second", *map(str, range(25)))

    process = project.run(
        "runreceiver",
        "plain",
        "second",
        "--processes=2",
        "--threads=3",
        "--message-limit=20",
    )

    assert process.wait() == 0
    for queue in ("plain", "second"):
        assert len(project.runs(queue)) == 20
        assert counts(name(queue)) == (5, 0, 0)
    pids = {run["pid"] for queue in ("plain", "second") for run in project.runs(queue)}
    assert len(pids) == 2
    assert process.pid not in pids


def test_every_outcome_in_one_worker(project, counts):
    send("restart", "r")
    send("failing", "f")
    send("exiting", "e")
    send("limited", "l")
    send("started", "restart", "fail")

    queues = ("restart", "failing", "exiting", "limited", "started")
    process = project.start("runreceiver", *queues, "--processes=1")
    deadline = time.monotonic() + 60
    done = {"restart": 2, "failing": 1, "exiting": 1, "limited": 1, "started": 3}
    while {queue: len(project.runs(queue)) for queue in queues} != done:
        assert time.monotonic() < deadline, process.output
        time.sleep(0.1)
    time.sleep(1.5)
    process.signal(signal.SIGTERM)

    assert process.wait() == 0
    assert {queue: len(project.runs(queue)) for queue in queues} == done
    assert "ValueError: a receiver's own fault" in process.output
    assert "SystemExit: a receiver that calls sys.exit" in process.output
    assert "timed out after 1 s" in process.output
    assert [run["receive_count"] for run in project.runs("restart")] == [1, 2]
    assert {counts(name(queue)) for queue in queues} == {(0, 0, 0)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
@pytest.mark.parametrize(
    "options",
    [
        [],
        pytest.param(["--processes=2"], marks=pytest.mark.slow),
        pytest.param(["--threads=2"], marks=pytest.mark.slow),
    ],
)
def test_signals_end_everything_cleanly(project, counts, eventually, number, options):
    send("slow", "2")
    process = project.start("runreceiver", "slow", *options)
    eventually(lambda: project.runs("slow"))

    process.signal(number)

    assert process.wait(20) == 0
    assert [run["finished"] for run in project.runs("slow")] == [1]
    assert counts(name("slow")) == (0, 0, 0)
    assert not [pid for pids in children(process).values() for pid in pids if alive(pid)]
    assert "Traceback" not in process.output


@pytest.mark.slow
def test_messages_that_nobody_can_start_are_left_to_others(project, counts, eventually):
    send("slow", "4", "4", "4")
    process = project.start("runreceiver", "slow", "plain", "--processes=1")
    eventually(lambda: project.runs("slow"))
    eventually(lambda: counts(name("slow")) == (2, 1, 0))

    process.signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert counts(name("slow")) == (2, 0, 0)


def test_receivers_that_outlast_the_grace_period_are_cut_off(project, counts, eventually):
    send("slow", "60")
    process = project.start("runreceiver", "slow", TEST_GRACE_PERIOD="1")
    eventually(lambda: project.runs("slow"))

    process.signal(signal.SIGTERM)

    assert process.wait(20) == 4
    assert "is still running 1 s after the stop" in process.output
    assert counts(name("slow")) == (1, 0, 0)


def test_a_second_signal_cuts_receivers_off_at_once(project, counts, eventually):
    send("slow", "60")
    process = project.start("runreceiver", "slow", "plain")
    eventually(lambda: project.runs("slow"))
    process.signal(signal.SIGINT)
    eventually(lambda: "Stopping 2 processes on SIGINT" in process.output)

    process.signal(signal.SIGINT)

    assert process.wait(20) == 4
    assert counts(name("slow")) == (1, 0, 0)


def test_a_dead_child_is_respawned(project, eventually):
    process = project.start("runreceiver", "plain", "second")
    eventually(lambda: len(children(process)) == 2)
    [first] = children(process)["plain"]

    os.kill(first, signal.SIGKILL)

    eventually(lambda: len(children(process)["plain"]) == 2)
    send("plain", "after")
    eventually(lambda: project.bodies("plain") == ["after"])
    assert "(plain) ended with SIGKILL" in process.output
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_middleware_is_told_of_processes_that_ended_and_of_the_stop(project, eventually):
    worker = project.start("runreceiver", "plain", "second", TEST_MIDDLEWARE="1")
    children = eventually(lambda: started(worker) if len(started(worker)) == 2 else None)
    os.kill(int(children[1]), signal.SIGKILL)
    eventually(lambda: "process 1 has ended" in worker.output)
    eventually(lambda: len(started(worker)) == 3)
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    told = set(re.findall(r"(\d+) is stopping", worker.output))
    assert told == {str(worker.pid), children[0], started(worker)[2]}
    assert worker.output.count("process 0 has ended") == 1


def started(worker):
    return re.findall(r"Process (\d+) started", worker.output)


@pytest.mark.slow
def test_a_message_of_a_killed_process_is_received_again(project, eventually, counts):
    send("crashing", "x")
    process = project.start("runreceiver", "crashing", "second", TEST_VISIBILITY_TIMEOUT="2")

    eventually(lambda: len(project.runs("crashing")) == 2)

    assert [run["receive_count"] for run in project.runs("crashing")] == [1, 2]
    assert "ended with exit code 70" in process.output
    eventually(lambda: counts(name("crashing")) == (0, 0, 0))


@pytest.mark.slow
def test_message_limit_survives_a_killed_process(project, eventually):
    process = project.start(
        "runreceiver", "plain", "--processes=2", "--message-limit=3", "--verbosity=2"
    )
    eventually(lambda: len(children(process).get("plain", [])) == 2)
    time.sleep(1.5)
    for pid in children(process)["plain"]:
        os.kill(pid, signal.SIGKILL)
    # moto would hand messages to the polls of the dead until those end.
    time.sleep(5)

    send("plain", "a", "b", "c", "d")

    assert process.wait(30) == 0
    assert len(project.runs("plain")) == 3


def test_children_end_when_their_supervisor_is_killed(project, eventually):
    process = project.start("runreceiver", "plain", "second")
    eventually(lambda: len(children(process)) == 2)
    pids = [pid for pids in children(process).values() for pid in pids]

    process.signal(signal.SIGKILL)

    eventually(lambda: not any(alive(pid) for pid in pids))


def test_suffix(project):
    django_sqs.send("plain", body="big one", suffix="big")
    send("plain", "small one")

    process = project.run("runreceiver", "plain", "--suffix=big", "--message-limit=1")

    assert process.wait() == 0
    assert project.bodies("plain") == ["big one"]


def test_pid_file(project, eventually, tmp_path):
    file = tmp_path / "worker.pid"
    process = project.start("runreceiver", "plain", f"--pid-file={file}")
    eventually(file.exists)
    eventually(lambda: file.read_text() == f"{process.pid}\n")

    second = project.run("runreceiver", "plain", f"--pid-file={file}")
    assert second.wait() == 1
    assert f"belongs to process {process.pid}" in second.output

    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not file.exists()


@pytest.mark.parametrize("pid", [99999999, os.getpid()], ids=["gone", "of another"])
def test_the_pid_file_of_a_killed_run_is_replaced(project, tmp_path, pid):
    """Also where another process has its id now, as in a container that starts again."""
    file = tmp_path / "worker.pid"
    file.write_text(f"{pid}\n")
    send("plain", "x")

    process = project.run("runreceiver", "plain", "--message-limit=1", f"--pid-file={file}")

    assert process.wait() == 0


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_pid_file_that_leads_elsewhere_is_refused(project, tmp_path, link):
    target, file = tmp_path / "precious", tmp_path / "worker.pid"
    target.write_text("keep me")
    link(target, file)

    process = project.run("runreceiver", "plain", f"--pid-file={file}")

    assert process.wait() == 1
    assert "Cannot write --pid-file" in process.output
    assert target.read_text() == "keep me"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["plain", "--relo"], 2, "unrecognized arguments: --relo"),
        (["nowhere"], 1, "No queue 'nowhere' is registered"),
        (["outgoing"], 1, "'outgoing' has no receiver"),
        (["plain", "--suffix=a b"], 1, "Illegal SQS queue name"),
        (["plain", "--threads=0"], 2, "must be 1 or more"),
        (["plain", "--processes=some"], 2, "number of processes, or 'per-queue'"),
        (["plain", "--message-limit=-1"], 2, "must be 1 or more"),
        (["plain", "--pid-file=/nowhere/x.pid"], 1, "Cannot write --pid-file"),
    ],
)
def test_bad_arguments_end_in_one_clear_line(project, arguments, code, says):
    process = project.run("runreceiver", *arguments)

    assert process.wait() == code
    assert says in process.output
    assert "Traceback" not in process.output


def test_a_missing_queue_is_reported_and_the_worker_goes_on(project, eventually, sqs):
    process = project.start("runreceiver", "plain", TEST_CREATE_QUEUES="no")
    eventually(lambda: "does not exist in SQS" in process.output)

    sqs.create_queue(QueueName=name("plain"))
    send("plain", "x")

    eventually(lambda: project.bodies("plain") == ["x"], timeout=20)
    assert "Traceback" not in process.output


def test_a_server_that_is_down_is_reported_and_the_worker_goes_on(project, eventually):
    process = project.start("runreceiver", "plain", TEST_SQS_ENDPOINT_URL="http://127.0.0.1:9")

    eventually(lambda: "Cannot reach SQS at http://127.0.0.1:9" in process.output, timeout=30)
    process.signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert "Traceback" not in process.output


def test_a_message_for_a_deleted_row_is_settled_and_the_worker_goes_on(project, sqs, counts):
    url = sqs.create_queue(QueueName=name("rows"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="WyJzaG9wIiwgIm9yZGVyIiwgOTldIA==")
    sqs.send_message(QueueUrl=url, MessageBody="no message of ours")

    # The row may still be on its way: it is tried again after four receives.
    process = project.run("runreceiver", "rows", "--message-limit=6", TEST_BACKOFF="0.5")

    assert process.wait() == 0
    assert "there is no shop.order with primary key 99 any more" in process.output
    assert "neither JSON nor base64 of JSON" in process.output
    assert counts(name("rows")) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [(), ("--processes=2", "--threads=2")])
def test_a_message_that_kills_its_process_is_set_aside_alone(
    layout, project, eventually, prefix, counts
):
    project.env["TEST_VISIBILITY_TIMEOUT"] = "2"
    worker = project.start("runreceiver", "poison", "plain", *layout)
    sent = project.run(
        "shell",
        "-c",
        "import django_sqs; django_sqs.send('poison', body='kill');"
        "[django_sqs.send(q, body=str(n)) for n in range(5) for q in ('poison', 'plain')]",
    )
    assert sent.popen.returncode == 0, sent.output

    eventually(lambda: counts(f"{prefix}__poison") == (0, 0, 0), timeout=60)
    eventually(lambda: len(set(project.bodies("plain"))) == 5)

    # Three processes died of it; the innocent that they held, and those that ran beside it,
    # were received all the same.
    assert project.bodies("poison").count("kill") == 3
    assert set("01234") <= set(project.bodies("poison"))
    assert "has killed its process too often" in worker.output
    assert worker.popen.poll() is None


def start_until(project, eventually, done, *arguments, most=8):
    """A lone worker that is started again when it dies, as systemd does it."""
    outputs = []
    for _ in range(most):
        worker = project.start("runreceiver", *arguments, TEST_VISIBILITY_TIMEOUT="2")
        eventually(lambda worker=worker: worker.popen.poll() is not None or done(), timeout=60)
        outputs.append(worker.output)
        if done():
            worker.end()
            return outputs
    raise AssertionError(outputs)


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["--threads=1", "--threads=3"])
def test_a_lone_worker_remembers_what_killed_it(
    threads, project, eventually, prefix, counts, tmp_path
):
    project.env["TMPDIR"] = str(tmp_path)
    project.run(
        "shell",
        "-c",
        "import django_sqs; django_sqs.send('poison', body='kill');"
        "[django_sqs.send('poison', body=str(n)) for n in range(5)]",
    )

    outputs = start_until(
        project, eventually, lambda: counts(f"{prefix}__poison") == (0, 0, 0), "poison", threads
    )

    assert len(outputs) == 4
    assert "has killed its process too often" in outputs[-1]
    assert project.bodies("poison").count("kill") == 3
    assert set("01234") <= set(project.bodies("poison"))
    assert {file.stat().st_mode & 0o077 for file in tmp_path.glob("django-sqs-*")} == {0}


@pytest.mark.slow
def test_a_stop_that_cuts_off_is_no_death(project, eventually, sqs, tmp_path):
    project.env["TMPDIR"] = str(tmp_path)
    project.env["TEST_GRACE_PERIOD"] = "0.5"
    project.run("shell", "-c", "import django_sqs; django_sqs.send('slow', body='60')")
    for tries in range(1, 5):
        worker = project.start("runreceiver", "slow")
        eventually(lambda tries=tries: len(project.runs("slow")) == tries, timeout=40)
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 4
        assert "too often" not in worker.output
