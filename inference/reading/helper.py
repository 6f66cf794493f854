"""A small process that forks one child for each file: python -m inference.reading.helper FD

Starting Python and importing the decoders takes 0.4 s of a core; a fork of this process takes some milliseconds. It has
one thread, no secret in its environment and no connection but the socket FD, by which `isolation.py` sends requests:
one JSON object each, with the descriptor that the answer goes to. When that socket closes, it ends.
"""

import json
import os
import signal
import socket
import sys
from types import FrameType

from inference.documents.reading import Asked
from inference.reading import child, pillow, tiff, writing  # noqa: F401  (imported before the fork, so that no child must)

MOST_REQUEST = 1 << 16  # bytes of one request


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    waiting: dict[int, int] = {}  # child -> descriptor that hears how it ended

    def report(_number: int, _frame: FrameType | None) -> None:
        while waiting:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if ended == 0:
                return
            _tell(waiting.pop(ended, None), status)

    signal.signal(signal.SIGCHLD, report)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal ends whoever asked, and with it our socket
    while True:
        message, descriptors, *_ = socket.recv_fds(requests, MOST_REQUEST, 1)
        if not message:
            return
        start(Asked.model_validate_json(message), descriptors[0], requests, waiting)


def start(asked: Asked, answer: int, requests: socket.socket, waiting: dict[int, int]) -> None:
    """Fork the child. Its end is not to be reported before it is in `waiting`, so SIGCHLD waits that long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            requests.close()
            for other in waiting.values():
                os.close(other)
            limits = asked.limits
            child.limit_this_process(
                megabytes=limits.megabytes, cpu_seconds=limits.cpu_seconds, wall_seconds=limits.wall_seconds,
                file_megabytes=limits.file_megabytes,
            )  # fmt: skip
            _send(answer, child.answer_line(child.work(asked.work)))
            code = 0
        finally:
            os._exit(code)
    waiting[pid] = answer
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _tell(answer: int | None, status: int) -> None:
    if answer is not None:
        _send(answer, json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        os.close(answer)


def _send(answer: int, line: bytes) -> None:
    try:
        while line:
            line = line[os.write(answer, line) :]
    except BrokenPipeError:  # whoever asked has gone
        pass


if __name__ == "__main__":
    main()
