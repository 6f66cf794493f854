"""A network of the test's own between Boxwise and its database: it can be slow, silent, cut, and lead elsewhere."""

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path

PART = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset, as a router does that knows the connection no more


class Proxy:
    """Forwards TCP connections at `port` to a Unix socket.

    target  where new connections lead
    delay   seconds that each part waits on its way back
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.delay = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """From now on nothing arrives, and nobody is told: new connections are taken and not answered."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset all connections that there are."""
        with self._lock:
            connections, self._open = self._open, set()
        for one in connections:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def restore(self) -> None:
        """What arrives from now on is forwarded."""
        self._flows.set()

    def close(self) -> None:
        self._listening.close()
        self.restore()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        self._flows.wait()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._open.add(server)
        threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
        self._forward(server, client, True)

    def _forward(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(PART):
                self._flows.wait()
                if is_answer and self.delay:
                    time.sleep(self.delay)
                target.sendall(part)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            with self._lock:
                self._open.discard(one)
