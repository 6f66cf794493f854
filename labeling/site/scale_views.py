"""The scale of an image by a line along a scale bar that is in the picture."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from labeling.errors import Archived, LabelingError, sentence
from labeling.images.facts import measure_scale
from labeling.images.models import Image
from labeling.projects.access import reach
from labeling.projects.models import Project
from labeling.site.requests import Request, acts_of, signed_in

LONGEST = 1_000_000  # px of a side, and µm of a bar


class LineForm(forms.Form):
    """The ends of a line in image pixels, and how long it is in the tissue."""

    x0 = forms.FloatField(label=gettext_lazy("Left end, x"), min_value=0, max_value=LONGEST)
    y0 = forms.FloatField(label=gettext_lazy("Left end, y"), min_value=0, max_value=LONGEST)
    x1 = forms.FloatField(label=gettext_lazy("Right end, x"), min_value=0, max_value=LONGEST)
    y1 = forms.FloatField(label=gettext_lazy("Right end, y"), min_value=0, max_value=LONGEST)
    um = forms.FloatField(label=gettext_lazy("Length of the bar in µm"), min_value=0.01, max_value=LONGEST)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def scale(request: Request, image: int) -> HttpResponse:
    """GET: the picture to draw the line on. POST: the scale that follows from it is stored as measured."""
    projects = Project.objects.visible_to(request.user).filter(is_sheet=False)
    images = Image.objects.filter(project__in=projects).select_related("project")
    act = "manage" if request.method == "POST" else "oversee"
    found = reach(images, request.user, act, pk=image)
    if found.is_slide:
        messages.error(request, _("The scale of a whole slide comes from its file, or is typed."))
        return redirect(reverse("project-settings", args=[found.project_id]) + "#images")
    form = LineForm(request.POST) if request.method == "POST" else LineForm()
    if request.method == "POST" and form.is_valid():
        line = form.cleaned_data
        ends = ((line["x0"], line["y0"]), (line["x1"], line["y1"]))
        try:
            measure_scale(image=found, ends=ends, um=line["um"])
        except Archived:
            raise
        except LabelingError as error:
            form.add_error(None, sentence(error))
        else:
            return redirect(reverse("project-settings", args=[found.project_id]) + "#images")
    may = acts_of(found.project, found.project.role_of(request.user))
    context = {"image": found, "project": found.project, "form": form, "may": may, "title": _("Scale of an image")}
    return render(request, "site/scale.html", context, status=422 if form.errors else 200)
