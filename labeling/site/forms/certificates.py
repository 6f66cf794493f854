"""The form of a new lot. What it checks is the shape; the rules are the services'."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.projects.models import Project
from labeling.reviews.certificates.models import Lot
from labeling.reviews.certificates.services import LEAST_PLANTED, MOST_PLANTED, Wanted

FIELD_CHOICES = (30, 60, 100, 200)


class LotForm(forms.Form):
    """The claim, and the classes that it is made about."""

    meaning = forms.ChoiceField(
        label=_("A cell is right when"),
        choices=Lot.Meaning.choices,
        initial=Lot.Meaning.CLASS,
        widget=forms.RadioSelect,
    )
    right_percent = forms.FloatField(
        label=_("At least so many of the accepted cells are right, %"), min_value=51, max_value=99.9, initial=95
    )
    confidence_percent = forms.FloatField(
        label=_("Confidence, %"),
        min_value=51,
        max_value=99.9,
        initial=95,
        help_text=_("of the whole certificate: all its classes, and all attempts with these images"),
    )
    planted = forms.IntegerField(
        label=_("Known errors in the sample"),
        min_value=LEAST_PLANTED,
        max_value=MOST_PLANTED,
        initial=40,
        help_text=_("wrong proposals that Boxwise makes; how many are found says how many real ones would be"),
    )
    fields_for_missed = forms.TypedChoiceField(
        label=_("Random fields for missed cells"),
        choices=[(0, _("none: missed cells are not certified")), *((count, str(count)) for count in FIELD_CHOICES)],
        coerce=int,
        empty_value=0,  # type: ignore[arg-type]  # the stubs know text alone
        required=False,
        initial=0,
        help_text=_("somebody points at every cell in them, without proposals"),
    )
    by_centre = forms.BooleanField(
        label=_("A claim for each centre"), required=False, help_text=_("needs a sample of each class and centre")
    )
    classes = forms.MultipleChoiceField(
        label=_("Classes"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("none chosen: all, and cells without a class"),
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(pk), name) for pk, name in project.classes.values_list("pk", "name")]
        self.fields["classes"].choices = choices  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        given = self.cleaned_data
        return Wanted(
            meaning=given["meaning"],
            tolerated=round(1 - given["right_percent"] / 100, 6),
            alpha=round(1 - given["confidence_percent"] / 100, 6),
            classes=[int(key) for key in given["classes"]],
            by_centre=given["by_centre"],
            planted=given["planted"],
            fields=given["fields_for_missed"],
        )
