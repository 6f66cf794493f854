"""What a token may do: every method of a view has a scope, and a token must have it or a wider one.

Reading is every GET. Whatever else a route does needs `manage`, unless its contract declares `scope="annotate"`; so a
new route that forgets to say anything is closed to narrow tokens. Whether the person behind the token may do it is
asked afterwards, as for everybody (labeling/projects/access.py).
"""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from labeling.accounts.models import PersonalToken
from labeling.contract import contract_of
from labeling.errors import LabelingError

Scope = PersonalToken.Scope
ORDER = (Scope.READ, Scope.ANNOTATE, Scope.MANAGE)  # each contains the ones before


class ScopeTooNarrow(LabelingError):
    """The person may do it, this token may not."""

    code = "scope_too_narrow"
    status = 403


def scope_of(view: object, method: str) -> str:
    """The scope that a token needs for a method of a view."""
    if method in SAFE_METHODS:
        return Scope.READ
    declared = contract_of(getattr(view, method.lower(), None))
    return declared.scope if declared is not None else Scope.MANAGE


class TokenHasScope(BasePermission):
    """Lets through everybody without a token, and tokens of a sufficient scope. Raises ScopeTooNarrow."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, PersonalToken):
            return True
        needed = scope_of(view, str(request.method))
        if ORDER.index(Scope(request.auth.scope)) < ORDER.index(Scope(needed)):
            raise ScopeTooNarrow(
                _("this token has the scope “{own}”; this needs one of the scope “{needed}”").format(
                    own=request.auth.scope, needed=needed
                )
            )
        return True
