"""A MariaDB server of a test's own, where MariaDB is installed."""

import os
import shutil
import socket
import subprocess
import time

from ..processes import Process

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")


def program(name):
    """Where a program of MariaDB's is; Debian keeps the server where only root looks."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))


def missing():
    """What is not installed, if anything."""
    return None if all(map(program, PROGRAMS)) else "MariaDB is not installed"


class MariaDB:
    """A server on 127.0.0.1 that can be stopped and started again."""

    def __init__(self, folder):
        self._folder = folder
        # It refuses to run as root, unless it is told to.
        self._user = ["--user=root"] if os.geteuid() == 0 else []
        self._data = f"--datadir={folder / 'data'}"
        subprocess.run(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                self._data,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *self._user,
            ],
            check=True,
            capture_output=True,
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = str(self.port)
        #: Past any pooler.
        self.server_port = self.port
        self._server = None

    def start(self):
        options = (
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
            # With 0 a server that is killed has lost what it said was committed.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=64M",
            "--character-set-server=utf8mb4",
            "--skip-log-bin",
            "--skip-name-resolve",
        )
        command = [program("mariadbd"), "--no-defaults", self._data, *options, *self._user]
        self._server = Process(command, dict(os.environ))
        deadline = time.monotonic() + 60
        while "ready for connections" not in self._server.output:
            assert time.monotonic() < deadline, self._server.output
            time.sleep(0.1)

    def stop(self):
        """Stop it, its connections broken off."""
        self._server.popen.kill()
        self._server.wait(20)

    def execute(self, statement):
        """Run a statement as the administrator."""
        client = [program("mariadb"), "--no-defaults", "-h127.0.0.1", f"-P{self.port}", "-uroot"]
        subprocess.run([*client, "-e", statement], check=True, capture_output=True)

    def end(self):
        if self._server is not None:
            self._server.end()
