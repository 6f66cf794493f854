"""The forms of the page Team and of an invitation. What they check is the shape; the rules are the services'."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from labeling.accounts.forms import InvitationForm
from labeling.accounts.models import User
from labeling.assignments.models import MOST_READINGS
from labeling.images.models import Image
from labeling.projects.invitations import DAYS, MOST_DAYS
from labeling.projects.models import Membership, Role

# What each role may do, in one sentence; the table MAY (projects/models.py) is the truth.
ROLE_WORDS = {
    Role.OWNER: _("everything, other owners and privacy included"),
    Role.MANAGER: _("images, classes, workflow, rounds and people; reviews and annotates"),
    Role.REVIEWER: _("accepts or sends back what others read; sees all readings, exports, annotates"),
    Role.ANNOTATOR: _("draws and judges cells"),
    Role.VIEWER: _("looks and comments, changes no cell"),
}


class WorkflowForm(forms.Form):
    """How each image of a project gets done."""

    readings = forms.IntegerField(
        min_value=1,
        max_value=MOST_READINGS,
        label=_("Readings of each image"),
        help_text=_("how many people read it, each on their own account"),
    )
    more_percent = forms.IntegerField(
        min_value=0,
        max_value=100,
        label=_("Images with one more reading, %"),
        help_text=_("drawn by chance with a stored seed; for example 20 % double readings"),
    )
    is_blind = forms.BooleanField(
        required=False,
        label=_("Blinded readings"),
        help_text=_("where several people read an image, nobody sees another’s reading until all are closed"),
    )
    shows_proposals = forms.BooleanField(
        required=False,
        label=_("Proposals in blinded readings"),
        help_text=_("readers see what a model proposes; figures of agreement then say so"),
    )
    has_review = forms.BooleanField(
        required=False, label=_("Review"), help_text=_("a reviewer accepts each image or sends it back")
    )
    reviews_own_work = forms.BooleanField(
        required=False, label=_("Reviewers may review what they have read themselves")
    )
    needs_approval = forms.BooleanField(
        required=False,
        label=_("Approval by a pathologist"),
        help_text=_("only a member who is a pathologist ends the review; their approval is recorded with the image"),
    )
    excludes_own_centre = forms.BooleanField(
        required=False,
        label=_("Nobody reads images of their own centre"),
        help_text=_("the centre of a member is set beside their name"),
    )
    needs_admission = forms.BooleanField(
        required=False,
        label=_("Only admitted members get images"),
        help_text=_("people are admitted for a class by a test, or by you, at one centre or at all"),
    )
    matches_skills = forms.BooleanField(
        required=False,
        label=_("Images by skill"),
        help_text=_("an image with a tag that stands beside a member’s name goes only to such members"),
    )
    lease_hours = forms.IntegerField(
        min_value=1,
        max_value=24 * 90,
        label=_("Hours until an abandoned image returns"),
        help_text=_("an image that was begun and not touched for so long goes back to the queue"),
    )

    def rules(self) -> list[Any]:
        """The fields that say who may read and end what."""
        return [self[name] for name in ("needs_approval", "excludes_own_centre", "needs_admission", "matches_skills")]


class CurriculumForm(forms.Form):
    """What is asked before somebody is admitted."""

    training = forms.TypedMultipleChoiceField(
        coerce=int, required=False, label=_("Fields to learn from"), widget=forms.CheckboxSelectMultiple
    )
    least_cells = forms.IntegerField(
        min_value=1, max_value=100_000, initial=200, label=_("Cells that a test shows at least")
    )
    least_patients = forms.IntegerField(
        min_value=1, max_value=1000, initial=5, label=_("Patients that they come from at least")
    )
    least_share = forms.FloatField(
        min_value=0.01,
        max_value=0.99,
        initial=0.7,
        label=_("Share of right cells"),
        help_text=_("a class is passed where the lower end of the interval reaches it"),
    )

    def __init__(self, *args: Any, images: Sequence[Image], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(image.pk, image.name) for image in images]
        self.fields["training"].choices = choices  # type: ignore[attr-defined]


class ControlPlanForm(forms.Form):
    """How often readers are checked, and who sees the results."""

    owner = forms.ModelChoiceField(
        queryset=User.objects.none(), empty_label=None, label=_("Who sees the results"), help_text=_("nobody else does")
    )
    consequence = forms.CharField(
        label=_("What follows from the results"),
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("everybody in the project reads it"),
        error_messages={"required": _("Say what follows, so that people know it before they are checked.")},
    )
    control_percent = forms.IntegerField(
        min_value=0, max_value=50, initial=5, label=_("Controls, of 100 images"), help_text=_("0: none")
    )
    repeat_percent = forms.IntegerField(
        min_value=0, max_value=50, initial=5, label=_("Repeats, of 100 images"), help_text=_("0: none")
    )
    repeat_days = forms.IntegerField(
        min_value=0, max_value=1000, initial=14, label=_("Days before an image is repeated")
    )
    drop = forms.FloatField(min_value=0.01, max_value=0.99, initial=0.1, label=_("Drop of F1 that is to be seen"))
    false_alarm = forms.IntegerField(
        min_value=2, max_value=100_000, initial=200, label=_("Controls until a false alarm, on the average")
    )

    def __init__(self, *args: Any, members: QuerySet[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(memberships__in=members).order_by("pk")
        self.fields["owner"].queryset = people  # type: ignore[attr-defined]
        self.fields["owner"].label_from_instance = lambda person: person.display_name  # type: ignore[attr-defined]


class InviteForm(forms.Form):
    """Several people at once, all in one role."""

    notes = forms.CharField(
        label=_("Whom to invite"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("one person per line, by name or e-mail address: a note for you; each gets a link of their own"),
        error_messages={"required": _("Write one name per line, so that you know whose link is whose.")},
    )
    role = forms.ChoiceField(label=_("Role"), widget=forms.RadioSelect)
    days = forms.IntegerField(min_value=1, max_value=MOST_DAYS, initial=DAYS, label=_("Days until the links expire"))

    def __init__(self, *args: Any, roles: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(role, role) for role in roles]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]
        self.fields["role"].initial = Role.ANNOTATOR

    def clean_notes(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["notes"].splitlines() if line.strip()]


class JoinForm(InvitationForm):
    """The first name and password of somebody who joins by a link."""

    username = forms.CharField(
        max_length=150,
        label=_("User name"),
        help_text=_("to sign in with; letters, digits and @ . + - _"),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    field_order = ["username", "full_name", "new_password1", "new_password2"]
