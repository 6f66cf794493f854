"""The pages."""

from django.urls import path

from labeling.site import model_views, overlay, project_views, round_views, settings_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("projects/new/", views.new_project, name="new-project"),
    path("projects/<int:project>/", project_views.project, name="project"),
    path("projects/<int:project>/images/", project_views.images, name="project-images"),
    path("projects/<int:project>/time/", project_views.time, name="project-time"),
    path("projects/<int:project>/members/", project_views.add, name="project-members"),
    path("projects/<int:project>/members/<int:membership>/", project_views.change, name="project-member"),
    path("projects/<int:project>/classes/", project_views.classes, name="project-classes"),
    path("projects/<int:project>/settings/", settings_views.settings, name="project-settings"),
    path("projects/<int:project>/settings/images/", settings_views.images, name="settings-images"),
    path("projects/<int:project>/settings/classes/<int:label_class>/", settings_views.class_, name="settings-class"),
    path("projects/<int:project>/rounds/", round_views.start, name="project-rounds"),
    path("projects/<int:project>/models/", model_views.models, name="project-models"),
    path("projects/<int:project>/models/reference/", model_views.lock_reference, name="lock-reference"),
    path("projects/<int:project>/models/policy/", model_views.policy, name="round-policy"),
    path("projects/<int:project>/models/import/", model_views.import_own, name="import-weights"),
    path("projects/<int:project>/models/imports/", model_views.imports, name="weights-imports"),
    path("projects/<int:project>/rounds/roll-back/", model_views.roll_back_rounds, name="roll-back-rounds"),
    path("projects/<int:project>/rounds/compare/", model_views.compare, name="compare-rounds"),
    path("projects/<int:project>/rounds/compare/<int:image>/", overlay.overlay, name="compare-image"),
    path("rounds/<int:round>/promote/", model_views.promote_round, name="promote-round"),
    path("rounds/<int:round>/sweep/", model_views.sweep, name="sweep-round"),
    path("images/<int:image>/", views.image, name="image"),
    path("rounds/<int:round>/", round_views.round_, name="round"),
    path("rounds/<int:round>/progress/", round_views.progress, name="round-progress"),
    path("rounds/<int:round>/at-work/", round_views.at_work, name="round-at-work"),
    path("rounds/<int:round>/log/", round_views.log, name="round-log"),
    path("rounds/<int:round>/log.txt", round_views.log_file, name="round-log-file"),
    path("rounds/<int:round>/models.zip", round_views.export, name="export-round"),
    path("rounds/<int:round>/cancel/", round_views.cancel, name="cancel-round"),
    path("rounds/<int:round>/retry/", round_views.retry, name="retry-round"),
    path("accounts/sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("accounts/sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("accounts/invitation/<uidb64>/<token>/", views.Invitation.as_view(), name="invitation"),
]
