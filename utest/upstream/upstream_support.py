"""What the tests of upstream's clients share."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from JumpstarterLibrary.client.device import Device, open_device
from JumpstarterLibrary.exporter import Driver, ServerTls, Session, export

DRIVERS = ["jumpstarter_driver_*", "jumpstarter.*"]
"""An allow list for all that the tests use."""

ONE_SUPPLY = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: supply}
export:
  power: {type: jumpstarter_driver_power.driver.MockPower}
"""


@dataclass(kw_only=True)
class Tagged(Driver):
    """A driver that names whatever class it is told, and counts what it is asked."""

    tag: str
    asked: list[str] = field(default_factory=list)

    @export
    async def on(self) -> None:
        self.asked.append("on")

    @export
    async def off(self) -> None:
        self.asked.append("off")

    @export
    async def rescue(self) -> None:
        """Never comes back."""
        self.asked.append("rescue")
        try:
            await anyio.sleep_forever()
        finally:
            self.asked.append("cancelled")


class StuckPower(Tagged):
    """Names the power client, and never comes back from `on`; `off` fails."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_power.client.PowerClient"

    @export
    async def on(self) -> None:
        self.asked.append("on")
        try:
            await anyio.sleep_forever()
        finally:
            self.asked.append("cancelled")

    @export
    async def off(self) -> None:
        raise RuntimeError("the relay is stuck")


def tagged(tag: str, **answers: Any) -> Tagged:
    """A driver that names a class; its methods return the answers."""

    def method(answer: Any) -> Any:
        def call(self: Tagged, *arguments: Any) -> Any:
            self.asked.append("called")
            return answer

        return export(call)

    body = {name: method(answer) for name, answer in answers.items()} | {"client": classmethod(lambda cls: tag)}
    return type("Named", (Tagged,), body)(tag=tag)


def self_signed() -> ServerTls:
    """A certificate for localhost that vouches for itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ServerTls(certificate, pem)


@contextmanager
def opened(root: Driver, **options: Any) -> Iterator[Device]:
    """Our session server over a driver, and our client of it."""
    with Session(root_device=root) as session, session.serve_unix() as path:
        device = open_device(path, timeout=options.pop("timeout", 10), **options)
        try:
            yield device
        finally:
            device.close()
