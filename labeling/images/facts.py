"""What is said of images after they came in: one function changes it, for one image or for many."""

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from django.db import transaction
from django.db.models import Func
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.images.models import FACTORS, LONGEST_TAG, MOST_TAGS, SPECIMEN, Image, ScaleSource
from labeling.images.names import clean
from labeling.images.patients import KnownBy, Split
from labeling.images.specimens import restate, stated_parts
from labeling.images.splits import clean_reason, move_images, unknown_split
from labeling.projects.models import Project

SHORTEST_LINE = 5  # px: one pixel more or less is a fifth of it
SETTABLE = (ScaleSource.NOMINAL, ScaleSource.TYPED, ScaleSource.MEASURED)
TAGS = ("tags", "add_tags", "remove_tags")
Fact = str | float | Sequence[str] | None


def change_image(*, image: Image, by: User | None = None, reason: str = "", **facts: Fact) -> Image:
    """What was said of an image, mended: see `change_images`. -> the image as it is now."""
    change_images(project=image.project, images=[image.pk], by=by, reason=reason, **facts)
    return Image.objects.with_specimens().select_related("project").get(pk=image.pk)


def measure_scale(*, image: Image, ends: tuple[tuple[float, float], tuple[float, float]], um: float) -> Image:
    """The scale of an image by a line along a scale bar in it.

    ends  (x, y) of both, in pixels of the image
    um    how long the bar is

    Raises Invalid for a line that is too short to measure with, or leaves the image.
    """
    (x0, y0), (x1, y1) = ends
    if max(x0, x1) > image.width or max(y0, y1) > image.height:
        raise Invalid(_("the line leaves the image"), field="x1")
    pixels = math.hypot(x1 - x0, y1 - y0)
    if pixels < SHORTEST_LINE:
        words = _("the line is shorter than {n} pixels; draw it along the whole bar")
        raise Invalid(words.format(n=SHORTEST_LINE), field="x1")
    return change_image(image=image, um_per_px=um / pixels, scale_source=ScaleSource.MEASURED)


def tags_of(project: Project) -> list[str]:
    """The tags that images of a project have, each once, in the order of the alphabet."""
    tags = project.images.order_by().annotate(tag=Func("tags", function="unnest")).values_list("tag", flat=True)
    return sorted(set(tags), key=str.casefold)


def change_images(
    *, project: Project, images: Sequence[int], by: User | None = None, reason: str = "", **facts: Fact
) -> int:
    """What was said of images, mended for all of them or for none. -> how many there are.

    facts   of FACTORS, SPECIMEN, `name`, `tags`, `add_tags`, `remove_tags`, `um_per_px` and `split` those that are
            named; the others stay. `scale_source` goes with `um_per_px`, and is "typed" where it is not named. A split
            is moved by patient (images/splits.py)
    reason  why test patients move after a round has started

    Rounds keep what they learned from: a snapshot is frozen. Raises Invalid that names the field, Sealed, Archived.
    """
    facts = checked(facts)
    splits = dict.fromkeys(images, str(facts["split"])) if "split" in facts else {}
    parts = dict.fromkeys(images, stated_parts(facts))
    rest = {name: value for name, value in facts.items() if name not in (*SPECIMEN, "split")}
    return state_facts(project=project, parts=parts, splits=splits, facts=rest, by=by, reason=reason)


@transaction.atomic
def state_facts(
    *,
    project: Project,
    parts: Mapping[int, Mapping[str, str]],
    splits: Mapping[int, str],
    facts: Mapping[str, Fact] = MappingProxyType({}),
    by: User | None,
    reason: str,
) -> int:
    """`change_images` with specimens and splits that differ from image to image; values are as `checked` gives them.

    parts   key of an image -> those of SPECIMEN that change; names every image
    splits  key of an image -> its split, of those whose split is stated
    facts   the same for all: neither SPECIMEN nor the split
    """
    wanted = set(parts)
    locked = Project.objects.for_change(project.pk)
    rows = Image.objects.select_for_update(of=("self",)).filter(project=project, pk__in=wanted)
    there = list(rows.with_specimens().order_by("pk"))
    unknown = wanted - {image.pk for image in there}
    if unknown:
        words = _("image {key} is not in this project; nothing was changed")
        raise Invalid(words.format(key=min(unknown)), field="images")
    reason = clean_reason(reason)
    own = {name: value for name, value in facts.items() if name not in TAGS}
    if own:
        Image.objects.filter(pk__in=wanted).update(**own)
    _change_tags(there, facts)
    restate(project=locked, images=there, parts=parts, splits=splits, by=by, reason=reason)
    move_images(project=locked, images=there, splits=splits, by=by, reason=reason)
    return len(there)


