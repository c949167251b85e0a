"""``manage.py signin_link [username]``: a new single-use sign-in link, on the terminal only."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from accounts.models import AuditEvent, SigninCode, User


class Command(BaseCommand):
    help = "Print a sign-in link: one use, 15 minutes. Without a name it is the first administrator's."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="who is to sign in")

    def handle(self, *_args: Any, username: str | None, **_options: Any) -> None:
        people = User.objects.filter(is_active=True)
        wanted = people.filter(username=username) if username else people.filter(is_superuser=True)
        try:
            user = wanted.order_by("pk").first()
        except DatabaseError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(
                f"This is no database that Serai was started over ({reason}). Set SERAI_DATA and DATABASE_URL as for "
                "the start."
            ) from None
        if user is None:
            raise CommandError(
                f"There is nobody called {username}."
                if username
                else "There is no administrator yet: start Serai once."
            )
        AuditEvent.record(user, "signin_link.created", user)
        self.stdout.write(f"{settings.SERAI_URL}/welcome#{SigninCode.issue(user)}")
