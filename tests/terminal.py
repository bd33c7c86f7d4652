"""A shell in which a reader of the documentation types; the standard library is enough."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

#: Seconds that a command may take, an installation included.
PATIENCE = 300
#: Seconds until something is shown: less than a message is hidden that got lost (60).
SHOWN = 50
#: Seconds after Ctrl-C.
STOP = 30


class Terminal:
    """A shell that stops at the first command that fails, and what it has shown.

    :param name: as the text has it.
    :param folder: where it is opened.
    :param env: its environment.
    """

    def __init__(self, name, folder, env):
        self.name = name
        self._scripts = 0
        self._folder = folder
        self._shown, self._seen, self._ended = "", 0, False
        self._changed = threading.Condition()
        # Processes of a terminal are one group, and Ctrl-C is for all of them.
        self._shell = subprocess.Popen(
            ["sh", "-e"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def type(self, code):
        """Type a block; what is shown from now on is its own."""
        self._scripts += 1
        script = self._folder / f"{self.name.replace(' ', '-')}-{self._scripts}.sh"
        script.write_text(code)
        with self._changed:
            self._seen = len(self._shown)
        # No command reads what is typed after it.
        self._shell.stdin.write(f". {script} </dev/null; echo; echo {self._mark}\n")

    @property
    def _mark(self):
        return f"[{self.name}: done {self._scripts}]"

    def wait(self):
        """Wait until the shell has run the block."""
        self._wait(lambda: self._mark in self._shown, PATIENCE, "the block to end")

    def expect(self, text):
        """Wait until *text* is shown; "..." in it stands for anything, spaces for any number."""
        parts = [r"\s+".join(map(re.escape, part.split())) for part in text.split("...")]
        pattern = re.compile(".*?".join(parts), re.S)
        self._wait(lambda: pattern.search(self._shown, self._seen), SHOWN, text)
        with self._changed:
            self._seen = pattern.search(self._shown, self._seen).end()

    def interrupt(self):
        """Press Ctrl-C, and wait until nothing of the terminal runs any more."""
        os.killpg(self._shell.pid, signal.SIGINT)
        with self._changed:
            gone = self._changed.wait_for(lambda: self._ended, STOP)
        assert gone, f"{self.name} still runs {STOP} s after Ctrl-C:\n{self._shown}"
        assert "Traceback" not in self._shown[self._seen :], self._shown
        self.end()

    def end(self):
        """End what is left of it, by the id of its own group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended, STOP):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.stdin.close()
        self._shell.wait(STOP)

    def _wait(self, happened, patience, what):
        deadline = time.monotonic() + patience
        with self._changed:
            while not happened():
                left = deadline - time.monotonic()
                if self._ended or (not self._changed.wait(max(left, 0)) and left <= 0):
                    why = "ended" if self._ended else f"was waited for {patience} s"
                    raise AssertionError(f"{self.name} {why}, without {what}:\n{self._shown}")

    def _read(self):
        for line in self._shell.stdout:
            with self._changed:
                self._shown += line
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
