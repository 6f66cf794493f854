"""The forms by which people come in: each error says what is wrong and what to do."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm, UsernameField
from django.utils.translation import gettext_lazy as _

from labeling.accounts.models import User
from labeling.accounts.services import decline_lookalike
from labeling.errors import Invalid


class SignInForm(AuthenticationForm):
    username = UsernameField(
        label=_("User name"), widget=forms.TextInput(attrs={"autofocus": True, "autocapitalize": "none"})
    )
    error_messages = {
        "invalid_login": _(
            "Name and password do not belong together. Check for capitals and try again; "
            "if you have forgotten the password, ask whoever runs this server."
        ),
        "inactive": _("This account is closed. Ask whoever runs this server to open it again."),
    }


class AccountForm(forms.Form):
    """Where mail reaches a person, and which."""

    email = forms.EmailField(
        required=False,
        label=_("E-mail address"),
        help_text=_("for mail from this server only; owners and managers of your projects see whether there is one"),
        error_messages={"invalid": _("This is no e-mail address; it should read like name@example.org.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    mails_round_ends = forms.BooleanField(required=False, label=_("Mail when a round ends"))
    language = forms.ChoiceField(label=_("Language of the mail"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].choices = settings.LANGUAGES  # type: ignore[attr-defined]


class InvitationForm(SetPasswordForm):
    """Sets the first password of an invited person, and how colleagues see them."""

    full_name = forms.CharField(
        max_length=150,
        required=False,
        label=_("Your name"),
        help_text=_("as colleagues see it, for example Dr A. Miller"),
    )
    new_password1, new_password2 = SetPasswordForm.create_password_fields(_("Password"), _("The same again"))
    new_password1.help_text = _("at least 10 characters; no common word, and nothing like your name")
    new_password2.help_text = ""
    field_order = ["full_name", "new_password1", "new_password2"]
    error_messages = {"password_mismatch": _("The two passwords differ. Type the same one twice.")}

    def clean_full_name(self) -> str:
        name: str = self.cleaned_data["full_name"].strip()
        try:
            decline_lookalike(name, user=self.user)
        except Invalid as error:
            words = str(error)
            raise forms.ValidationError(words[:1].upper() + words[1:] + ".") from None
        return name

    def save(self, commit: bool = True) -> User:
        first, _, last = self.cleaned_data["full_name"].strip().rpartition(" ")
        self.user.first_name, self.user.last_name = first, last
        return super().save(commit)
