"""The pages."""

from django.urls import path

from labeling.site import views

urlpatterns = [
    path("", views.home, name="home"),
    path("projects/<int:project>/", views.project, name="project"),
    path("images/<int:image>/", views.image, name="image"),
    path("rounds/<int:round>/", views.round_, name="round"),
    path("accounts/sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("accounts/sign-out/", views.SignOut.as_view(), name="sign-out"),
    path("accounts/invitation/<uidb64>/<token>/", views.Invitation.as_view(), name="invitation"),
]
