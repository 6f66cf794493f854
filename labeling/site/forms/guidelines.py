"""The forms of the page Guidelines. What they check is the shape; the rules are the services'."""

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.guidelines.services import MOST_CHARACTERS


class GuidelineForm(forms.Form):
    """A new version of the text."""

    text = forms.CharField(
        label=_("Text"),
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "true"}),
        help_text=_("Markdown: # heading, - list, **bold**, ![what it shows](name-of-a-picture.png)"),
        error_messages={"required": _("Write how cells are to be annotated.")},
    )
    note = forms.CharField(
        required=False, max_length=200, label=_("What is new"), help_text=_("shown with the version, in a few words")
    )
    must_acknowledge = forms.BooleanField(
        required=False,
        label=_("To be acknowledged"),
        help_text=_("people confirm that they have read this version before they get the next image"),
    )


class PictureForm(forms.Form):
    file = forms.FileField(
        label=_("Picture"), help_text=_("PNG, JPEG or GIF, at most 2 MiB; it stays as it is, under this name")
    )
    name = forms.CharField(
        required=False, max_length=80, label=_("Name"), help_text=_("by which the text names it; else the file’s")
    )
