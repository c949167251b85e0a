"""Every address of the main host. Pages live in dashboard/views, one file a room."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dashboard.views.home")),
    path("", include("dashboard.views.accounts")),
    path("", include("dashboard.views.profile")),
    path("", include("dashboard.views.people")),
    path("", include("dashboard.views.health")),
]
