"""Processes whose output is kept."""

import signal
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Process:
    """A running command whose output is kept."""

    def __init__(self, command, env, cwd=ROOT):
        self.popen = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self.popen.pid
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self):
        return "".join(self._lines)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=30):
        code = self.popen.wait(timeout)
        self._reader.join(5)
        return code

    def end(self):
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.wait()

    def _read(self):
        for line in self.popen.stdout:
            self._lines.append(line)
