"""A host whose address changes: SQS's do, and those of a VPC's endpoints."""

import subprocess
import sys

import pytest


def in_namespace(hosts, *command):
    """Run *command* where the file *hosts* is the system's."""
    mounted = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted, str(hosts), *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def hosts(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.touch()
    try:
        tried = in_namespace(hosts, "true")
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if tried.returncode:
        pytest.skip(f"no namespace can be made: {tried.stderr}")
    return hosts


def test_a_host_is_found_where_it_has_moved_to(scripted, hosts):
    """libcurl believed for a minute in the address where nobody answers any more."""
    scripted.answers["ReceiveMessage"] = {"Messages": []}
    port = scripted.url.rpartition(":")[2]
    program = f"{__package__}.moving_host"

    ran = in_namespace(hosts, sys.executable, "-m", program, str(hosts), port)

    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 5
