"""What is searched of an asset follows it whenever it is saved or deleted."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from . import search
from .models import Asset, Module, Tool


@receiver(post_save, sender=Asset)
@receiver(post_save, sender=Module)
@receiver(post_save, sender=Tool)
def index(instance: Asset, **_facts: Any) -> None:
    search.index([instance])


@receiver(post_delete, sender=Asset)
@receiver(post_delete, sender=Module)
@receiver(post_delete, sender=Tool)
def unindex(instance: Asset, **_facts: Any) -> None:
    search.unindex(instance)
