"""Rounds by where their images come from: scanner, centre, stain, patient. What a mean over all images hides.

Two kinds of numbers. Judged ones need a reference or people's boxes on images that did not teach. Signals need neither:
how the models doubt on images that nobody has annotated, and how far their colours are from what taught the round. A
signal does not say that a round is wrong there; it says where to look first.

Origins are those stated now: who states a scanner today sees the rounds of last month by it. Snapshots do not hold
them, and no stage reads them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _
from scipy.special import stdtr

from inference.documents.publication import PublicationFacts
from labeling.images.models import FACTORS, Image
from labeling.projects.models import Project
from labeling.rounds.models import Round
from labeling.rounds.results.comparison import by_unit, interval, learned_from, per_image

JUDGED = ("dice", "pq", "mask_ap50", "box_ap50")  # high is good
SIGNALS = ("ambiguous", "entropy", "disagreement", "colour")  # low is good
MAIN = ("pq", "box_ap50")  # what a group is called good or bad by: the first that was measured
FEWEST = 3  # with fewer images a group has no interval: the next image may turn its figure

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Origin = dict[str, str]  # of one image: factor -> what is stated, "" for nothing
Values = dict[int, dict[str, float]]  # image -> measure -> number


@dataclass(frozen=True, eq=False)
class Mean:
    """Over the images of a group that have the measure.

    numbers     of each image; `patient_of` each its patient
    stands_out  worse than the images outside the group beyond chance (`is_worse`)
    """

    numbers: Floats
    patient_of: Sequence[str]
    stands_out: bool

    @property
    def value(self) -> float:
        return float(self.numbers.mean())

    @property
    def images(self) -> int:
        return len(self.numbers)

    @property
    def patients(self) -> int:
        return len(set(self.patient_of))

    @cached_property  # a millisecond each: a project of hundreds of patients shows a few of theirs
    def interval(self) -> tuple[float, float]:
        """95 %, resampling patients where there are two at least, else images; NaN for fewer than FEWEST."""
        if self.images < FEWEST:
            return float("nan"), float("nan")
        return interval(self.numbers, by_unit(self.patient_of))

    @property
    def low(self) -> float:
        return self.interval[0]

    @property
    def high(self) -> float:
        return self.interval[1]


@dataclass(frozen=True)
class Group:
    """The images of a round of which the same is stated; `name` is "" for those of which nothing is."""

    name: str
    images: int
    means: dict[str, Mean]


@dataclass(frozen=True)
class Factor:
    """A round by one of FACTORS, worst group first. `sentences` say how far the figures can be trusted."""

    name: str
    groups: list[Group]
    sentences: list[str]


@dataclass(frozen=True)
class Drift:
    """stated: whether any image has a scanner, centre or stain. `measures`: those that any image has, in order."""

    factors: list[Factor]
    sentences: list[str]
    measures: list[str]
    stated: bool


@dataclass(frozen=True)
class Line:
    """One group over rounds, oldest first; None where it was not measured. All values are of the same `images`."""

    name: str
    values: list[float | None]
    images: int


@dataclass(frozen=True)
class Lines:
    """The groups of a factor over rounds by one measure, worst last value first, and all images beside them."""

    factor: str
    measure: str
    everything: Line
    groups: list[Line] = field(default_factory=list)


def origins_of(project: Project) -> dict[int, Origin]:
    """Image -> what is stated of it; one query."""
    found = {}
    for image in Image.everything.filter(project=project).with_specimens().order_by():
        centre = image.centre.name if image.centre else ""
        found[image.pk] = {
            "scanner": image.scanner, "centre": centre, "stain": image.stain, "patient": image.patient_label
        }  # fmt: skip
    return found


def values_of(round_: Round) -> Values:
    """Every number that a round left on images that did not teach it."""
    found: Values = {}
    for image, facts in round_.publications.values_list("image", "facts"):
        publication_facts = PublicationFacts.stored(facts)
        # Rounds from before signals were kept have the scores of what to annotate next on some of these images.
        scores = publication_facts.priorities if publication_facts.signals is None else publication_facts.signals
        found[image] = {name: float(scores[name]) for name in SIGNALS if name in scores}
    for image, row in per_image(round_).items():
        measured = {name: row.measure(name) for name in JUDGED}
        found.setdefault(image, {}).update({name: value for name, value in measured.items() if value is not None})
    return found


# -- one round


def of_round(round_: Round) -> Drift:
    """A finished round by every factor that has two values at least, "not stated" included."""
    values = values_of(round_)
    origins = {image: origin for image, origin in origins_of(round_.project).items() if image in values}
    measures = [name for name in (*JUDGED, *SIGNALS) if any(name in row for row in values.values())]
    factors = [made for name in FACTORS if (made := by_factor(name, values, origins, measures)) is not None]
    stated = any(_states_a_factor(origin) for origin in origins.values())
    return Drift(factors, confounded(origins.values()), measures, stated)


def _states_a_factor(origin: Origin) -> bool:
    return any(origin[name] for name in FACTORS if name != "patient")


def by_factor(name: str, values: Values, origins: dict[int, Origin], measures: Sequence[str]) -> Factor | None:
    """None where there is nothing to hold side by side."""
    members: dict[str, list[int]] = {}
    for image in sorted(origins):
        members.setdefault(origins[image][name], []).append(image)
    if len(members) < 2:
        return None
    means = {measure: means_of(measure, members, values, origins) for measure in measures}
    groups = [
        Group(value, len(images), {measure: of[value] for measure, of in means.items() if value in of})
        for value, images in members.items()
    ]
    return Factor(name, sorted(groups, key=_worst_first), sentences_of(name, groups))


def means_of(
    measure: str, members: Mapping[str, Sequence[int]], values: Values, origins: dict[int, Origin]
) -> dict[str, Mean]:
    """Group -> its mean of a measure, held against the images outside it; without groups that do not have it."""
    there = {name: [image for image in images if measure in values[image]] for name, images in members.items()}
    every = list(chain.from_iterable(there.values()))
    patient_of = {image: origins[image]["patient"] or f"image {image}" for image in every}
    places = {patient: place for place, patient in enumerate(sorted(set(patient_of.values())))}

    def by_patient(images: Sequence[int]) -> tuple[Floats, Counts]:
        """Sum and number of the images of every patient."""
        at = np.array([places[patient_of[image]] for image in images], np.int64)
        x = np.array([values[image][measure] for image in images], np.float64)
        return np.bincount(at, x, len(places)).astype(np.float64), np.bincount(at, minlength=len(places))

    total, count = by_patient(every)
    found = {}
    for name, images in there.items():
        if not images:
            continue
        x = np.array([values[image][measure] for image in images], np.float64)
        of_group, n = by_patient(images)
        own, rest = of_group[n > 0] / n[n > 0], ((total - of_group) / np.maximum(count - n, 1))[count > n]
        out = len(images) >= FEWEST and (is_worse(own, rest) if measure in JUDGED else is_worse(rest, own))
        found[name] = Mean(x, [patient_of[image] for image in images], out)
    return found


def is_worse(own: Floats, rest: Floats) -> bool:
    """Whether `own` lies below `rest` beyond chance: Student's t with one value a patient, one-sided at 2.5 %.

    Equal spread is assumed, so that one patient alone can be held against many: its place is then asked among theirs.
    False for fewer than four patients in all, which can show nothing. An interval of the group that misses the others'
    mean would be no rule: it leaves their spread out, and calls too many equal groups worse.
    """
    n, m = len(own), len(rest)
    if not n or not m or n + m < 4:
        return False
    difference = float(np.mean(own) - np.mean(rest))
    spread = (np.var(own) * n + np.var(rest) * m) / (n + m - 2)
    if spread <= 1e-18:  # all alike on both sides, but for rounding
        return difference < -1e-9
    return bool(stdtr(n + m - 2, difference / np.sqrt(spread * (1 / n + 1 / m))) < 0.025)


def _worst_first(group: Group) -> tuple[int, float, str]:
    for place, measure in enumerate((*MAIN, "disagreement", "colour")):
        if measure in group.means:
            value = group.means[measure].value
            return place, value if measure in JUDGED else -value, group.name
    return len(MAIN) + 2, 0.0, group.name


def sentences_of(factor: str, groups: Sequence[Group]) -> list[str]:
    """What a reader must know of the figures of a factor."""
    sentences = []
    few = [g for g in groups if any(mean.images < FEWEST for mean in g.means.values())]
    if few:
        sentences.append(
            _("Fewer than 3 images: {groups}. Without an interval, since the next image may turn the figure.").format(
                groups=listed(few)
            )
        )
    single = [g for g in groups if any(m.patients == 1 and m.images >= FEWEST for m in g.means.values())]
    if single and factor != "patient":
        sentences.append(
            _("One patient alone: {groups}. The interval resamples its images, so it is too narrow.").format(
                groups=listed(single)
            )
        )
    dark = [group for group in groups if not group.means]
    if dark:
        sentences.append(
            _(
                "Not measured: {groups}. The round learned from their images, or it ran before such figures were kept."
            ).format(groups=listed(dark))
        )
    return sentences


def listed(groups: Sequence[Group], most: int = 5) -> str:
    names = [group.name or _("not stated") for group in groups]
    more = len(names) - most
    return ", ".join(names[:most]) + (_(" and {n} more").format(n=more) if more > 0 else "")


def confounded(origins: Collection[Origin]) -> list[str]:
    """Which factors cannot be told apart on these images, because one's value follows from the other's."""
    sentences = []
    for a, b in combinations(FACTORS, 2):
        pairs = {(o[a], o[b]) for o in origins if o[a] and o[b]}
        of_a, of_b = len({x for x, _y in pairs}), len({y for _x, y in pairs})
        words = {"a": FACTORS[a], "b": FACTORS[b]}
        if len(pairs) == of_a == of_b and of_a > 1:
            sentences.append(
                _(
                    "“{a}” and “{b}” coincide on these images: nothing here tells which of them makes a difference."
                ).format(**words)
            )
        elif b != "patient" and of_a > 1 and of_b > 1 and len(pairs) in (of_a, of_b):
            # Patients lie within scanners and centres as a matter of course, and intervals resample them.
            follows, given = (a, b) if len(pairs) == of_b else (b, a)
            sentences.append(
                _("Each “{given}” has one “{follows}” only: what looks like the one may be the other.").format(
                    given=FACTORS[given], follows=FACTORS[follows]
                )
            )
    return sentences


# -- rounds over time


def over_rounds(rounds: Sequence[Round]) -> list[Lines]:
    """The lines of every factor, rounds oldest first: by what was judged, and by the models' own doubt.

    A line never moves because its images changed: it goes back from the newest round as far as at least half of the
    images that the group has there were measured throughout, and takes these. So a scanner that is new has a short
    line, but it has one. Images that taught any of the rounds are left out.
    """
    if len(rounds) < 2:
        return []
    origins = origins_of(rounds[0].project)
    taught = set().union(*map(learned_from, rounds))
    kept = [{i: row for i, row in values_of(r).items() if i not in taught and i in origins} for r in rounds]
    measured = set().union(*chain.from_iterable(values.values() for values in kept))
    main = next((name for name in MAIN if name in measured), None)
    found = []
    for factor in FACTORS:
        for measure in (main, "disagreement"):
            made = lines_of(factor, measure, kept, origins) if measure else None
            if made is not None:
                found.append(made)
    return found


def lines_of(factor: str, measure: str, kept: Sequence[Values], origins: dict[int, Origin]) -> Lines | None:
    """None where fewer than two groups were ever measured, or no round but one was."""
    measured = [{image for image, row in values.items() if measure in row} for values in kept]
    if sum(bool(images) for images in measured) < 2:
        return None
    members: dict[str, set[int]] = {}
    for image in set().union(*measured):
        members.setdefault(origins[image][factor], set()).add(image)
    if len(members) < 2:
        return None
    lines = [line_of(name, measure, [m & images for m in measured], kept) for name, images in members.items()]
    sign = 1 if measure in JUDGED else -1
    lines.sort(key=lambda line: (sign * next(v for v in reversed(line.values) if v is not None), line.name))
    return Lines(factor, measure, line_of("", measure, measured, kept), lines)


def line_of(name: str, measure: str, measured: Sequence[Iterable[int]], kept: Sequence[Values]) -> Line:
    """measured: of each round, the images of the group that have the measure; one round has some at least."""
    last = max(i for i, images in enumerate(measured) if images)
    common, first = set(measured[last]), last
    for i in range(last - 1, -1, -1):
        images = set(measured[i])
        if not images:
            continue  # a round that did not measure the group is a gap, not an end
        if 2 * len(common & images) < len(set(measured[last])):
            break
        common, first = common & images, i
    values = [
        float(np.mean([kept[i][image][measure] for image in sorted(common)])) if first <= i and images else None
        for i, images in enumerate(measured)
    ]
    return Line(name, values, len(common))
