"""CVAT's own settings, but for where its policies are asked and who lets people in. Runs in CVAT's container."""

from cvat.settings.production import *  # noqa: F403

IAM_OPA_HOST = "http://127.0.0.1:8181"
IAM_OPA_DATA_URL = f"{IAM_OPA_HOST}/v1/data"

REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [  # noqa: F405
    "serai_sign_in.ThroughTheGateway",
    *REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"],  # noqa: F405
]
