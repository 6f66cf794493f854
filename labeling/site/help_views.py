"""Help, the sheet of keys, the search that every page has, and the first steps of the demo."""

import json
from pathlib import Path
from typing import TypedDict

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from labeling.accounts.services import close_first_steps
from labeling.numbers import whole_number
from labeling.site.help_topics import found_topics
from labeling.site.requests import Request, signed_in
from labeling.workspace.search import LONGEST, found_images, found_people, found_projects

KEYS = Path(__file__).with_name("keys.json")  # made by frontend/tests/key_sheet.test.ts from the commands


class KeyRow(TypedDict):
    """A command of the workspace: its sentence and group by language, and its first keys."""

    command: str
    sentence: dict[str, str]
    group: dict[str, str]
    keys: list[str]


@signed_in
@require_safe
def help_page(request: Request) -> HttpResponse:
    asked = searched(request)
    return render(request, "site/help.html", {"topics": found_topics(asked), "asked": asked})


@signed_in
@require_safe
def keys(request: Request) -> HttpResponse:
    """The sheet for the wall. Keys that the person has changed are kept by the browser, which puts them in."""
    return render(request, "site/keys.html", {"groups": groups_of(key_rows(), language())})


@signed_in
@require_safe
def search(request: Request) -> HttpResponse:
    asked = searched(request)
    context: dict[str, object] = {"asked": asked}
    if asked:
        context |= {
            "projects": found_projects(request.user, asked),
            "images": found_images(request.user, asked),
            "people": found_people(request.user, asked),
            "topics": found_topics(asked),
        }
    return render(request, "site/search.html", context)


@signed_in
@require_POST
def close_steps(request: Request) -> HttpResponse:
    """Back to the page that showed them."""
    close_first_steps(request.user)
    project = whole_number(request.POST.get("project"))
    return redirect("project", project) if project else redirect("home")


def searched(request: Request) -> str:
    return request.GET.get("q", "").strip()[:LONGEST]


def key_rows() -> list[KeyRow]:
    rows: list[KeyRow] = json.loads(KEYS.read_text())
    return rows


def language() -> str:
    return (get_language() or "en").partition("-")[0]


class KeyLine(TypedDict):
    """A command as the sheet shows it."""

    command: str
    sentence: str
    keys: list[str]


def groups_of(rows: list[KeyRow], code: str) -> dict[str, list[KeyLine]]:
    """Group -> its commands in their order, in this language, in English where it has no words."""
    groups: dict[str, list[KeyLine]] = {}
    for row in rows:
        group = row["group"].get(code, row["group"]["en"])
        sentence = row["sentence"].get(code, row["sentence"]["en"])
        line = KeyLine(command=row["command"], sentence=sentence, keys=row["keys"])
        groups.setdefault(group, []).append(line)
    return groups
