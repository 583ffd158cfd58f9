"""A line between the flyer and the process that can be watched, silenced and cut."""

import contextlib
import socket
import threading
from urllib.parse import urlparse


class Line:
    """Passes on what it gets. ``before(step)`` is called before a request is, and may block."""

    def __init__(self, url):
        self.target = url
        self.before = lambda step: None
        self.losing = set()
        """Steps whose next answer does not arrive."""
        self._talks = threading.Event()
        self._talks.set()
        self._is_cut = False
        self._sockets = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Breaks all connections; new ones are broken at once."""
        self._is_cut = True
        for one in list(self._sockets):
            _close(one)

    def mend(self):
        self._is_cut = False

    def silence(self):
        """Passes nothing on any more."""
        self._talks.clear()

    def close(self):
        self._talks.set()
        self.cut()
        _close(self._listener)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        target = urlparse(self.target)
        try:
            server = socket.create_connection((target.hostname, target.port))
        except OSError:
            return _close(client)
        self._sockets |= {client, server}
        if self._is_cut:
            _close(client)
        asked = []
        back = threading.Thread(target=self._pass_back, args=(server, client, asked), daemon=True)
        back.start()
        self._pass_on(client, server, asked)
        back.join()
        self._sockets -= {client, server}

    def _pass_on(self, client, server, asked):
        with _both(client, server):
            while data := client.recv(65536):
                if data.startswith((b"GET ", b"POST ")):
                    asked[:] = [data.split(b" ", 2)[1].decode().split("?")[0].rsplit("/", 1)[1]]
                    self.before(asked[0])
                self._talks.wait()
                server.sendall(data)

    def _pass_back(self, server, client, asked):
        with _both(client, server):
            while data := server.recv(65536):
                if asked and asked[0] in self.losing:
                    self.losing.remove(asked[0])
                    return
                self._talks.wait()
                client.sendall(data)


@contextlib.contextmanager
def _both(client, server):
    # Either side has gone, and so does the other.
    with contextlib.suppress(OSError):
        yield
    _close(client)
    _close(server)


def _close(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
