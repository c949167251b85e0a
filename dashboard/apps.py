from django.apps import AppConfig

# Loaded with Django in every process: shared tasks ring the doorbell of this application.
from dashboard.celery import app as celery_app

__all__ = ["DashboardConfig", "celery_app"]


class DashboardConfig(AppConfig):
    name = "dashboard"
