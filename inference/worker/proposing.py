"""Jobs that propose cells without a round: models, tiles and files on one side, the website's rows on the other.

An image at a time, and of each tile by tile. A finished tile is a file, so a worker's successor goes on after it; what
is proposed on an image is published with its last tile, all or none of it.
"""

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from time import monotonic

import numpy as np
import PIL.Image
from django.conf import settings

from inference.documents.configuration import RoundConfiguration
from inference.documents.proposing import (
    ProposalChoice,
    ProposalRequest,
    ProposedFacts,
    ProposingModel,
    Region,
    TileFacts,
)
from inference.documents.publication import Cause, CauseCode, PublicationFacts
from inference.documents.snapshot import Snapshot, SnapshotClass, SnapshotImage, digest
from inference.masks import clip
from inference.methods import proposing, streamed
from inference.methods.proposing import NO_CLASS, People, Proposer
from inference.methods.streamed import Frame, Rectangle
from inference.pipeline.snapshots import fields_of, read_rgb
from inference.pipeline.units import Inputs, Setting
from inference.reading.slides import resampled
from inference.tiles import Tile
from inference.types import RGB, Cancelled, InferenceError, MissingResource, Progress, UnreadableImage
from inference.weights import shipped
from inference.worker import needs, usage
from inference.worker.files import local_file, never, own_prompter, quietly, whole
from labeling.images import planes, slides
from labeling.images.models import Image
from labeling.jobs import items
from labeling.jobs.handlers import HandBack, Result, Tell, handles
from labeling.jobs.items import End, each_item
from labeling.jobs.models import Job, JobItem
from labeling.leases import patiently
from labeling.rounds import artifacts
from labeling.rounds.models import Portion, Round, Stage
from labeling.rounds.proposing.choices import target_scale
from labeling.rounds.proposing.publishing import ImageGone, Proposed, Suggestion, publish_suggestions
from labeling.rounds.snapshots import image_now

MIB = 1 << 20
MEMORY = 900 * MIB  # above an idle worker's, on the CPU: models and a tile (docs/benchmarks.md, "Propose now")
SHARE = 60.0  # seconds after which rounds and other jobs that wait for the same workers come first
NOTED_EVERY = 0.5  # seconds


@handles(Job.Kind.PROPOSE)
def propose(job: Job, folder: Path, tell: Tell) -> Result:
    """Propose cells on the images of the job, one after the other.

    What is published on an image stays when the job is cancelled; of the image at work nothing does.
    """
    remove_left_over()
    asked = ProposalRequest.stored(job.request)
    work = work_folder(job.pk)
    try:
        with needs.missing_resources():
            device = needs.device_for(asked.configuration.device)
            needs.afford(MEMORY if device == "cpu" else 0)
            run = _Run(job, asked, proposer_of(asked, device), work, tell)
            each_item(job, tell, run.on_item)
    except Cancelled:
        shutil.rmtree(work, ignore_errors=True)
        raise
    except MissingResource:
        _loaded.cache_clear()  # its models are what there is no room for
        raise
    finally:
        needs.let_go()
    shutil.rmtree(work, ignore_errors=True)
    return Result()


def work_folder(job: int) -> Path:
    """Where the tiles of a job are kept until it ends."""
    return Path(settings.DATA_DIR) / "work" / f"propose-{job}"


def remove_left_over() -> None:
    """Remove the tiles of jobs that have ended without a worker."""
    folders = {int(path.name.removeprefix("propose-")): path for path in work_folder(0).parent.glob("propose-*")}
    active = set(Job.objects.filter(pk__in=folders, state__in=Job.ACTIVE).values_list("pk", flat=True))
    for job, path in folders.items():
        if job not in active:
            shutil.rmtree(path, ignore_errors=True)


# -- the models


def content_of(asked: ProposalRequest) -> Snapshot:
    """The project as models read it, without images."""
    classes = tuple(SnapshotClass(id=key, name=str(key)) for key in asked.classes)
    return Snapshot(classes=classes, images=(), blinded=asked.blinded)


def proposer_of(asked: ProposalRequest, device: str) -> Proposer:
    """The models that are asked for, loaded. Raises InferenceError where their weights are gone or damaged."""
    configuration = asked.configuration
    weights = [(kind, _weights_of(model, configuration.architecture(kind))) for kind, model in asked.models.items()]
    return _loaded(
        tuple(weights),
        json.dumps(configuration.as_json(), sort_keys=True),
        content_of(asked).written(),
        device,
        own_prompter(configuration),
    )


