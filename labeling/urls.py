"""Addresses: /healthz, /livez and /metrics here, the pages in labeling.site.urls, the API in labeling.api."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, re_path

from labeling.api import unknown
from labeling.server.health import healthz, livez
from labeling.site.styleguide import styleguide
from labeling.upkeep.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz, name="healthz"),
    path("livez", livez, name="livez"),
    path("metrics", metrics, name="metrics"),
    path("i18n/", include("django.conf.urls.i18n")),  # the choice of a language, kept in a cookie
    path("api/v1/", include("labeling.api")),
    re_path(r"^api(?:/|$)", unknown, name="unknown"),
    path("", include("labeling.site.urls")),
    path("", include("labeling.site.study_urls")),
]
if settings.DEBUG:  # for those who build Boxwise; a server in use has no such page
    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))
handler400 = "labeling.site.error_pages.bad_request"
handler500 = "labeling.site.error_pages.server_error"
