"""Read by ``manage.py shell`` in CVAT's container: the one user, with this deployment's password.

A restored snapshot has the user with the password of the deployment that made it.
"""

import os

from django.contrib.auth import get_user_model

user, _made = get_user_model().objects.get_or_create(username="serai")
user.is_staff = user.is_superuser = True
user.set_password(os.environ["CVAT_PASSWORD"])
user.save()
