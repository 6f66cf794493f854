"""Addresses: /healthz here, the pages in labeling.site.urls, the API in labeling.api."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

from labeling.server.health import healthz

urlpatterns: list[URLPattern | URLResolver] = [path("healthz", healthz, name="healthz")]
urlpatterns.append(path("i18n/", include("django.conf.urls.i18n")))  # the choice of a language, kept in a cookie
if find_spec("labeling.api"):
    urlpatterns.append(path("api/v1/", include("labeling.api")))
if find_spec("labeling.site") and find_spec("labeling.site.urls"):
    urlpatterns.append(path("", include("labeling.site.urls")))
    urlpatterns.append(path("", include("labeling.site.study_urls")))
