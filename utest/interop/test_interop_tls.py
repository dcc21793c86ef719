"""TLS between our client and our session, and what is said where one side has it and the other has not."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from helpers.exporters import free_port
from interop_support import Upstream, power_on

from JumpstarterLibrary.client import Security, connect
from JumpstarterLibrary.errors import ConfigurationError, ConnectionFailedError, PassphraseError
from JumpstarterLibrary.exporter import ServerTls, Session

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Authority:
    """A certificate authority in files."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, *names: x509.GeneralName) -> ServerTls:
        """A server's certificate for some names."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate("exporter", key.public_key(), self.certificate.subject)
        signed = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(self.key, hashes.SHA256())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return ServerTls(signed.public_bytes(serialization.Encoding.PEM), pem)


@dataclass(frozen=True)
class Secure:
    """A session served with TLS, and who vouches for it."""

    address: str
    ca: Path


def make_authority(folder: Path) -> Authority:
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _certificate("test authority", key.public_key(), None)
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    certificate = builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256())
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(folder, key, certificate)


def _certificate(name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Name | None) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


LOOPBACK = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def secure(session: Session, authority: Authority) -> Iterator[Secure]:
    with session.serve_tcp(tls=authority.sign(*LOOPBACK)) as address:
        yield Secure(address, authority.file)


def refused(address: str, **options: object) -> str:
    """Fails to open, and soon; returns the error's text."""
    begin = time.monotonic()
    with pytest.raises(ConnectionFailedError) as caught:
        connect(address, timeout=10, **options).__enter__()  # type: ignore[arg-type]
    assert time.monotonic() - begin < 2
    text = str(caught.value)
    assert text.startswith(("Cannot open device", "Cannot fetch the TLS certificate"))
    assert address in text
    return text


class TestTls:
    @pytest.mark.parametrize("security", [Security.TLS, Security.UNVERIFIED_TLS])
    @pytest.mark.usefixtures("dead_proxy")
    def test_no_proxy_on_loopback(self, secure: Secure, security: Security) -> None:
        ca = secure.ca if security is Security.TLS else None
        with connect(secure.address, security=security, ca=ca, timeout=5) as device:
            device.on()

    @pytest.mark.parametrize("security", [Security.AUTO, Security.TLS])
    def test_trusted(self, secure: Secure, security: Security) -> None:
        with connect(secure.address, security=security, ca=secure.ca, timeout=5) as device:
            assert device.latest().voltage == 5.0

    def test_unverified(self, secure: Secure) -> None:
        with connect(secure.address, security=Security.UNVERIFIED_TLS, timeout=5) as device:
            assert device.latest().voltage == 5.0

    @pytest.mark.parametrize(
        "names", [(x509.DNSName(name),) for name in ("board.lab.example", "*.lab.example")], ids=["name", "any"]
    )
    def test_unverified_with_a_certificate_for_another_name(
        self, session: Session, authority: Authority, names: tuple[x509.GeneralName, ...]
    ) -> None:
        with session.serve_tcp(tls=authority.sign(*names)) as address:
            with connect(address, security=Security.UNVERIFIED_TLS, timeout=5) as device:
                device.on()
            assert "its certificate is for another name" in refused(address, ca=authority.file)

    def test_upstream_verifies_us(self, secure: Secure, upstream: Upstream) -> None:
        env = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(secure.ca)}
        assert upstream(secure.address, "client.on()", env=env) == {}

    def test_wrong_authority(self, secure: Secure, stranger: Authority) -> None:
        assert "if its certificate is unknown here, give ca=" in refused(secure.address, ca=stranger.file)

    def test_unknown_authority(self, secure: Secure) -> None:
        assert "if its certificate is unknown here, give ca=" in refused(secure.address, security=Security.TLS)

    def test_plaintext_to_a_tls_port(self, secure: Secure) -> None:
        assert "If the exporter speaks TLS, say security=tls" in refused(secure.address, security=Security.PLAINTEXT)

    def test_tls_to_a_plaintext_port(self, tcp: int, authority: Authority) -> None:
        assert "If the exporter speaks plaintext, say security=plaintext" in refused(f"127.0.0.1:{tcp}", ca=authority.file)

    def test_unverified_tls_to_a_plaintext_port(self, tcp: int) -> None:
        text = refused(f"127.0.0.1:{tcp}", security=Security.UNVERIFIED_TLS)
        assert "Is an exporter with TLS listening there?" in text

    def test_nobody_listens(self, authority: Authority) -> None:
        address = f"127.0.0.1:{free_port()}"
        refused(address, ca=authority.file)
        refused(address, security=Security.UNVERIFIED_TLS)

    def test_something_else_listens(self, authority: Authority) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            for options in ({"ca": authority.file}, {"security": Security.UNVERIFIED_TLS}, {"security": Security.PLAINTEXT}):
                begin = time.monotonic()
                with pytest.raises(ConnectionFailedError, match=f"127.0.0.1:{silent.getsockname()[1]}"):
                    connect(address, timeout=0.5, **options).__enter__()
                assert time.monotonic() - begin < 1.5

    @pytest.mark.parametrize("security", [Security.PLAINTEXT, Security.UNVERIFIED_TLS])
    def test_authority_that_would_not_be_used(self, secure: Secure, security: Security) -> None:
        with pytest.raises(ConfigurationError, match="A CA file was given"):
            connect(secure.address, security=security, ca=secure.ca, timeout=5).__enter__()

    def test_authority_that_is_no_file(self, secure: Secure, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="Cannot read the CA file"):
            connect(secure.address, ca=tmp_path / "none.pem", timeout=5).__enter__()

    def test_authority_that_is_no_certificate(self, secure: Secure, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("not a certificate")
        assert refused(secure.address, ca=tmp_path / "ca.pem")

    def test_environment_asks_for_plaintext(self, secure: Secure, tcp: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JMP_GRPC_INSECURE", "1")
        power_on(f"127.0.0.1:{tcp}", monkeypatch)
        # What is said in the call wins over the environment.
        with connect(secure.address, ca=secure.ca, timeout=5) as device:
            device.on()

    def test_with_passphrase(self, session: Session, authority: Authority) -> None:
        with session.serve_tcp(tls=authority.sign(*LOOPBACK), passphrase="open sesame") as address:
            with connect(address, ca=authority.file, passphrase="open sesame", timeout=5) as device:
                device.on()
            with pytest.raises(PassphraseError):
                connect(address, ca=authority.file, timeout=5).__enter__()
