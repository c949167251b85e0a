"""The REST API under ``/api/v1/``. shared API.md says what outsiders rely on."""
