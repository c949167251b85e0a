"""What somebody outside needs to take part: the key, the certificate, the exact command."""

import io
import re
import zipfile

from django.utils.translation import gettext as _

from jobs.models import Deployment, FederationClient

from .keys import NodeKey
from .places import Place, place_of

FLOWER_VERSION = "1.41.0"  # requirements/flower.in
KEY_FILE, AUTHORITY_FILE = "node", "ca.pem"
PRIVATE_FILE = 0o600 << 16  # as zip keeps permissions


def command(place: Place) -> str:
    """The one line that starts a client; in the example with digits each takes a part of them."""
    authority = f" --root-certificates {AUTHORITY_FILE}" if place.authority else ""
    return (
        f"flower-supernode --superlink {place.address}{authority} --auth-supernode-private-key {KEY_FILE}"
        ' --node-config "part=0 parts=2"'
    )


def file_name(client: FederationClient) -> str:
    return f"{re.sub(r'[^A-Za-z0-9-]+', '-', client.name).strip('-').lower() or 'client'}-flower.zip"


def bundle(client: FederationClient, key: NodeKey | None) -> bytes:
    """A zip file with all of it; without the key where the client has one of its own."""
    place = place_of(client.server)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("README.txt", readme(client, place))
        if place and place.authority:
            packed.writestr(AUTHORITY_FILE, place.authority)
        if key:
            private = zipfile.ZipInfo(KEY_FILE)
            private.external_attr = PRIVATE_FILE
            packed.writestr(private, key.private)
    return held.getvalue()


def readme(client: FederationClient, place: Place | None) -> str:
    server: Deployment = client.server
    start = command(place) if place else _("The server does not run now; its page shows the command once it does.")
    return _(
        "Client “%(client)s” of the federated server “%(server)s”\n"
        "\n"
        "1. Python 3.11 or newer, in an environment of its own:\n"
        "\n"
        "   python3 -m venv flower && . flower/bin/activate\n"
        "   pip install flwr==%(version)s numpy scikit-learn\n"
        "\n"
        "   with what else the app of the server needs.\n"
        "\n"
        "2. In the folder of this file:\n"
        "\n"
        "   chmod 600 node\n"
        "   %(command)s\n"
        "\n"
        "   In the example with digits “part” counts from 0: the first of two clients takes part=0, the other part=1.\n"
        "   Several clients on one machine need a --port each, as --port 9095.\n"
        "\n"
        "The file “node” is the client's private key. Serai has not kept it: if it is lost, or seen by somebody else,\n"
        "take the client away on the server's page and add a new one. The server sends the program that trains: run\n"
        "this only if you trust whoever runs the server. Your data stays on this machine.\n"
    ) % {"client": client.name, "server": server.title, "version": FLOWER_VERSION, "command": start}
