"""A cable that can be pulled: a TCP proxy in front of a box's HTTP port."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Cable:
    """Forwards connections to `target` while plugged in; pulled, it cuts and refuses them."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self._plugged = True
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where a page is found through the cable."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def pull(self) -> None:
        """Cut all connections, and refuse new ones."""
        self._plugged = False
        with self._lock:
            for one in self._open:
                _close(one)
            self._open.clear()

    def plug(self) -> None:
        """Accept connections again."""
        self._plugged = True

    def close(self) -> None:
        """Cut all connections, and close the listener."""
        self.pull()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._plugged:
                    _close(near)
                    continue
                try:
                    far = socket.create_connection(self.target)
                except OSError:
                    _close(near)
                    continue
                for one in (near, far):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def cable_to(url: str, stack: contextlib.ExitStack) -> Cable:
    """Return a proxy to a box that can be cut; the stack closes it."""
    parts = urlsplit(url)
    cable = Cable((parts.hostname or "", parts.port or 0))
    stack.callback(cable.close)
    return cable
