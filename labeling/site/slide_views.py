"""A whole slide: what its file says, the fields that are made of it, and making more."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from labeling.errors import Archived, LabelingError
from labeling.images import fields
from labeling.images.models import Image, SlideField
from labeling.jobs.models import Job
from labeling.projects.access import reach
from labeling.projects.models import Project
from labeling.site.requests import Request, acts_of, sentence, signed_in

SHOWN_JOBS = 5
SHOWN_FIELDS = 500


class FieldsForm(forms.Form):
    """One way of making fields and what it needs."""

    method = forms.ChoiceField(
        label=gettext_lazy("How"),
        choices=[
            (SlideField.Method.GRID.value, gettext_lazy("every square of a grid")),
            (SlideField.Method.RANDOM.value, gettext_lazy("a random part of a grid")),
            (SlideField.Method.DRAWN.value, gettext_lazy("one rectangle")),
        ],
    )
    size = forms.IntegerField(
        label=gettext_lazy("Side of a square in pixels"),
        min_value=fields.SMALLEST,
        max_value=fields.LARGEST,
        initial=500,
    )
    overlap = forms.IntegerField(
        label=gettext_lazy("Overlap in pixels"), min_value=0, max_value=fields.LARGEST, initial=0, required=False
    )
    tissue = forms.FloatField(
        label=gettext_lazy("Least share of tissue in %"), min_value=0, max_value=100, initial=25, required=False
    )
    count = forms.IntegerField(label=gettext_lazy("How many"), min_value=1, max_value=fields.MOST, required=False)
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"), min_value=0, max_value=fields.SEEDS - 1, required=False,
        help_text=gettext_lazy("the same seed draws the same fields; without one, one is drawn and stored"),
    )  # fmt: skip
    x = forms.IntegerField(label=gettext_lazy("Left edge, x"), min_value=0, required=False)
    y = forms.IntegerField(label=gettext_lazy("Upper edge, y"), min_value=0, required=False)
    width = forms.IntegerField(label=gettext_lazy("Width in pixels"), min_value=1, required=False)
    height = forms.IntegerField(label=gettext_lazy("Height in pixels"), min_value=1, required=False)

    def clean(self) -> None:
        """What the chosen way needs must be there."""
        super().clean()
        found = self.cleaned_data
        needed = {"random": ("count",), "drawn": ("x", "y", "width", "height")}.get(found.get("method", ""), ())
        for name in needed:
            if found.get(name) is None and name not in self.errors:
                self.add_error(name, _("This is needed here."))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def slide(request: Request, image: int) -> HttpResponse:
    """GET: the slide and its fields. POST: a job that makes more of them."""
    projects = Project.objects.visible_to(request.user).filter(is_sheet=False)
    images = Image.objects.filter(project__in=projects).select_related("project")
    found = reach(images, request.user, "manage" if request.method == "POST" else "see", pk=image)
    if request.method != "POST" and not found.is_slide:
        return redirect("image", found.pk)
    form = FieldsForm(request.POST) if request.method == "POST" else FieldsForm()
    if request.method == "POST" and form.is_valid():
        try:
            job = asked(found, request, form.cleaned_data)
        except Archived:
            raise
        except LabelingError as error:
            form.add_error(None, sentence(error))
        else:
            messages.success(request, _("Fields are being cut: {n}.").format(n=job.total))
            return redirect("slide", found.pk)
    return render(request, "site/slide.html", context(request, found, form), status=422 if form.errors else 200)


def asked(slide: Image, request: Request, given: Mapping[str, Any]) -> Job:
    """Raises LabelingError."""
    fields.check_slide(slide)
    if given["method"] == SlideField.Method.DRAWN:
        rectangle = fields.Rectangle(given["x"], given["y"], given["width"], given["height"])
        return fields.ask_for_drawn(slide=slide, owner=request.user, rectangles=[rectangle])
    grid = fields.Grid(given["size"], given["overlap"] or 0, (given["tissue"] or 0) / 100)
    if given["method"] == SlideField.Method.GRID:
        return fields.ask_for_grid(slide=slide, owner=request.user, grid=grid)
    return fields.ask_for_random(slide=slide, owner=request.user, grid=grid, count=given["count"], seed=given["seed"])


def context(request: Request, slide: Image, form: FieldsForm) -> Mapping[str, object]:
    jobs = Job.objects.visible_to(request.user).filter(kind=Job.Kind.FIELDS, request__slide=slide.pk)
    made = list(fields.fields_of(slide)) if slide.is_slide else []
    return {
        "image": slide,
        "project": slide.project,
        "file": slide.slide_file if slide.is_slide else None,
        "form": form,
        "made": made[:SHOWN_FIELDS],
        "total": len(made),
        "jobs": jobs[:SHOWN_JOBS],
        "may": acts_of(slide.project, slide.project.role_of(request.user)),
        "title": slide.name,
    }
