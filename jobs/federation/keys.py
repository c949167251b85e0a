"""Keys of clients, and the certificate by which they know their server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils.translation import gettext as _

LASTS = timedelta(days=3650)  # as long as the deployment, which makes a new one if it is made anew
CURVE = ec.SECP384R1
# In every certificate: Serai reaches a server by an address that no certificate could name beforehand.
INNER_NAME = "federation.serai.internal"


class NoKey(ValueError):
    """A text that is no public key a client could have; the words say what is wanted."""


@dataclass(frozen=True)
class NodeKey:
    """In OpenSSH's own form, as Flower reads both."""

    private: str
    public: str


@dataclass(frozen=True)
class Certificates:
    """PEM. The authority signs nothing but this one certificate: its own key is thrown away."""

    authority: str
    certificate: str
    key: str


def new_node_key() -> NodeKey:
    key = ec.generate_private_key(CURVE())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return NodeKey(private.decode(), _one_line(key.public_key()))


def checked_public_key(text: str) -> str:
    """The same key without its comment; raises NoKey."""
    try:
        key = serialization.load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NoKey(_("This is no public key of the kind that “ssh-keygen -t ecdsa -b 384” makes (its .pub file)."))
    return _one_line(key)


def new_certificates(names: Sequence[str]) -> Certificates:
    """A server certificate for these host names and addresses, and the authority that vouches for it."""
    authority_key, server_key = ec.generate_private_key(CURVE()), ec.generate_private_key(CURVE())
    issuer = _named("Serai federation")
    authority = (
        _begun(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(authority_key, hashes.SHA384())
    )
    certificate = (
        _begun(_named("Serai federated server"), issuer, server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in (*names, INNER_NAME)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA384())
    )
    return Certificates(_pem(authority), _pem(certificate), _private_pem(server_key))


def _one_line(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()
