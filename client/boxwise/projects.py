"""A project: its images, rounds, exports and imports."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwise.events import follow
from boxwise.images import Image, Images
from boxwise.jobs import ImportPlan, Job
from boxwise.rounds import Round

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.generated import ClassAnswer, NotificationAnswer


class Project:
    """One project. `facts` is what the server said of it when last asked."""

    def __init__(self, client: "Client", facts: Any) -> None:
        self.client = client
        self.facts: Any = facts
        self.id, self.name = int(facts["id"]), str(facts["name"])

    @property
    def images(self) -> Images:
        return Images(self)

    def refresh(self) -> "Project":
        self.facts = self.client.api.project_detail_get(self.id)
        return self

    def change(self, **words: Any) -> "Project":
        """Another name, description and so on, unless somebody else has changed it since `refresh`: then Conflict."""
        self.facts = self.client.change(f"projects/{self.id}/", self.facts, words)
        return self

    def classes(self) -> dict[str, int]:
        """Name -> id, in order."""
        return {one["name"]: one["id"] for one in self._classes()}

    def colours(self) -> dict[int | None, tuple[int, int, int]]:
        """Class id -> RGB."""
        found: dict[int | None, tuple[int, int, int]] = {}
        for one in self._classes():
            red, green, blue = bytes.fromhex(one["color"].removeprefix("#"))
            found[one["id"]] = (red, green, blue)
        return found

    def _classes(self) -> "Iterator[ClassAnswer]":
        api = self.client.api
        yield from self.client.every(lambda **at: api.class_list_get(self.id, **at))

    # -- rounds

    def start_round(self, preset: str = "quick", **more: Any) -> Round:
        """Start a round: preset, changes, same_patient, start, line_up as in the API. Raises Conflict, Invalid."""
        body: Any = {"preset": preset, **more}
        return Round(self.client, self.client.api.round_list_post(self.id, body=body))

    def rounds(self) -> Iterator[Round]:
        """The newest first."""
        api = self.client.api
        for facts in self.client.every(lambda **at: api.round_list_get(self.id, **at)):
            yield Round(self.client, facts)

    def round(self, number: int) -> Round:
        """By its number. Raises KeyError."""
        for found in self.rounds():
            if found.number == number:
                return found
        raise KeyError(f"{self.name} has no round {number}")

    def events(self, seconds: float | None = None) -> "Iterator[NotificationAnswer]":
        """As `client.events()`, of this project alone."""
        return follow(self.client, project=self.id, seconds=seconds)

    def propose(self, images: Iterable[Image] | None = None, **more: Any) -> Job:
        """Let models propose cells now, without a round; boxwise/proposing.py says what `more` is. Wait for the job."""
        from boxwise.proposing import propose

        return propose(self, images, **more)

    # -- out

    def export(self, target: str | Path, layout: str = "coco", **more: Any) -> Path:
        """Everything that is annotated, as a file; the layouts are those of docs/exchange.md.

        more  include (masks, boxes, regions, cannot_tell, rejected, proposals), segmentation (rle, polygons), images
        """
        return self.start_export(layout, **more).wait().download(target)

    def start_export(self, layout: str = "coco", **more: Any) -> Job:
        body: Any = {"layout": layout, **more}
        return Job(self.client, self.client.api.export_list_post(self.id, body=body))

    def to_coco(self, **more: Any) -> dict[str, Any]:
        """The same as COCO, in memory."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.export(Path(folder) / "coco.json", "coco", **more)
            text = path.read_text(encoding="utf-8")
            found: dict[str, Any] = json.loads(text)
            return found

    # -- in

    def import_file(self, path: str | Path, aim: str = "working", format: str = "") -> ImportPlan:
        """Annotations of another tool: what would be done. Nothing is written until you `confirm` it.

        aim     working: onto the working layer; layer: a layer to look at; reference: masks that measure
        format  coco, geojson, ...; empty: it is found out
        """
        path = Path(path)
        with path.open("rb") as file:
            form = {"aim": aim, "format": format}
            found = self.client.api.import_list_post(self.id, form=form, files=[("file", (path.name, file))])
        plan = ImportPlan(self.client, found)
        plan.wait()
        return plan

    def add_reference_masks(self, paths: Iterable[str | Path]) -> Any:
        """Label maps, each named like its image: masks that measure and are never learned from."""
        with ExitStack() as opened:
            files = [("masks", (Path(path).name, opened.enter_context(Path(path).open("rb")))) for path in paths]
            return self.client.api.reference_mask_list_post(self.id, form={}, files=files)

    def __repr__(self) -> str:
        return f"<Project {self.id}: {self.name}>"
