"""Reading a stranger's annotation file in a process of its own, with limits of memory and time.

    read_apart ──starts──► python -m inference.formats.isolation: reads, writes ANSWER ──► images, one after the other

A bomb, an endless loop or a crash of a library ends the child and nothing else. ANSWER is a line of JSON and then the
images, each pickled; the parent takes nothing from it but the classes of model.py and arrays, so that a child that a
file has taken over cannot run code here. Only one image at a time is in the parent's memory.
"""

import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypedDict

from inference.formats import model
from inference.formats.conversion import read
from inference.formats.losses import Property, losses_of
from inference.formats.model import AnnotatedImage
from inference.formats.problems import FormatProblem, Listed
from inference.formats.registry import format_named
from inference.formats.sources import ARRAYS
from inference.types import InferenceError

MEGABYTES = 4096  # of address space
CPU_SECONDS = 1200
WALL_SECONDS = 1800
LARGEST_FILE = 16 * 2**30  # bytes that the child may write into one file: an unpacked archive, its answer
MOST_LOGGED = 4000  # characters of a traceback, from its end
CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
TOO_LONG = (-signal.SIGXCPU, -signal.SIGALRM)
log = logging.getLogger(__name__)
MODEL = (
    "AnnotatedImage", "Annotation", "Outline", "Polygon", "Pixels", "RunLengths", "Rectangle", "Points", "Line",
    "Region",
)  # fmt: skip


class Request(TypedDict):
    """What the child is asked. sizes: name of an image -> (width, height) px."""

    path: str
    answer: str
    format: str
    sizes: dict[str, tuple[int, int]]
    keeps: list[str]
    megabytes: int
    cpu_seconds: int
    wall_seconds: int


@dataclass
class ReadApart:
    """What `Reading` says, without the images, which `images` gives one after the other.

    total     how many images
    declined  sentences
    losses    (property, count) of what annotations of a project have no place for
    """

    format: str
    total: int
    skipped: dict[str, Listed]
    remarks: dict[str, int]
    declined: list[str]
    losses: list[tuple[str, int]]
    answer: Path
    begin: int

    def images(self) -> Iterator[AnnotatedImage]:
        with self.answer.open("rb") as opened:
            opened.seek(self.begin)
            for _number in range(self.total):
                yield _ModelOnly(opened).load()


@contextmanager
def read_apart(
    path: Path,
    *,
    format: str,
    sizes: Mapping[str, tuple[int, int]],
    keeps: frozenset[str],
    megabytes: int = MEGABYTES,
    cpu_seconds: int = CPU_SECONDS,
    wall_seconds: int = WALL_SECONDS,
) -> Iterator[ReadApart]:
    """Read as `conversion.read` does with strict=False; what came of it is there inside the `with`.

    keeps  values of Property that whoever reads has a place for

    Raises InferenceError with the sentence of `read`, and where the file needs more memory or time than the limits.
    """
    if format:
        format_named(format)
    with tempfile.TemporaryDirectory(prefix="boxwise-read-") as temporary:
        folder = Path(temporary)
        answer = folder / "answer"
        request: Request = {
            "path": str(path), "answer": str(answer), "format": format, "sizes": dict(sizes), "keeps": sorted(keeps),
            "megabytes": megabytes, "cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds,
        }  # fmt: skip
        _run(path, request, folder, megabytes, min(cpu_seconds, wall_seconds))
        yield _opened(answer)


def _run(path: Path, request: Request, folder: Path, megabytes: int, seconds: int) -> None:
    """Start the child and wait for it. Its temporary files lie in our folder, so they go however it ends."""
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment |= {"PYTHONPATH": str(CHECKOUT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment["TMPDIR"] = str(folder)
    command = [sys.executable, "-m", "inference.formats.isolation"]
    sent = json.dumps(request).encode()
    done = subprocess.run(command, input=sent, env=environment, capture_output=True, check=False)
    if done.returncode in TOO_LONG:
        cause = f"it takes longer than {seconds:,} s to be read"
        raise FormatProblem(path, cause, remedy="import it in parts")
    if done.returncode == -signal.SIGKILL:
        cause = "the system ended the reader, as it does where the memory of the machine is short"
        raise FormatProblem(path, cause, remedy="try it again later, or import it in parts")
    if done.returncode != 0:
        log.error(
            "a fault in reading a file of annotations:\n%s", done.stderr.decode("utf-8", "replace")[-MOST_LOGGED:]
        )
        cause = f"the reader ended without an answer, within its limits of {megabytes:,} MiB and {seconds:,} s"
        raise FormatProblem(path, cause, remedy="import it in parts, or as another format")


def _opened(answer: Path) -> ReadApart:
    """The head of the answer. Raises InferenceError where the child declined the file."""
    with answer.open("rb") as opened:
        head = json.loads(opened.readline())
        begin = opened.tell()
    if "problem" in head:
        raise InferenceError(head["problem"])
    skipped = {what: Listed(count, places) for what, (count, places) in head["skipped"].items()}
    losses = [(what, count) for what, count in head["losses"]]
    return ReadApart(head["format"], head["total"], skipped, head["remarks"], head["declined"], losses, answer, begin)


class _ModelOnly(pickle.Unpickler):
    """Finds the classes of model.py, BoxMask and numpy's constructors of arrays; whatever else is named is declined
    before it is called."""

    def find_class(self, module: str, name: str) -> Any:
        if module == model.__name__ and name in MODEL:
            return getattr(model, name)
        if (module, name) == ("inference.types", "BoxMask") or (module, name) in ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"an answer names {module}.{name}")


# -- the child


def main() -> None:
    request: Request = json.loads(sys.stdin.buffer.read())
    _limit(request["megabytes"] * 2**20, request["cpu_seconds"], request["wall_seconds"])
    with Path(request["answer"]).open("wb") as out:
        try:
            _answer(request, out)
        except InferenceError as error:
            _begin_again(out, {"problem": str(error)})
        except MemoryError:
            words = f"{Path(request['path']).name}: it needs more than {request['megabytes']:,} MiB to be read"
            _begin_again(out, {"problem": f"{words}; import it in parts"})


def _limit(size: int, cpu_seconds: int, wall_seconds: int) -> None:
    """As for pictures (inference/reading/child.py), but files may be larger than memory: archives are unpacked."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, wall_seconds)


def _answer(request: Request, out: IO[bytes]) -> None:
    sizes = {name: (width, height) for name, (width, height) in request["sizes"].items()}
    reading = read(Path(request["path"]), format=request["format"], sizes=sizes, strict=False)
    keeps = frozenset(Property(value) for value in request["keeps"])
    head = {
        "format": reading.format,
        "total": len(reading.annotations.images),
        "skipped": {what: (one.count, one.places) for what, one in reading.skipped.items()},
        "remarks": dict(reading.remarks),
        "declined": [str(problem) for problem in reading.declined],
        "losses": [(str(loss.what), loss.count) for loss in losses_of(reading.annotations, keeps)],
    }
    out.write(json.dumps(head).encode() + b"\n")
    for image in reading.annotations.images:
        pickle.Pickler(out, protocol=5).dump(image)


def _begin_again(out: IO[bytes], head: dict[str, str]) -> None:
    out.seek(0)
    out.truncate()
    out.write(json.dumps(head).encode() + b"\n")


if __name__ == "__main__":
    main()
