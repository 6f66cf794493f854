"""A small process that forks one child for each file: python -m inference.reading.helper FD

Starting Python and importing the decoders takes 0.4 s of a core; a fork of this process takes some milliseconds. It has
one thread, no secret in its environment and no connection but the socket FD, by which `isolation.py` sends requests:
one JSON object each, with the descriptor that the answer goes to, and maybe that of a socket by which the child asks
for parts of a file that lies in object storage. When the socket FD closes, it ends.
"""

import json
import os
import select
import signal
import socket
import sys

from inference.documents.reading import Asked
from inference.reading import child, pillow, tiff, writing  # noqa: F401  (imported before the fork, so that no child must)
from inference.reading.questions import Asking

MOST_REQUEST = 1 << 16  # bytes of one request


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    waiting: dict[int, int] = {}  # child -> descriptor that hears how it ended
    # A child's end wakes the loop by a byte. A handler alone is not enough: Python runs it between two of its own
    # steps, so an end just before the loop begins to wait would be noticed only when the next request comes.
    ended, on_end = socket.socketpair()
    ended.setblocking(False)
    on_end.setblocking(False)
    signal.set_wakeup_fd(on_end.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal ends whoever asked, and with it our socket
    ours = [requests, ended, on_end]
    while True:
        ready, _, _ = select.select([requests, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            report(waiting)
        if requests in ready:
            message, descriptors, *_ = socket.recv_fds(requests, MOST_REQUEST, 2)
            if not message:
                return
            start(Asked.model_validate_json(message), descriptors, ours, waiting)


def report(waiting: dict[int, int]) -> None:
    """Tell whoever waits for it how each child that has ended did so."""
    while waiting:
        child_id, status = os.waitpid(-1, os.WNOHANG)
        if child_id == 0:
            return
        answer = waiting.pop(child_id)
        _send(answer, json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        os.close(answer)


def start(asked: Asked, descriptors: list[int], ours: list[socket.socket], waiting: dict[int, int]) -> None:
    """Fork the child, which keeps nothing of this process but the descriptors that came with the request."""
    answer, *asks = descriptors
    pid = os.fork()
    if pid != 0:
        waiting[pid] = answer
        for descriptor in asks:
            os.close(descriptor)
        return
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for connection in ours:
            connection.close()
        for other in waiting.values():
            os.close(other)
        limits = asked.limits
        child.limit_this_process(
            megabytes=limits.megabytes, cpu_seconds=limits.cpu_seconds, wall_seconds=limits.wall_seconds,
            file_megabytes=limits.file_megabytes,
        )  # fmt: skip
        asking = Asking(socket.socket(fileno=asks[0])) if asks else None
        _send(answer, child.answer_line(child.work(asked.work, asking)))
        code = 0
    finally:
        os._exit(code)


def _send(answer: int, line: bytes) -> None:
    try:
        while line:
            line = line[os.write(answer, line) :]
    except BrokenPipeError:  # whoever asked has gone
        pass


if __name__ == "__main__":
    main()
