"""A cluster by HTTPS: certificates that nobody knows, those of an authority of its own, and what is said of each."""

import datetime
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from datacenters import clusters
from datacenters.models import Cluster
from datacenters.services import refresh

pytestmark = pytest.mark.django_db
UNTRUSTED = "shows a certificate that cannot be trusted"


def a_certificate(address: str = "127.0.0.1") -> tuple[str, str]:
    """A certificate for this address which is its own authority, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nomad")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


@pytest.fixture
def https(tmp_path, settings):
    """Starts a server with this certificate; it answers nothing of use, which is seen only by who trusts it."""
    settings.SERAI_DATA = tmp_path
    servers = []

    def serve(certificate: str, key: str) -> str:
        for name, pem in (("certificate", certificate), ("key", key)):
            (tmp_path / name).write_text(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(500, "No cluster leader")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def said(address: str, authority: str = "") -> str:
    cluster = Cluster.objects.create(name="garden", address=address, ca_certificate=authority)
    assert not refresh(cluster)
    return Cluster.objects.get().problem


def test_a_certificate_of_an_unknown_authority_is_said_with_what_to_look_at(https):
    assert UNTRUSTED in said(https(*a_certificate()))
    (check,) = clusters.examine(Cluster.objects.get())
    assert check.advice == (
        "Look at the address, at the token, and whether the cluster's certificate comes from an own authority."
    )


def test_with_its_own_authority_it_is_asked(https):
    certificate, key = a_certificate()
    assert "No cluster leader" in said(https(certificate, key), certificate)


def test_another_authority_and_a_certificate_for_another_address_are_not_trusted(https):
    other, _key = a_certificate()
    assert UNTRUSTED in said(https(*a_certificate()), other)
    Cluster.objects.all().delete()
    elsewhere, key = a_certificate("192.0.2.1")
    assert UNTRUSTED in said(https(elsewhere, key), elsewhere)


def test_http_where_https_is_spoken_is_said(https):
    address = https(*a_certificate()).replace("https", "http")
    assert said(address).startswith(f"The cluster at {address}")
