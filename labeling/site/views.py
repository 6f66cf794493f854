"""The pages around the workspace."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class SignIn(LoginView):
    template_name = "site/sign_in.html"


class SignOut(LogoutView):
    pass


class Invitation(PasswordResetConfirmView):
    template_name = "site/invitation.html"


@login_required
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "site/home.html")


@login_required
def project(request: HttpRequest, project: int) -> HttpResponse:
    return render(request, "site/project.html")


@login_required
def image(request: HttpRequest, image: int) -> HttpResponse:
    return render(request, "site/workspace.html")


@login_required
def round_(request: HttpRequest, round: int) -> HttpResponse:
    return render(request, "site/round.html")
