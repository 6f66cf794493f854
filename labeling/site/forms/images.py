"""Which images the page Images shows, and in which order. Everything comes from the address."""

from collections.abc import Sequence
from dataclasses import dataclass

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from labeling.images.models import Split

STATES = (
    ("", _("any state")),
    ("review", _("proposals to review")),
    ("done", _("every proposal has a verdict")),
    ("unproposed", _("no proposals")),
    ("complete", _("with a fully annotated region")),
    ("incomplete", _("without a fully annotated region")),
)
ORDERS = (
    ("added", _("as added")),
    ("name", _("by name")),
    ("review", _("most to review")),
    ("cells", _("most cells")),
    ("suggested", _("suggested next")),
)
VIEWS = (("grid", _("Cards")), ("list", _("List")))


@dataclass(frozen=True)
class Wanted:
    """What of the form holds; a value that the form does not know counts as not given."""

    q: str = ""
    state: str = ""
    split: str = ""
    tag: str = ""
    work: str = ""
    person: int | None = None
    order: str = "added"
    view: str = "grid"
    by: str = "mix"

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.state or self.split or self.tag or self.work or self.person)


class ImageFilterForm(forms.Form):
    q = forms.CharField(required=False, max_length=200, label=_("Name, patient, stain or tag"))
    state = forms.ChoiceField(required=False, choices=STATES, label=_("State"))
    split = forms.ChoiceField(required=False, choices=[("", _("any split")), *Split.choices], label=_("Split"))
    tag = forms.ChoiceField(required=False, label=_("Tag"))
    work = forms.ChoiceField(required=False, label=_("Workflow"))
    person = forms.TypedChoiceField(required=False, coerce=int, empty_value=None, label=_("Annotated by"))
    order = forms.ChoiceField(required=False, choices=ORDERS, label=_("Order"))
    by = forms.ChoiceField(required=False, label=_("Suggested next, by"))
    view = forms.ChoiceField(required=False, choices=VIEWS, label=_("View"))

    def __init__(
        self,
        data: QueryDict,
        *,
        people: list[tuple[int, str]],
        strategies: list[tuple[str, str]],
        tags: Sequence[str],
        works: Sequence[tuple[str, str]],
    ) -> None:
        """works: what images are told apart by in a workflow; () without one."""
        super().__init__(data)
        if works:
            self.fields["work"].choices = [("", _("any")), *works]  # type: ignore[attr-defined]
        else:
            del self.fields["work"]
        if tags:
            self.fields["tag"].choices = [("", _("any tag")), *zip(tags, tags, strict=True)]  # type: ignore[attr-defined]
        else:
            del self.fields["tag"]
        everybody = [("", _("anybody"))]
        self.fields["person"].choices = [*everybody, *people]  # type: ignore[attr-defined]
        self.fields["by"].choices = strategies  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        self.full_clean()
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return Wanted(**given)
