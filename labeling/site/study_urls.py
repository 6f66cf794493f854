"""The pages of time studies."""

from django.urls import path

from labeling.site import study_views

urlpatterns = [
    path("projects/<int:project>/studies/", study_views.studies, name="studies"),
    path("studies/<int:study>/", study_views.study, name="study"),
    path("studies/<int:study>/act/", study_views.act, name="study-act"),
    path("studies/<int:study>/report/", study_views.study_report, name="study-report"),
    path("studies/<int:study>/report.pdf", study_views.study_pdf, name="study-pdf"),
    path("studies/<int:study>/bundle.zip", study_views.study_bundle, name="study-bundle"),
    path("studies/<int:study>/plots/<str:name>.svg", study_views.study_plot, name="study-plot"),
    path("participations/<int:participant>/", study_views.participation, name="participation"),
    path("study-items/<int:item>/", study_views.study_item, name="study-item"),
    path("study-items/<int:item>/stop/", study_views.stop_item, name="stop-item"),
]
