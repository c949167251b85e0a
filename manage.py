#!/usr/bin/env python
"""Django's command line for Serai."""

import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from dashboard import env
from dashboard.stack import started

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    started.adopt(env.path("SERAI_DATA", Path(__file__).resolve().parent / "var"))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Wrong setting: {error}")
