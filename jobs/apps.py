from importlib import import_module

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"

    def ready(self) -> None:
        # Models may be imported from here on, not before.
        import_module("jobs.tools.mirror").register()
        import_module("jobs.signals")