def _weights_of(model: ProposingModel, name: str) -> Path:
    if model.artifact is None:
        found = shipped(name)
        if found is None:
            raise InferenceError(f"no weights of {name!r} come with this program; choose a version of the project")
        return found
    kept = artifacts.known(model.artifact)
    if kept is None:
        raise InferenceError(f"the weights of the {model.name} are gone; propose with other models")
    return whole(kept, f"file of the {model.name}")


@lru_cache(maxsize=1)
def _loaded(
    weights: tuple[tuple[str, Path], ...], configuration: str, content: bytes, device: str, prompter: Path | None
) -> Proposer:
    """Kept until other models are asked for, since loading them costs seconds. weights: (kind of model, file)."""
    work = Path(settings.DATA_DIR) / "work"  # a method's bundle is unpacked there while it is loaded
    work.mkdir(parents=True, exist_ok=True)
    return Proposer(
        Setting(
            content=Snapshot.read(content),
            fields=(),
            configuration=RoundConfiguration.stored(json.loads(configuration)),
            inputs=Inputs(dict(weights), prompter=prompter),
            work=work,
            report=quietly,
            stop=never,
            device=device,
        )
    )


# -- one image


@dataclass(frozen=True)
class Size:
    """As inference.methods.streamed.Info."""

    width: int
    height: int
    mpp_x: float | None


class Picture:
    """An image of the site, as tiles are read of it. A picture is decoded once, a slide tile by tile, and so is a field
    whose pixels were cut with other channels than models are to see."""

    def __init__(self, image: Image, channels: Sequence[str] = ()) -> None:
        """channels: names of those that models see of slides with several. Raises UnreadableImage, MissingChannel."""
        self.image = image
        self.info = Size(image.width, image.height, image.um_per_px)
        self.source = planes.source_of(image)
        field = getattr(image, "slide_field", None)
        self.from_slide = image.is_slide or planes.view_of(field, channels) is not None
        self.display = planes.model_display(self.source.file, channels) if self.source is not None else None
        self.rgb = None if self.from_slide else read_rgb(local_file(str(image.pixels.name)))

    def scaled(self, x: float, y: float, w: float, h: float, size: tuple[int, int]) -> RGB:
        """As Slide.scaled. Raises SlideProblem where the slide's file is gone, has changed or cannot be decoded."""
        if self.rgb is not None:
            return resampled(self.rgb, (x, y, x + w, y + h), size)
        assert self.source is not None
        box = (self.source.x + x, self.source.y + y, w, h)
        png = slides.region(self.source.file.image, box, size, kind="png", display=self.display, waits=True)
        with PIL.Image.open(io.BytesIO(png)) as picture:
            return np.array(picture.convert("RGB"))


class _Run:
    """A job at work in this process."""

    def __init__(self, job: Job, asked: ProposalRequest, proposer: Proposer, work: Path, tell: Tell) -> None:
        self.job, self.asked, self.work, self.tell = job, asked, work, tell
        self.proposer = proposer
        self.content = content_of(asked)
        self.began = monotonic()

    def on_item(self, item: JobItem, end: End) -> None:
        """Propose on one image. Raises Archived, Cancelled, HandBack, LeaseLost, MissingResource."""
        image = Image.objects.filter(pk=ProposalChoice.stored(item.choice).image, project=self.job.project_id).first()
        if image is None:
            end(JobItem.State.DECLINED, facts=ProposedFacts(code="gone").as_json())
            return
        try:
            with needs.missing_resources():
                _OnImage(self, image, item).propose(end)
        except ImageGone:
            end(JobItem.State.DECLINED, facts=ProposedFacts(code="gone").as_json())
        except (slides.SlideProblem, planes.MissingChannel, UnreadableImage) as error:
            end(JobItem.State.DECLINED, facts=ProposedFacts(code="unreadable").as_json(), error=str(error))

    def others_come_first(self) -> bool:
        """Whether somebody else has waited long enough for this worker."""
        if monotonic() - self.began < SHARE:
            return False
        queued = Stage.objects.filter(state=Stage.State.WAITING, queued_at__isnull=False, missing_resource={})
        portions = Portion.objects.filter(state=Portion.State.WAITING, stage__missing_resource={})
        has_stage = queued.filter(queue=self.job.queue, round__state__in=Round.ACTIVE).exists()
        return has_stage or portions.filter(stage__queue=self.job.queue).exists() or items.others_wait(self.job)


