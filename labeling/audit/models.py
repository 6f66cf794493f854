"""One row for each security event. Rows are added; the database declines to change or remove them (migration 0032)."""

from django.db import models
from django.utils.translation import gettext_lazy as _

# Days for which the database keeps every row, whoever asks it to remove one. AUDIT_DAYS may be longer, not shorter.
LEAST_DAYS = 365


class Act(models.TextChoices):
    """Everything that is written down. docs/audit.md says of each what its row holds."""

    SIGNED_IN = "signed_in", _("signed in")
    SIGN_IN_FAILED = "sign_in_failed", _("sign-in failed")
    SIGN_IN_LIMITED = "sign_in_limited", _("sign-in locked for a while")
    SIGNED_OUT = "signed_out", _("signed out")
    SESSIONS_ENDED = "sessions_ended", _("sessions ended")
    RESET_LINK_CREATED = "reset_link_created", _("link for a new password created")
    PASSWORD_CHANGED = "password_changed", _("password changed")
    PASSWORD_RESET = "password_reset", _("password reset")
    EMAIL_CHANGED = "email_changed", _("e-mail address changed")
    SECOND_FACTOR_ADDED = "second_factor_added", _("second factor added")
    SECOND_FACTOR_REMOVED = "second_factor_removed", _("second factor removed")
    PASSKEY_ADDED = "passkey_added", _("passkey added")
    PASSKEY_REMOVED = "passkey_removed", _("passkey removed")
    RECOVERY_CODES_CREATED = "recovery_codes_created", _("recovery codes created")
    ACCOUNT_LINKED = "account_linked", _("account of an identity provider linked")
    ACCOUNT_UNLINKED = "account_unlinked", _("account of an identity provider unlinked")
    ACCOUNT_CREATED = "account_created", _("account created")
    ACCOUNT_CLOSED = "account_closed", _("account closed")
    ACCOUNT_OPENED = "account_opened", _("account opened again")
    ACCOUNT_ANONYMISED = "account_anonymised", _("account anonymised")
    INVITATION_CREATED = "invitation_created", _("invitation created")
    INVITATION_USED = "invitation_used", _("invitation used")
    INVITATION_REVOKED = "invitation_revoked", _("invitation revoked")
    MEMBER_ADDED = "member_added", _("member added")
    MEMBER_REMOVED = "member_removed", _("member removed")
    ROLE_CHANGED = "role_changed", _("role changed")
    TOKEN_CREATED = "token_created", _("token created")
    TOKEN_REVOKED = "token_revoked", _("token revoked")
    EXPORT_REQUESTED = "export_requested", _("export requested")
    EXPORT_FETCHED = "export_fetched", _("export downloaded")
    ORIGINAL_FETCHED = "original_fetched", _("original file downloaded")
    PROJECT_CREATED = "project_created", _("project created")
    PROJECT_CHANGED = "project_changed", _("project settings changed")
    PROJECT_ARCHIVED = "project_archived", _("project archived")
    PROJECT_RESTORED = "project_restored", _("project restored")
    PROJECT_COPIED = "project_copied", _("project copied")
    PROJECT_DELETED = "project_deleted", _("project deleted")
    PROJECT_REMOVED = "project_removed", _("project removed for good")
    CLASS_REMOVED = "class_removed", _("class removed")
    IMAGES_DELETED = "images_deleted", _("images deleted")
    IMAGES_RESTORED = "images_restored", _("images restored")
    PATIENT_WITHDRAWN = "patient_withdrawn", _("patient withdrawn")
    FILES_REMOVED = "files_removed", _("files removed")
    STUDY_DATA_REMOVED = "study_data_removed", _("data of a study participant removed")
    WEIGHTS_IMPORTED = "weights_imported", _("weights imported")
    POLICY_CHANGED = "policy_changed", _("site settings changed")
    RIGHT_CHANGED = "right_changed", _("right of a person changed")
    AUDIT_EXPORTED = "audit_exported", _("audit log exported")


class SecurityEvent(models.Model):
    """Something that concerns security. It names people and projects by number and name and refers to no row, so that
    it stays when they go.

    person   who did it; null for the server itself and for somebody who is not signed in
    subject  what it was done to, in words: a user name, a project, a file
    details  further facts, by name; docs/audit.md lists them. No secret and no password
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    act = models.CharField(max_length=30, choices=Act)
    person = models.BigIntegerField(null=True)
    person_name = models.CharField(max_length=150, blank=True)
    address = models.CharField(max_length=45, blank=True)
    token = models.BigIntegerField(null=True, help_text="the personal token that the request came with")
    project = models.BigIntegerField(null=True)
    project_name = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=400, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["act", "-id"], name="security_events_of_an_act"),
            models.Index(fields=["person", "-id"], name="security_events_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.act} {self.subject}"
