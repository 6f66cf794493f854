"""The forms by which people come in: each error says what is wrong and what to do."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm, UsernameField
from django.utils.translation import gettext_lazy as _

from labeling.accounts.models import PersonalToken, User
from labeling.accounts.services import decline_lookalike
from labeling.errors import Invalid

PASSWORD_HELP = _("at least 10 characters; no common word, and nothing like your name")


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
        error_messages={"invalid": _("This is not an e-mail address; write it like name@example.org.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    mails_round_ends = forms.BooleanField(required=False, label=_("Mail when a round ends"))
    language = forms.ChoiceField(label=_("Language of the mail"))
    password = forms.CharField(
        required=False,
        strip=False,
        label=_("Your password"),
        help_text=_("only to change the e-mail address"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.has_usable_password():
            del self.fields["password"]
        self.fields["language"].choices = settings.LANGUAGES  # type: ignore[attr-defined]


class PasswordForm(PasswordChangeForm):
    """Another password of one's own."""

    error_messages = {
        "password_incorrect": _("This is not your password. Check for capitals and try again."),
        "password_mismatch": _("The two passwords differ. Type the same one twice."),
    }
    old_password = forms.CharField(
        strip=False,
        label=_("Your current password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new_password1, new_password2 = SetPasswordForm.create_password_fields(_("New password"), _("The same again"))
    new_password1.help_text = PASSWORD_HELP
    new_password2.help_text = ""


class ResetForm(SetPasswordForm):
    """A new password by a link."""

    error_messages = {"password_mismatch": _("The two passwords differ. Type the same one twice.")}
    new_password1, new_password2 = SetPasswordForm.create_password_fields(_("New password"), _("The same again"))
    new_password1.help_text = PASSWORD_HELP
    new_password2.help_text = ""


class TokenForm(forms.Form):
    """A personal token: what it is for, what it may do, until when."""

    name = forms.CharField(
        max_length=100, label=_("What it is for"), help_text=_("for example: export every night, or notebook")
    )
    scope = forms.ChoiceField(label=_("What it may do"), choices=PersonalToken.Scope.choices)
    days = forms.TypedChoiceField(
        label=_("How long it works"),
        coerce=int,
        initial=90,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("one year"))],
    )


class InvitationForm(SetPasswordForm):
    """Sets the first password of an invited person, and how colleagues see them."""

    full_name = forms.CharField(
        max_length=150,
        required=False,
        label=_("Your name"),
        help_text=_("as colleagues see it, for example Dr A. Miller"),
    )
    new_password1, new_password2 = SetPasswordForm.create_password_fields(_("Password"), _("The same again"))
    new_password1.help_text = PASSWORD_HELP
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
