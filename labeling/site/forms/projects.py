"""The forms of the pages. What they check is the shape; the rules are the services'."""

from typing import Any, TypedDict

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.images.models import FACTORS, SPECIMEN, Split
from labeling.projects.models import Project, Role

STATED = {**SPECIMEN, "scanner": FACTORS["scanner"], "stain": FACTORS["stain"]}  # what is set for many images at once
TAG_ACTS = {"add_tags": _("Add the tag"), "remove_tags": _("Remove the tag")}
MOST_FILES = 100  # of one upload; Django refuses more by itself (DATA_UPLOAD_MAX_NUMBER_FILES)


class CopyChoice(TypedDict):
    """The arguments of copy_project that a person chooses."""

    name: str
    images: bool
    annotations: bool


class SettingsForm(forms.Form):
    """What of a project can be changed at any time."""

    name = forms.CharField(
        max_length=200, label=_("Name"), error_messages={"required": _("A project needs a name; type one.")}
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("what is annotated, and for what"),
    )
    records_activity = forms.BooleanField(required=False, label=_("Record working time"))


class WordsForm(SettingsForm):
    """The first form of the settings page."""

    keeps_originals = forms.BooleanField(required=False, label=_("Keep originals"))
    deidentifies = forms.BooleanField(required=False, label=_("De-identify files"))
    name_pattern = forms.CharField(
        required=False,
        max_length=300,
        label=_("Pattern of file names"),
        widget=forms.TextInput(attrs={"placeholder": "{patient}_{*}.svs"}),
        help_text=_(
            "what {patient} takes of a name is replaced by a pseudonym, and a name that does not fit as a whole;"
            " empty: names stay as they are"
        ),
    )

    model_channels = forms.CharField(
        required=False,
        max_length=500,
        label=_("Channels that models see"),
        widget=forms.TextInput(attrs={"placeholder": "DAPI"}),
        help_text=_(
            "of slides with several channels, by name, with commas; one alone is shown to them as grey, several in "
            "their colours; empty: all that are shown at first. Rounds that start from then on see them"
        ),
    )

    def clean_model_channels(self) -> list[str]:
        return [name.strip() for name in str(self.cleaned_data["model_channels"]).split(",") if name.strip()]


class CopyForm(forms.Form):
    """A copy of a project (upkeep/copying.py)."""

    SETTINGS, IMAGES, CELLS = "settings", "images", "cells"
    WHAT = (
        (SETTINGS, _("settings alone")),
        (IMAGES, _("settings and images")),
        (CELLS, _("settings, images and cells")),
    )

    name = forms.CharField(
        max_length=200, label=_("Name of the copy"), error_messages={"required": _("A project needs a name; type one.")}
    )
    what = forms.ChoiceField(choices=WHAT, label=_("What comes along"), initial=SETTINGS)

    def chosen(self) -> CopyChoice:
        what = self.cleaned_data["what"]
        return {
            "name": self.cleaned_data["name"],
            "images": what in (self.IMAGES, self.CELLS),
            "annotations": what == self.CELLS,
        }


class TermsForm(forms.Form):
    """Under which terms the project holds tissue (projects/terms.py)."""

    approval = forms.CharField(
        required=False,
        max_length=200,
        label=_("Approval number"),
        help_text=_("of the ethics committee or board that allows this"),
    )
    data_use = forms.CharField(
        required=False,
        max_length=10_000,
        label=_("Data-use terms"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("what the data may be used for, and by whom"),
    )
    retention_until = forms.DateField(
        required=False,
        label=_("Kept until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("This is not a date; write it like 2031-12-31.")},
        help_text=_("owners and managers are reminded 30 days before; nothing is deleted by itself"),
    )
    permitted_centres = forms.CharField(
        required=False,
        label=_("Permitted centres"),
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("one per line, as images state them; empty: all. An upload from another centre is declined"),
    )

    def clean_permitted_centres(self) -> list[str]:
        return str(self.cleaned_data["permitted_centres"]).splitlines()


class AttributesForm(forms.Form):
    """What is said of a cell besides its class (annotations/attributes.py)."""

    attributes = forms.CharField(
        required=False,
        label=_("Attributes"),
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "Mitosis: no, yes"}),
        help_text=_("what is said of a cell besides its class; one per line, as in “Mitosis: no, yes”; at most four"),
    )


class NoticesForm(forms.Form):
    """Who is told when a round ends (rounds/notices.py)."""

    notify_by_mail = forms.BooleanField(
        required=False, label=_("Mail to owners and managers when a round is published or fails")
    )
    webhook_url = forms.CharField(
        required=False,
        max_length=500,
        label=_("Webhook"),
        help_text=_("gets a signed POST of JSON when a round is published, fails or is cancelled; https or http"),
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hooks/boxwise", "autocomplete": "off"}),
    )


