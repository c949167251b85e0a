"""What a new project has from its first moment."""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import Project

from .storages import home_of


@receiver(post_save, sender=Project)
def make_home(instance: Project, created: bool, raw: bool = False, **_facts: Any) -> None:
    """The row alone: its folder comes with the first use."""
    if created and not raw:
        home_of(instance)
