"""Exports on the project's page: ask for one, watch it, cancel it, fetch it."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods

from inference.formats.registry import format_named
from labeling.exchange.request import TOOLS, ExportRequest, Layout
from labeling.exchange.selection import DEFAULT, Part
from labeling.jobs import services
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.site import import_views
from labeling.site.overview import exportable
from labeling.site.requests import Request, acts_of, attempt, reach_project, signed_in

SHOWN = 5  # the newest exports
LAYOUTS = (
    (Layout.COCO, gettext_noop("COCO JSON"), gettext_noop("Masks as run lengths; for most training code.")),
    (Layout.GEOJSON, gettext_noop("GeoJSON"), gettext_noop("One file per image; QuPath opens it.")),
    (
        Layout.LABELS,
        gettext_noop("Label maps"),
        gettext_noop("Images, label maps and dataset.json; “boxwise train” and a new project read the zip."),
    ),
    (
        Layout.DATASET,
        gettext_noop("Data set"),
        gettext_noop("Label maps with a version, a card and checksums, to keep or to publish."),
    ),
    (
        Layout.CSV,
        gettext_noop("Table of cells, CSV"),
        gettext_noop("One row per cell: class, author, seconds, area, perimeter, circularity, stain, outline as WKT."),
    ),
    (
        Layout.PARQUET,
        gettext_noop("Table of cells, Parquet"),
        gettext_noop("The same table; pandas, geopandas and DuckDB read it."),
    ),
)
# Titles of inference/formats that have words of a language in them; the others are names of tools.
gettext_noop("CVAT for images 1.1")
gettext_noop("CoNSeP and HoVer-Net .mat")
gettext_noop("DICOM SEG and ANN")
gettext_noop("Label map, OME-TIFF")
gettext_noop("Label map, PNG")
gettext_noop("Label map, TIFF")
gettext_noop("YOLO detect and segment")
TOOL_LAYOUTS = tuple((layout, format_named(layout).title) for layout in Layout if layout in TOOLS)
LAYOUT_NAMES = {str(layout): label for layout, label, _help in LAYOUTS}
LAYOUT_NAMES |= {str(layout): label for layout, label in TOOL_LAYOUTS}
PARTS = (
    (Part.MASKS, gettext_noop("accepted masks")),
    (Part.BOXES, gettext_noop("boxes without a mask")),
    (Part.POINTS, gettext_noop("points")),
    (Part.REGIONS, gettext_noop("regions")),
    (Part.CANNOT_TELL, gettext_noop("cells nobody could tell")),
    (Part.REJECTED, gettext_noop("rejected proposals")),
    (Part.PROPOSALS, gettext_noop("open proposals")),
)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: Request, project: int) -> HttpResponse:
    """The page, and its panel to htmx; a POST asks for an export first."""
    found = reach_project(request, "export", project)
    if request.method == "POST":
        attempt(request, lambda: ask(request, found), done=_("The export is being made. You can leave this page."))
        return back(found)
    shown = panel(request, found)
    if request.htmx:
        return render(request, "site/parts/exports.html", shown)
    may_import = "manage" in acts_of(found, found.role_of(request.user))
    return render(request, "site/exchange.html", shown | (import_views.panel(request, found) if may_import else {}))


def back(project: Project) -> HttpResponse:
    """To the panel on the project's page."""
    return redirect(reverse("project-exports", args=[project.pk]) + "#exports")


def ask(request: Request, project: Project) -> Job:
    wanted = ExportRequest.of(
        request.POST.get("layout", ""),
        include=request.POST.getlist("include"),
        segmentation=request.POST.get("segmentation", ""),
        pictures="1" if "images" in request.POST else "0",
    )
    return services.create_job(kind=Job.Kind.EXPORT, project=project, owner=request.user, request=wanted.as_json())


def panel(request: Request, project: Project) -> dict[str, object]:
    """What the export panel shows."""
    visible = Job.objects.visible_to(request.user).filter(project=project, kind=Job.Kind.EXPORT)
    newest = list(visible.exclude(state=Job.State.EXPIRED).select_related("owner")[:SHOWN])
    return {
        "project": project,
        "may": acts_of(project, project.role_of(request.user)),
        "exportable": exportable(project),
        "layouts": LAYOUTS,
        "tool_layouts": TOOL_LAYOUTS,
        "parts": [(part, label, part in DEFAULT) for part, label in PARTS],
        "exports": newest,
        "exporting": any(job.is_active for job in newest),
    }
