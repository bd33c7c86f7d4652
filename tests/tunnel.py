"""A tunnel to a server of a test's own, that can fall silent as a firewall does."""

import contextlib
import socket
import threading


class Tunnel:
    """Passes connections on.

    :param port: of the server on 127.0.0.1.
    :param at: the port that it has itself; 0: any.
    """

    def __init__(self, port, at=0):
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", at))
        self.port = self._listening.getsockname()[1]
        self._ends = []
        self._silent = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self):
        """Pass nothing more over the connections that there are, which stay open."""
        self._silent.update(self._ends)

    def break_off(self):
        """End the connections that there are."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Accept nothing more, and end all that there is."""
        self._listening.close()
        self.break_off()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if source not in self._silent:
                    target.sendall(data)
            if source not in self._silent:
                target.shutdown(socket.SHUT_WR)