class ProjectForm(SettingsForm):
    classes = forms.CharField(
        label=_("Classes"),
        initial="nucleus",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("what cells are sorted into, one per line; the first nine have the keys 1-9"),
        error_messages={"required": _("A project needs at least one class; “nucleus” will do.")},
    )
    layering = forms.ChoiceField(
        choices=[
            (
                Project.Layering.SHARED,
                _(
                    "Together: everyone works on the same cells of an image and sees what the others did. A second"
                    " verdict on a cell is kept as an opinion beside the first."
                ),
            ),
            (
                Project.Layering.PER_ANNOTATOR,
                _(
                    "Apart: every annotator reads each image alone and does not see the others’ cells. Owners,"
                    " managers and reviewers can look at all readings."
                ),
            ),
        ],
        initial=Project.Layering.SHARED,
        widget=forms.RadioSelect,
        label=_("How people annotate an image"),
        help_text=_("This cannot be changed later: every cell belongs to one of the two kinds of layer."),
    )

    def clean_classes(self) -> tuple[str, ...]:
        names = tuple(line.strip() for line in self.cleaned_data["classes"].splitlines() if line.strip())
        if not names:
            raise forms.ValidationError(_("A project needs at least one class; “nucleus” will do."))
        if too_long := next((name for name in names if len(name) > 100), None):
            raise forms.ValidationError(
                _("“{name}…” is longer than 100 characters; shorten it.").format(name=too_long[:20])
            )
        twice = {name for name in names if [n.lower() for n in names].count(name.lower()) > 1}
        if twice:
            raise forms.ValidationError(_("“{name}” stands there twice; remove one.").format(name=sorted(twice)[0]))
        return names


def scale_field(**more: Any) -> forms.FloatField:
    return forms.FloatField(
        **more,
        min_value=0.001,
        max_value=1000,
        required=False,
        label=_("µm per pixel"),
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": "0.25"}),
        error_messages={
            "invalid": _("µm per pixel must be a number like 0.25, or empty when it is not known."),
            "min_value": _("µm per pixel must be at least 0.001; leave it empty when it is not known."),
            "max_value": _("µm per pixel must be at most 1000; leave it empty when it is not known."),
        },
    )


def factor_field(factor: str, **more: Any) -> forms.CharField:
    """Free text that offers the project's known values (parts/known_values.html)."""
    return forms.CharField(
        **more,
        max_length=200,
        required=False,
        label=STATED[factor],
        widget=forms.TextInput(attrs={"list": f"known-{factor}", "autocomplete": "off"}),
    )


def number_field(label: Any, **more: Any) -> forms.IntegerField:
    """A whole number from 1 on, or nothing."""
    words = _("Page and channel are whole numbers from 1 on, or empty where a file holds one picture.")
    return forms.IntegerField(
        **more,
        label=label,
        min_value=1,
        max_value=100_000,
        required=False,
        error_messages={"invalid": words, "min_value": words, "max_value": words},
    )


class UploadForm(forms.Form):
    """What the files of one upload have in common; the files themselves are judged one by one."""

    centre = factor_field("centre", help_text=_("where it was taken, stained and scanned"))
    patient = factor_field("patient", help_text=_("a name that tells patients apart, never the person’s own"))
    block = factor_field("block")
    slide = factor_field(
        "slide", help_text=_("all images of a slide belong to one patient, even if no patient is named")
    )
    um_per_px = scale_field()
    split = forms.ChoiceField(
        label=_("Split"),
        choices=[(value, _(label)) for value, label in Split.choices],
        initial=Split.TRAIN,
        help_text=_("test images are never learned from; further images of a patient join the patient’s split"),
    )
    scanner = factor_field("scanner", help_text=_("when empty, what the file itself says"))
    stain = factor_field("stain")
    page = number_field(_("Page"), help_text=_("of files that hold several pictures: a field, slice or time"))
    channel = number_field(_("Channel"), help_text=_("of files that hold several channels"))
    open_as = forms.ChoiceField(
        label=_("Open as"),
        choices=[
            ("auto", _("a picture where it fits, else a whole slide")),
            ("slide", _("a whole slide, of which fields are made")),
            ("picture", _("a picture")),
        ],
        initial="auto",
        required=False,
        help_text=_("of files that scanners write; ZIP for slides of several files (MRXS, VMS, DICOM)"),
    )

    def clean_open_as(self) -> str:
        return str(self.cleaned_data["open_as"] or "auto")


class ImageForm(forms.Form):
    """What can be mended of an image after its upload. The values that were shown come back with the new ones, so that
    an older page does not undo what a colleague has changed since.
    """

    centre = factor_field("centre", show_hidden_initial=True)
    patient = factor_field("patient", show_hidden_initial=True)
    block = factor_field("block", show_hidden_initial=True)
    slide = factor_field("slide", show_hidden_initial=True)
    scanner = factor_field("scanner", show_hidden_initial=True)
    stain = factor_field("stain", show_hidden_initial=True)
    um_per_px = scale_field(show_hidden_initial=True)
    split = forms.ChoiceField(
        choices=[(value, _(label)) for value, label in Split.choices], label=_("Split"), show_hidden_initial=True
    )


class MemberForm(forms.Form):
    username = forms.CharField(
        max_length=150,
        label=_("User name"),
        help_text=_("to sign in with; letters, digits and @ . + - _"),
        error_messages={"required": _("Type the name this person signs in with; a new one makes an account.")},
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    role = forms.ChoiceField(
        label=_("Role"), choices=[(value, _(label)) for value, label in Role.choices], initial=Role.ANNOTATOR
    )

    def __init__(self, *args: Any, roles: list[str], **kwargs: Any) -> None:
        """roles: the ones that the person who adds may give."""
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [(r, _(label)) for r, label in Role.choices if r in roles]  # type: ignore[attr-defined]


class ClassForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        label=_("New class"),
        error_messages={"required": _("A class needs a name; type one that is not in the list.")},
    )