def _change_tags(images: Sequence[Image], facts: Mapping[str, Fact]) -> None:
    """Raises Invalid for too many tags."""
    if not any(name in facts for name in TAGS):
        return
    added = _texts(facts.get("add_tags"))
    removed = _texts(facts.get("remove_tags"))
    for image in images:
        kept: Sequence[str] = image.tags
        if "tags" in facts:
            kept = _texts(facts["tags"])
        joined = dict.fromkeys([*kept, *added])  # in order, each once
        image.tags = [tag for tag in joined if tag not in removed]
        if len(image.tags) > MOST_TAGS:
            words = _("{name} would have more than {n} tags; remove some")
            raise Invalid(words.format(name=image.name, n=MOST_TAGS), field="tags")
    Image.objects.bulk_update(images, ["tags"], batch_size=2000)


def _texts(value: Fact) -> Sequence[str]:
    if value is None or isinstance(value, str | float | int):
        return []
    return list(value)


def checked(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """The facts as they are stored. Raises Invalid that names the field."""
    made = _with_scale_source(facts)
    for name, value in facts.items():
        if name in FACTORS or name in SPECIMEN:
            made[name] = one_line(value)[:200]
        elif name in TAGS:
            made[name] = _checked_tags(value)
        elif name == "name":
            made[name] = _checked_name(value)
        elif name == "split":
            if value not in Split.values:
                raise unknown_split()
        elif name == "scale_source":
            continue
        elif name == "um_per_px":
            _check_scale(value)
        else:
            raise Invalid(_("an image has no {name} that can be changed").format(name=name), field=name)
    return made


def one_line(value: Fact) -> str:
    """Text without control characters and with single blanks."""
    text = str(value or "")
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    return " ".join(plain.split())


def _checked_tags(value: Fact) -> list[str]:
    tags = [one_line(tag) for tag in _texts(value)]
    if any(not tag or len(tag) > LONGEST_TAG for tag in tags):
        raise Invalid(_("a tag has 1 to {n} characters").format(n=LONGEST_TAG), field="tags")
    return list(dict.fromkeys(tags))


def _checked_name(value: Fact) -> str:
    if not one_line(value):
        raise Invalid(_("an image needs a name; type one"), field="name")
    return clean(one_line(value))


def _check_scale(value: Fact) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or not 0.001 <= float(value) <= 1000:
        raise Invalid(_("µm per pixel must be from 0.001 to 1000, or empty when it is not known"), field="um_per_px")


def _with_scale_source(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """A scale always comes with where it is from; none is from nowhere. Raises Invalid."""
    if "um_per_px" not in facts:
        if "scale_source" in facts:
            raise Invalid(_("where the scale comes from is said together with µm per pixel"), field="scale_source")
        return dict(facts)
    source = facts.get("scale_source") or ScaleSource.TYPED
    if source not in SETTABLE:
        known = ", ".join(SETTABLE)
        raise Invalid(_("the source of a scale must be one of {known}").format(known=known), field="scale_source")
    return {**facts, "scale_source": ScaleSource.UNKNOWN if facts["um_per_px"] is None else source}


def stated(project: Project) -> dict[str, list[str]]:
    """Of each of FACTORS and SPECIMEN the values that the project has, in order: what is offered when one is typed."""
    rows = Image.objects.filter(project=project).order_by()
    found: dict[str, set[str]] = {}
    for column in ("scanner", "stain", "block", "slide"):
        values = rows.values_list(column, flat=True)
        found[column] = set(values.distinct())
    found["centre"] = set(project.centres.values_list("name", flat=True))
    named = project.patients.filter(known_by=KnownBy.PATIENT)
    found["patient"] = set(named.values_list("name", flat=True))
    return {name: sorted(found[name] - {""}) for name in dict.fromkeys((*FACTORS, *SPECIMEN))}
