from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class MarketplaceConfig(AppConfig):
    name = "marketplace"

    def ready(self) -> None:
        autodiscover_modules("signals")
