"""The HTTP API: its routes, and the one shape of its errors (problem+json, RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.urls import path
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from labeling.errors import LabelingError


def problem(*, status: int, code: str, detail: str, field: str = "", lines: tuple[str, ...] = ()) -> Response:
    """An error for programs (code, field) and people (detail; lines, where several things are wrong)."""
    title = HTTPStatus(status).phrase
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    if field:
        body["field"] = field
    if lines:
        body["lines"] = list(lines)
    return Response(body, status=status, content_type="application/problem+json")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every error leaves as problem+json; what is not expected is left to crash loudly."""
    if isinstance(error, LabelingError):
        return problem(status=error.status, code=error.code, detail=str(error), field=error.field, lines=error.lines)
    if isinstance(error, RecursionError):  # nothing of ours goes that deep: the body does
        return problem(status=400, code="parse_error", detail="What was sent is nested too deeply.")
    if isinstance(error, Http404):
        return problem(status=404, code="not_found", detail="There is no such thing, or it is not shown to you.")
    if isinstance(error, PermissionDenied):
        detail = str(error) or "your role in this project does not allow this"
        return problem(status=403, code="not_allowed", detail=detail)
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    code = getattr(error, "default_code", "error")
    detail = str(error.detail if isinstance(error, exceptions.APIException) else error)
    answer = problem(status=response.status_code, code=code, detail=detail)
    for name, value in response.headers.items():
        if name != "Content-Type":
            answer[name] = value
    return answer


def routes() -> list[Any]:
    """Every route of /api/v1/, named like its view. tests/labeling/test_access.py has a row for each."""
    from labeling import interactive
    from labeling.annotations import api as annotations
    from labeling.exchange import api as exchange
    from labeling.images import api as images
    from labeling.projects import api as projects
    from labeling.rounds import api as rounds
    from labeling.site import overlay, workspace

    return [
        path("projects/", projects.ProjectList.as_view(), name="project-list"),
        path("projects/<int:project>/", projects.ProjectDetail.as_view(), name="project-detail"),
        path("projects/<int:project>/archive/", rounds.Archive.as_view(), name="project-archive"),
        path("projects/<int:project>/restore/", rounds.Restore.as_view(), name="project-restore"),
        path("projects/<int:project>/images/", images.ImageList.as_view(), name="image-list"),
        path("projects/<int:project>/images/table/", exchange.ImageTable.as_view(), name="image-table"),
        path("projects/<int:project>/rounds/", rounds.RoundList.as_view(), name="round-list"),
        path("projects/<int:project>/rounds/compare/", rounds.Compare.as_view(), name="round-compare"),
        path("projects/<int:project>/rounds/roll-back/", rounds.RollBack.as_view(), name="round-roll-back"),
        path("projects/<int:project>/reference-sets/", rounds.ReferenceSets.as_view(), name="reference-set-list"),
        path("projects/<int:project>/models/", rounds.ModelVersionList.as_view(), name="model-version-list"),
        path("projects/<int:project>/weights/", rounds.WeightsImports.as_view(), name="weights-import-list"),
        path("projects/<int:project>/export/<str:layout>/", exchange.Export.as_view(), name="export"),
        path("images/<int:image>/", images.ImageDetail.as_view(), name="image-detail"),
        path("images/<int:image>/workspace/", workspace.Workspace.as_view(), name="image-workspace"),
        path("images/<int:image>/pixels/", images.Pixels.as_view(), name="image-pixels"),
        path("images/<int:image>/thumbnail/", images.Thumbnail.as_view(), name="image-thumbnail"),
        path("images/<int:image>/tiles/<int:level>/<int:column>/<int:row>/", images.Tile.as_view(), name="image-tile"),
        path("images/<int:image>/smart/", interactive.Smart.as_view(), name="image-smart"),
        path("images/<int:image>/refuse/", interactive.Refuse.as_view(), name="image-refuse"),
        path("images/<int:image>/overlay/", overlay.Overlay.as_view(), name="image-overlay"),
        path("images/<int:image>/reference/", overlay.ReferencePack.as_view(), name="image-reference-pack"),
        path("layers/<uuid:layer>/feed/", annotations.Feed.as_view(), name="layer-feed"),
        path("layers/<uuid:layer>/presence/", annotations.Presence.as_view(), name="layer-presence"),
        path("layers/<uuid:layer>/pack/", annotations.Pack.as_view(), name="layer-pack"),
        path("layers/<uuid:layer>/operations/", annotations.Operations.as_view(), name="layer-operations"),
        path("layers/<uuid:layer>/heads/", annotations.Heads.as_view(), name="layer-heads"),
        path("activity/", annotations.Activity.as_view(), name="activity"),
        path("rounds/<int:round>/", rounds.RoundDetail.as_view(), name="round-detail"),
        path("rounds/<int:round>/drift/", rounds.ByOrigin.as_view(), name="round-drift"),
        path("rounds/<int:round>/cancel/", rounds.Cancel.as_view(), name="round-cancel"),
        path("rounds/<int:round>/retry/", rounds.Retry.as_view(), name="round-retry"),
        path("rounds/<int:round>/export/", rounds.Export.as_view(), name="round-export"),
        path("rounds/<int:round>/promote/", rounds.Promote.as_view(), name="round-promote"),
        path("rounds/<int:round>/sweep/", rounds.SweepSettings.as_view(), name="round-sweep"),
    ]


urlpatterns = routes()
