"""What the models behind proposals have really learned from, and which images a study may therefore use.

Today's split says nothing of the past: an image that taught a model stays taught when somebody moves it to the test
part. So the snapshots are read: of the round that published the proposals, of the rounds that made its weights, and of
the versions that those were started from. Of proposals without a round the models are those that the job names.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inference.documents.proposing import ProposalRequest
from inference.documents.snapshot import SnapshotImage
from labeling.images.models import Image, Split
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.rounds.models import ModelVersion, Publication, Round, Snapshot, Stage

Source = Round | Job  # of proposals
LEARNED = (Stage.Kind.DETECTOR, Stage.Kind.SEGMENTER, Stage.Kind.METHOD)

# Why an image cannot be a field. Counted on the page, and said of each image that a freezing refuses.
NO_REFERENCE = gettext_noop("no reference masks")
EMPTY_REFERENCE = gettext_noop("reference masks without a cell")
NO_CLASS = gettext_noop("no cell with a class")
NOT_TEST = gettext_noop("not a test image")
PATIENT_NOT_TEST = gettext_noop("another image of the same patient is not a test image")
NO_PROPOSALS = gettext_noop("no proposals yet; start a round first")
TAUGHT = gettext_noop("a model behind the proposals learned from it")
PATIENT_TAUGHT = gettext_noop("a model behind the proposals learned from another image of the same patient")
UNREADABLE = gettext_noop("the record of what its models learned from cannot be read")


@dataclass
class Lessons:
    """What models have learned from.

    images     content hashes (SHA-256) of images that taught or tuned
    keys       their ids in this project
    patients   of these, as they were named in the snapshots and as they are named now
    of_image   id of any image in a snapshot -> the patients that it was said to be of
    unreadable what a person is told when a snapshot is missing; empty when all could be read
    elsewhere  versions whose data are not in this project: imported or shipped weights
    """

    images: set[str] = field(default_factory=set)
    keys: set[int] = field(default_factory=set)
    patients: set[str] = field(default_factory=set)
    of_image: dict[int, set[str]] = field(default_factory=dict)
    unreadable: bool = False
    elsewhere: set[str] = field(default_factory=set)


def lessons_of(rounds: Iterable[Round]) -> Lessons:
    """Everything that the models behind these rounds' proposals have learned from, forebears included."""
    found = Lessons()
    snapshots: dict[int, Snapshot] = {}
    for round_ in rounds:
        needed = _trains(round_)
        versions = _versions_behind(round_)
        found.elsewhere |= {_named(version) for version in versions if version.snapshot_id is None}
        if needed or _is_there(round_.snapshot):
            snapshots[round_.snapshot_id] = round_.snapshot
        snapshots |= {version.snapshot.pk: version.snapshot for version in versions if version.snapshot}
    for snapshot in snapshots.values():
        _read(snapshot, found)
    _add_patients_of_today(found)
    return found


def _trains(round_: Round) -> bool:
    """Whether the round made weights of its own from its snapshot."""
    kinds = set(round_.stages.filter(kind__in=LEARNED).values_list("kind", flat=True))
    configuration = round_.parameters
    return any(not configuration.is_as_is(kind) for kind in kinds)


def lessons_of_job(job: Job) -> Lessons:
    """Everything that the models have learned from with which a job proposed cells, forebears included."""
    asked = ProposalRequest.stored(job.request)
    models = asked.models.values()
    artifacts = (*(one.artifact for one in models), asked.configuration.prompter.weights)
    versions = _with_forebears(job.project_id, {artifact for artifact in artifacts if artifact})
    found = Lessons()
    found.elsewhere |= {one.name for one in models if one.artifact is None}
    found.elsewhere |= {_named(version) for version in versions if version.snapshot_id is None}
    snapshots = {version.snapshot.pk: version.snapshot for version in versions if version.snapshot}
    for snapshot in snapshots.values():
        _read(snapshot, found)
    _add_patients_of_today(found)
    return found


def _versions_behind(round_: Round) -> list[ModelVersion]:
    """The weights that the round used or was started from, and what those were started from, to the first."""
    stages = round_.stages.filter(kind__in=LEARNED, artifact__isnull=False)
    artifacts = set(stages.values_list("artifact", flat=True))
    return _with_forebears(round_.project_id, artifacts | _starts(round_))


def _with_forebears(project: int, artifacts: set[str]) -> list[ModelVersion]:
    known: dict[int, ModelVersion] = {}
    while artifacts:
        versions = ModelVersion.objects.filter(project=project, artifact__in=artifacts)
        fresh = [v for v in versions.select_related("round", "snapshot", "parent") if v.pk not in known]
        known |= {version.pk: version for version in fresh}
        artifacts = {version.parent.artifact_id for version in fresh if version.parent}
        for version in fresh:
            if version.round:
                artifacts |= _starts(version.round)
    return list(known.values())


