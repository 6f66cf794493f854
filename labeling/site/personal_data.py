"""What is stored about somebody: for themselves, and on the page of a person for administrators."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from labeling.accounts.confirming import NotConfirmed, confirm
from labeling.accounts.models import User
from labeling.audit.downloads import download
from labeling.site.requests import Request, attempt, signed_in
from labeling.upkeep.leaving import anonymise_account, pseudonym_of
from labeling.upkeep.personal_data import write_personal_data


@signed_in
@require_POST
def own(request: Request) -> HttpResponseBase:
    """One's own data, after the password or a new sign-in: the file must not leave by an open browser."""
    try:
        confirm(request, request.POST.get("password", ""))
    except NotConfirmed as declined:
        messages.error(request, str(declined))
        return redirect("account")
    return _file(request.user)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def person(request: Request, person: int) -> HttpResponse:
    """The page of one person, for administrators. POST anonymises the account."""
    found = _person(request, person)
    context = {"person": found, "pseudonym": pseudonym_of(found)}
    if request.method != "POST":
        return render(request, "site/person.html", context)
    if request.POST.get("username", "") != found.get_username():
        problem = _("This is not the user name of the account. Type it exactly.")
        return render(request, "site/person.html", context | {"problem": problem}, status=422)
    done = _("The account is anonymised. Its work stays under {name}.").format(name=pseudonym_of(found))
    if attempt(request, lambda: anonymise_account(user=found, by=request.user), done=done) is None:
        return redirect("person", person)
    return redirect("administration")


@signed_in
@require_POST
def of_person(request: Request, person: int) -> HttpResponseBase:
    """What is stored about one person, for the administrator who answers their request."""
    return _file(_person(request, person))


def _person(request: Request, person: int) -> User:
    """To everybody but administrators there is no such page."""
    if not request.user.is_staff:
        raise Http404
    return get_object_or_404(User, pk=person)


def _file(user: User) -> HttpResponseBase:
    name = f"boxwise-{user.get_username()}.zip"
    return download(write_personal_data(user), name=name, content_type="application/zip", of=user.pk)