class _OnImage:
    """One image of a job."""

    def __init__(self, run: _Run, image: Image, item: JobItem) -> None:
        self.run, self.image, self.item = run, image, item
        self.work = run.work / str(image.pk)
        self.region: Region = run.asked.region or (0, 0, image.width, image.height)
        self.kept = ProposedFacts.stored(item.facts)  # of an earlier attempt
        self.facts = self.kept.with_(done=0)
        self.tiles_before = len(list(self.work.glob("*.npz")))
        self.began = monotonic()
        self.noted = 0.0

    def propose(self, end: End) -> None:
        run, picture = self.run, Picture(self.image, self.run.asked.channels)
        target = target_scale(self.image.um_per_px, run.asked.scale)
        frame = streamed.frame_of(picture, Rectangle(*self.region), target)
        before = self._before()
        (field,) = fields_of(run.content.with_(images=(before,)), Path)
        find = run.proposer.on(People(field), frame)
        key = digest([streamed.VERSION, proposing.VERSION, run.job.pk, self.image.sha256])
        self._note(scale=self._scale_note(target))
        made = streamed.predict_tiles(find, picture, frame, self.work, key=key, report=self._report, stop=never)
        tiles = proposing.facts_of([path for _tile, path in made])
        self._note(done=len(made), tiles=len(made))
        patiently(
            partial(
                publish_suggestions,
                job=run.job,
                image_id=self.image.pk,
                before=before,
                suggestions=self._suggestions(frame, made),
                proposed=self._proposed(tiles),
                ended=end,
                facts=self.facts.as_json(),
            )
        )
        shutil.rmtree(self.work, ignore_errors=True)

    def _before(self) -> SnapshotImage:
        """What people had drawn when the first tile was begun: a successor goes on from the same."""
        kept = self.work / "before.json"
        if kept.exists():
            return SnapshotImage.stored(json.loads(kept.read_text()))
        before = image_now(self.image)
        self.work.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".tmp")
        unfinished.write_text(json.dumps(before.as_json()))
        unfinished.replace(kept)
        return before

    def _suggestions(self, frame: Frame, made: list[tuple[Tile, Path]]) -> Iterator[Suggestion]:
        sources: set[str] = set()
        for cell in streamed.gathered(frame, made):
            moved = proposing.on_image(cell, frame)
            mask = clip(moved, self.image.width, self.image.height) if moved is not None else None
            if mask is None or cell.source in sources:
                continue
            if cell.source:
                sources.add(cell.source)
            index = None if cell.class_index == NO_CLASS else cell.class_index
            yield Suggestion(mask, cell.score, index, cell.source)

    def _proposed(self, tiles: list[TileFacts]) -> Proposed:
        scores = [tile.best_score for tile in tiles if tile.best_score is not None]
        detected = sum(tile.detected for tile in tiles)
        best = max(scores, default=None)
        facts = PublicationFacts(
            boxless=sum(tile.boxless for tile in tiles),
            crumbs=sum(tile.crumbs for tile in tiles),
            detected=detected,
            best_score=best,
            why=() if detected else self._why(best),
        )
        certificate = proposing.combined([tile.certificate for tile in tiles])
        return Proposed(self.run.asked.region, certificate, self.run.proposer.models, facts)

    def _why(self, best: float | None) -> tuple[Cause, ...]:
        """What explains that nothing is proposed. best: the detector's highest score, None without any box."""
        threshold = self.run.asked.configuration.own_threshold
        rounded = None if best is None else round(best, 2)
        causes = [Cause(code=CauseCode.UNSURE, best=rounded, threshold=threshold)]
        if self.image.um_per_px is None:
            causes.append(Cause(code=CauseCode.UNKNOWN_SCALE))
        return tuple(causes)

    def _scale_note(self, target: float | None) -> str:
        if target is not None:
            return "resampled"
        return "unknown" if self.image.um_per_px is None else ""

    # -- while it is at work

    def _report(self, progress: Progress) -> None:
        """How far the image is. Raises Cancelled, HandBack, LeaseLost."""
        values = progress.values
        self._note(tiles=progress.total, done=progress.done, cells=int(values["cells"]), glass=int(values["glass"]))
        self.run.tell(*items.counted(self.run.job))
        if progress.done < progress.total and self.run.others_come_first():
            raise HandBack

    def _note(self, **changed: object) -> None:
        """Keep what is known of the image, and tell it at most twice a second."""
        seconds = round(float(self.kept.seconds) + monotonic() - self.began, 1)
        memory = max(self.facts.memory or 0, usage.resident())
        pixels = self.region[2] * self.region[3]
        self.facts = self.facts.with_(**changed, seconds=seconds, memory=memory, pixels=pixels)
        if monotonic() - self.noted < NOTED_EVERY:
            return
        self.noted = monotonic()
        job, owner = self.run.job, self.run.job.lease_owner
        assert owner is not None
        further = self.facts.done > self.tiles_before
        patiently(partial(items.note, job.pk, owner, self.item.pk, self.facts.as_json(), is_further=further))
