"""Lets in whom Serai's gateway lets through: it shows this deployment's password with each request.

CVAT would do the same by itself, but works out a slow digest each time; a page asks for dozens of things.
"""

import hmac
import os
from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.authentication import BasicAuthentication


class ThroughTheGateway(BasicAuthentication):
    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        if userid == "serai" and hmac.compare_digest(password.encode(), os.environ["CVAT_PASSWORD"].encode()):
            return get_user_model().objects.get(username=userid), None
        return super().authenticate_credentials(userid, password, request)
