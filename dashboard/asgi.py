"""The ASGI application that gunicorn's ``-k asgi`` worker serves."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

pages = get_asgi_application()

from dashboard.gateway.app import Gateway  # noqa: E402  (models can be imported only now)

application = Gateway(pages)