def _starts(round_: Round) -> set[str]:
    """What the round was started from, a prompter's own weights among it."""
    chosen = round_.parameters
    artifacts = (chosen.detector.start_from, chosen.segmenter.start_from, chosen.prompter.weights)
    return {artifact for artifact in artifacts if artifact}


def _named(version: ModelVersion) -> str:
    return f"{version.kind} {version.number} ({version.get_origin_display()})"


def _is_there(snapshot: Snapshot) -> bool:
    name = snapshot.content.name
    return bool(name) and snapshot.content.storage.exists(str(name))


def _add_patients_of_today(found: Lessons) -> None:
    """The patients of the images that taught, as they are named now; deleted images have taught too."""
    taught = Image.everything.filter(pk__in=found.keys, patient__isnull=False)
    found.patients |= {image.patient_label for image in taught.with_specimens()}


def _read(snapshot: Snapshot, found: Lessons) -> None:
    """Add what a snapshot taught: images of the training or validation part that somebody annotated exhaustively, and
    validation images with a reference, by which settings are chosen."""
    try:
        entries = snapshot.document().images
    except (OSError, ValueError, TypeError):  # no file, no JSON, no snapshot
        found.unreadable = True
        return
    for entry in entries:
        if entry.patient:
            found.of_image.setdefault(entry.image, set()).add(entry.patient)
        if not teaches(entry):
            continue
        found.keys.add(entry.image)
        found.images.add(entry.sha256)
        if entry.patient:
            found.patients.add(entry.patient)


def teaches(entry: SnapshotImage) -> bool:
    if entry.split == "test":
        return False
    return bool(entry.exhaustive) or (entry.split == "val" and bool(entry.reference))


# -- which images a study may use


@dataclass(frozen=True)
class Candidates:
    """The images of a project that can be fields, and of the others how many there are for each reason."""

    images: list[Image]
    reasons: Counter[str]

    @property
    def total(self) -> int:
        return len(self.images) + sum(self.reasons.values())

    @property
    def by_reason(self) -> list[tuple[str, int]]:
        """The most frequent reason first."""
        return self.reasons.most_common()


def candidates(project: Project, *, proposals: bool) -> Candidates:
    """Which images can be drawn. proposals: whether an arm of the study shows proposals."""
    images, reasons = [], Counter[str]()
    check = Check(project, proposals=proposals)
    for image in project.images.with_specimens().order_by("pk"):
        if why := check(image):
            reasons[why] += 1
        else:
            images.append(image)
    return Candidates(images, reasons)


class Check:
    """Why an image of this project cannot be a field of a study now; "" where it can."""

    def __init__(self, project: Project, *, proposals: bool) -> None:
        self.proposals = proposals
        self.not_test: set[int | None] = set()
        self.source_of: dict[int, Source] = {}
        self.lessons: dict[Source, Lessons] = {}
        if not proposals:
            return
        others = project.images.exclude(split=Split.TEST).exclude(patient=None)
        self.not_test = set(others.values_list("patient", flat=True))
        shown = Publication.objects.filter(image__project=project, withdrawn_at__isnull=True)
        for publication in shown.select_related("round__snapshot", "job").order_by("published_at"):
            self.source_of[publication.image_id] = publication.source
        for source in set(self.source_of.values()):
            self.lessons[source] = lessons_of_job(source) if isinstance(source, Job) else lessons_of([source])

    def __call__(self, image: Image) -> str:
        if not image.reference:
            return NO_REFERENCE
        if not self.proposals:
            return ""
        return self._of_split(image) or self._of_models(image)

    def _of_split(self, image: Image) -> str:
        if image.split != Split.TEST:
            return NOT_TEST
        return PATIENT_NOT_TEST if image.patient_id in self.not_test else ""

    def _of_models(self, image: Image) -> str:
        source = self.source_of.get(image.pk)
        if source is None:
            return NO_PROPOSALS
        lessons = self.lessons[source]
        if lessons.unreadable:
            return UNREADABLE
        if image.pk in lessons.keys or image.sha256 in lessons.images:
            return TAUGHT
        patients = names_of(image) | lessons.of_image.get(image.pk, set())
        return PATIENT_TAUGHT if patients & lessons.patients else ""

    def elsewhere(self, images: Iterable[Image]) -> list[str]:
        """Weights behind these images' proposals whose data nobody here can check."""
        sources = [self.source_of[image.pk] for image in images if image.pk in self.source_of]
        named: set[str] = set()
        for source in sources:
            named |= self.lessons[source].elsewhere
        return sorted(named)


def names_of(image: Image) -> set[str]:
    """What snapshots may call the patient of an image: earlier versions knew no centre, and took the name alone."""
    return {image.patient_label, image.patient.name} if image.patient else set()


def in_words(reasons: Counter[str]) -> str:
    """ "3 not a test image; 2 no reference masks", the most frequent first; "" for none."""
    counts = [f"{n} {_(why)}" for why, n in reasons.most_common()]
    return "; ".join(counts)
