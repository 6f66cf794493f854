"""The pages of time studies."""

from django.urls import path

from labeling.site import reader_views, size_views, study_views

urlpatterns = [
    path("projects/<int:project>/studies/", study_views.studies, name="studies"),
    path("studies/<int:study>/", study_views.study, name="study"),
    path("studies/<int:study>/act/", study_views.act, name="study-act"),
    path("studies/<int:study>/edit/", study_views.edit_study, name="edit-study"),
    path("studies/<int:study>/size/", size_views.study_size, name="study-size"),
    path("studies/<int:study>/copy/", study_views.copy_study, name="copy-study"),
    path("studies/<int:study>/redraw/", study_views.redraw_study, name="redraw-study"),
    path("studies/<int:study>/readers/<int:participant>/remove/", study_views.remove_reader, name="remove-reader"),
    path("studies/<int:study>/freeze/", study_views.freeze_study, name="freeze-study"),
    path("studies/<int:study>/delete/", study_views.delete_study, name="delete-study"),
    path("studies/<int:study>/lock/", study_views.lock_study, name="lock-study"),
    path("studies/<int:study>/interim-look/", study_views.interim_look, name="interim-look"),
    path("studies/<int:study>/registration.md", study_views.study_registration, name="study-registration"),
    path("studies/<int:study>/report/", study_views.study_report, name="study-report"),
    path("studies/<int:study>/report.pdf", study_views.study_pdf, name="study-pdf"),
    path("studies/<int:study>/bundle.zip", study_views.study_bundle, name="study-bundle"),
    path("studies/<int:study>/plots/<str:name>.svg", study_views.study_plot, name="study-plot"),
    path("participations/<int:participant>/", reader_views.participation, name="participation"),
    path("participations/<int:participant>/receipt.txt", reader_views.receipt, name="participation-receipt"),
    path("study-items/<int:item>/", reader_views.study_item, name="study-item"),
    path("study-items/<int:item>/stop/", reader_views.stop_item, name="stop-item"),
]

# An address of the release before, which answers as the new one does until the next release.
urlpatterns += [path("studies/<int:study>/look/", study_views.interim_look, name="interim-look-former")]
