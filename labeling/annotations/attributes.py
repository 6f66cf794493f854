"""What a project asks of a cell besides its class: a short list of attributes, each with its values.

Attributes are no classes: "mitosis" is yes or no of a tumour cell, "confidence" is said of any. A value is kept on the
cell as it is written here, so that the log says for itself what was meant.
"""

import re
from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from labeling.annotations.models import Annotation
from labeling.errors import Invalid
from labeling.projects.models import Project

MOST_ATTRIBUTES, MOST_VALUES = 4, 10
_MARKS = re.compile(r"[:,\r\n]")


def read_attributes(text: str) -> list[tuple[str, list[str]]]:
    """Attributes as people write them, one a line: "Mitosis: no, yes". Raises Invalid with the line that is wrong."""
    found: list[tuple[str, list[str]]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _colon, rest = line.partition(":")
        name, values = name.strip(), [value.strip() for value in rest.split(",") if value.strip()]
        if not name or len(name) > 60 or not 2 <= len(values) <= MOST_VALUES or max(map(len, values)) > 60:
            raise Invalid(
                _("“{line}” should read: name, colon, 2 to {n} values with commas between them").format(
                    line=line[:60], n=MOST_VALUES
                ),
                field="attributes",
            )
        if len(set(values)) < len(values) or name in [n for n, _values in found]:
            raise Invalid(_("“{line}” says something twice").format(line=line[:60]), field="attributes")
        found.append((name, values))
    if len(found) > MOST_ATTRIBUTES:
        raise Invalid(_("a project has at most {n} attributes").format(n=MOST_ATTRIBUTES), field="attributes")
    return found


def written_attributes(project: Project) -> str:
    return "\n".join(f"{name}: {', '.join(values)}" for name, values in project.attributes)


def attributes_for_writing(project: int) -> dict[str, list[str]]:
    """Name -> its values, as declared now and until this transaction ends: whoever declares another list waits for it
    and then sees what was written. Those who write do not wait for one another."""
    (now,) = Project.objects.raw("SELECT * FROM labeling_project WHERE id = %s FOR SHARE", [project])
    return now.declared_attributes


def as_text(attributes: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Attributes as people write them. Raises Invalid for a name or value that would read as something else."""
    lines = []
    for name, values in attributes:
        if any(map(_MARKS.search, (name, *values))):
            raise Invalid(_("names and values have no colon, comma or line break"), field="attributes")
        lines.append(f"{name}: {', '.join(values)}")
    return "\n".join(lines)


@transaction.atomic
def declare_attributes(*, project: Project, text: str) -> None:
    """Another list of attributes. Raises Invalid for a list that does not read, or lacks what cells already have (also
    deleted ones: undo may bring them back)."""
    declared = read_attributes(text)
    Project.objects.for_change(project.pk)
    allowed = dict(declared)
    in_use = Annotation.objects.filter(layer__image__project=project, attributes__isnull=False)
    for values in in_use.values_list("attributes", flat=True).distinct():
        for name, value in (values or {}).items():
            if value not in allowed.get(name, []):
                raise Invalid(
                    _("cells have the attribute {name}: {value}; keep it in the list").format(name=name, value=value),
                    field="attributes",
                )
    project.attributes = declared
    project.save(update_fields=["attributes"])
