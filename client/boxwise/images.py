"""The images of a project: upload, look at, decide."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwise.errors import BoxwiseError, Declined, JobFailed
from boxwise.jobs import Job

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from boxwise.generated import DecidedCell, DrawnAnswer
    from boxwise.projects import Project

FILES_AT_ONCE = 20
BYTES_AT_ONCE = 64 * 2**20  # of one request; a larger file goes alone
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".svs", ".ndpi", ".scn", ".bif", ".dcm", ".zip",
)  # fmt: skip
Report = Callable[[int, int], None]


class Image:
    """One image. `facts` is what the server says of it."""

    def __init__(self, project: "Project", facts: Any) -> None:
        self.project = project
        self.facts: Any = facts
        self.id, self.name = int(facts["id"]), str(facts["name"])

    def annotations(self, *include: str) -> "DrawnAnswer":
        """Its cells and regions; `include` as in the API: masks, boxes, regions, cannot_tell, rejected, proposals."""
        return self.project.client.api.image_annotations_get(self.id, include=list(include))  # type: ignore[arg-type]

    def geojson(self, *include: str) -> bytes:
        """The same for QuPath."""
        return self.project.client.api.image_geojson_get(self.id, include=list(include))  # type: ignore[arg-type]

    def proposals(self) -> list[str]:
        """The ids of the current round's proposals that nobody has decided on."""
        return [cell["id"] for cell in self.annotations("proposals")["cells"]]

    def accept(self, ids: Iterable[str], label_class: int | None = None) -> "list[DecidedCell]":
        """Proposals become cells of your layer, cells are confirmed. -> what became of each: `verdict` and `error`."""
        api = self.project.client.api
        return _in_parts(
            ids, lambda part: api.image_accept_post(self.id, body={"ids": part, "label_class": label_class})
        )

    def reject(self, ids: Iterable[str], reason: str = "not_a_cell") -> "list[DecidedCell]":
        api = self.project.client.api

        def send(part: list[str]) -> Any:
            body: Any = {"ids": part, "reason": reason}
            return api.image_reject_post(self.id, body=body)

        return _in_parts(ids, send)

    def relabel(self, ids: Iterable[str], label_class: int | None) -> "list[DecidedCell]":
        api = self.project.client.api
        return _in_parts(
            ids, lambda part: api.image_relabel_post(self.id, body={"ids": part, "label_class": label_class})
        )

    def draw(self, boxes: Sequence[Sequence[float]], label_class: int | None = None) -> int:
        """Draw boxes (x0, y0, x1, y1: image pixels, half-open) on your layer, -> how many. Raises Invalid."""
        from boxwise.drawing import draw_boxes

        return draw_boxes(self, boxes, label_class)

    def draw_points(self, points: Sequence[Sequence[float]], label_class: int | None = None) -> int:
        """Place cells as points (x, y: image pixels) on your layer, -> how many. Raises Invalid."""
        from boxwise.drawing import draw_boxes

        return draw_boxes(self, [(x, y, x, y) for x, y in points], label_class)

    def declare_annotated(self, box: Sequence[float] | None = None) -> int:
        """Say that every cell inside a box is annotated; without a box, of the whole image. Only there is learned."""
        from boxwise.drawing import declare_region

        whole = (0, 0, self.facts["width"], self.facts["height"])
        return declare_region(self, box or whole)

    def change(self, **facts: Any) -> "Image":
        """Another split, patient, stain and so on. Raises Conflict where somebody has changed it since it was read."""
        client, path = self.project.client, f"images/{self.id}/"
        client.change(path, self.facts, facts)
        self.facts = client.api.image_detail_get(self.id)
        return self

    def pixels(self) -> "npt.NDArray[np.uint8]":
        """(height, width, 3), RGB."""
        import numpy as np
        from PIL import Image as Picture

        content = self.project.client.api.image_pixels_get(self.id)
        return np.asarray(Picture.open(io.BytesIO(content)).convert("RGB"))

    def labels(self, *include: str) -> "npt.NDArray[np.int32]":
        """(height, width): 0 is background, i + 1 the i-th cell of `annotations()`."""
        from boxwise.pictures import label_map

        found = self.annotations(*include)
        return label_map(found["cells"], found["width"], found["height"])

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the tissue with the outlines of its cells and of what is proposed."""
        from boxwise.pictures import drawn

        cells = self.annotations("masks", "boxes", "proposals")["cells"]
        return drawn(self.pixels(), cells, self.project.colours())

    def __repr__(self) -> str:
        return f"<Image {self.id}: {self.name}, {self.facts['width']} x {self.facts['height']} px>"


def _in_parts(ids: Iterable[str], send: Callable[[list[str]], Any]) -> "list[DecidedCell]":
    """As many at once as the server takes."""
    listed, found = list(ids), []
    for begin in range(0, len(listed), 1000):
        found += send(listed[begin : begin + 1000])["results"]
    return found


class Images:
    """The images of a project: `for image in project.images`."""

    def __init__(self, project: "Project") -> None:
        self.project = project

    def __iter__(self) -> Iterator[Image]:
        api = self.project.client.api
        for facts in self.project.client.every(lambda **at: api.image_list_get(self.project.id, **at)):
            yield Image(self.project, facts)

    def __getitem__(self, name: str | int) -> Image:
        """By name or id. Raises KeyError."""
        for image in self:
            if name in (image.name, image.id):
                return image
        raise KeyError(f"{self.project.name} has no image {name!r}")

    def upload(
        self, what: str | Path | Iterable[str | Path], *, report: Report | None = None, **facts: Any
    ) -> list[Image]:
        """Send files, or the pictures of a folder, and wait until they are read. -> the images that are new.

        report  hears how many files are sent, and of how many
        facts   of all of them: split, centre, patient, block, slide, scanner, stain, um_per_px, open_as

        Files go in parts of FILES_AT_ONCE; a part whose connection broke is sent again. A file of more than
        BYTES_AT_ONCE is sent piece by piece and goes on where it was cut, also in a later call; in one request where
        the server keeps its files in object storage. A picture that the project has already is not stored twice.

        Raises JobFailed with a line for each file that was declined; the others are there.
        """
        paths = files_of(what)
        jobs, done = [], 0
        for part in parts_of(paths):
            is_large = part[0].stat().st_size > BYTES_AT_ONCE
            jobs.append(self._send_large(part[0], facts) if is_large else self._send(part, facts))
            done += len(part)
            if report is not None:
                report(done, len(paths))
        new: set[int] = set()
        bad: list[str] = []
        for job in jobs:
            job.wait()
            new |= {one["image"] for one in job.facts["items"] if one["image"] is not None}
            bad += [f"{one['name']}: {one['detail']}" for one in job.facts["items"] if one["state"] == "declined"]
            bad += [f"{one['name']}: {one['detail']}" for one in job.facts["items"] if one["state"] == "choice"]
        if bad:
            raise JobFailed("\n".join([f"{len(bad)} of {len(paths)} files were not taken", *bad]))
        return [image for image in self if image.id in new]

    def _send_large(self, path: Path, facts: dict[str, Any]) -> Job:
        from boxwise.resumable import send_file

        client = self.project.client
        try:
            job = send_file(client.transport, self.project.id, path, facts)
        except Declined as error:
            if error.code != "not_resumable":
                raise
            return self._send([path], facts)
        return Job(client, client.api.job_detail_get(job))

    def _send(self, paths: list[Path], facts: dict[str, Any]) -> Job:
        with ExitStack() as opened:
            files = [("image", (path.name, opened.enter_context(path.open("rb")))) for path in paths]
            found = self.project.client.api.image_list_post(self.project.id, form=facts, files=files)
        return Job(self.project.client, found)


def files_of(what: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files as given, of a folder its pictures by name. Raises BoxwiseError for none, FileNotFoundError."""
    given = [what] if isinstance(what, str | Path) else list(what)
    found: list[Path] = []
    for one in map(Path, given):
        if one.is_dir():
            found += sorted(path for path in one.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
        elif one.exists():
            found.append(one)
        else:
            raise FileNotFoundError(f"there is no file {one}")
    if not found:
        raise BoxwiseError(f"{', '.join(map(str, given))} holds no picture: none ends in {', '.join(SUFFIXES)}")
    return found


def parts_of(paths: list[Path]) -> Iterator[list[Path]]:
    """Files that go together in one request."""
    part: list[Path] = []
    size = 0
    for path in paths:
        here = path.stat().st_size
        if part and (len(part) == FILES_AT_ONCE or size + here > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(path)
        size += here
    yield part
