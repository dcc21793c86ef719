"""gRPC channels to a session: transport security, proxies, message sizes (protocol §6.3, §4.6)."""

from __future__ import annotations

import os
import queue
import socket
import ssl
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import grpc

from ..errors import ConfigurationError, ConnectionFailedError
from ..wire.address import Address
from ..wire.deadline import Deadline
from ..wire.interruptible import make_grpc_sound

make_grpc_sound()

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes of one answer that we take; gRPC's own limit is 4 MiB."""
LARGEST_METADATA = 8 * 1024 * 1024
"""Bytes of error text that we take; upstream's exporter sends any length, and gRPC's own limit is 8 KiB."""
WINDOW = 4 * 1024 * 1024
"""Bytes that a stream may send before we read them. gRPC would let this grow with the traffic, to 100 MB and more."""
KEEPALIVE_MS = 20_000
"""As upstream's clients; exporters on TCP allow a ping every 10 s."""
HANDSHAKE_TIMEOUT = 5.0
CLOSING_TIMEOUT = 1.0
STATE_TIMEOUT = 0.5
"""Seconds for gRPC to say whether it has a connection, which it knows."""


class Security(Enum):
    """How the traffic to a TCP target is protected. Unix sockets are always plain: their folder protects them."""

    AUTO = "auto"
    """Plaintext to this machine or with JMP_GRPC_INSECURE=1, else TLS."""
    PLAINTEXT = "plaintext"
    """No encryption."""
    TLS = "tls"
    """TLS with a verified certificate."""
    UNVERIFIED_TLS = "unverified_tls"
    """TLS with whatever certificate the exporter shows: protects against listeners, not against impostors."""


def resolve_security(address: Address, asked: Security, ca: Path | None) -> Security:
    """Turns AUTO into one of the others.

    Raises:
        ConfigurationError: a CA file was given for a target that does not use it.
    """
    if address.is_unix:
        chosen = Security.PLAINTEXT
    elif asked is not Security.AUTO:
        chosen = asked
    elif ca is not None:
        chosen = Security.TLS
    elif plaintext_by_environment() or address.is_local:
        chosen = Security.PLAINTEXT
    else:
        chosen = Security.TLS
    if ca is not None and chosen is not Security.TLS:
        raise ConfigurationError(f"A CA file was given, but '{address}' is reached with {chosen.value}.")
    return chosen


def plaintext_by_environment() -> bool:
    """Whether the environment asks for plaintext, as `jmp shell` sets it (protocol §6.3)."""
    return "1" in (os.environ.get("JMP_GRPC_INSECURE"), os.environ.get("JUMPSTARTER_GRPC_INSECURE"))


@dataclass(frozen=True)
class ChannelArguments:
    """What gRPC needs to know to make a channel, a synchronous one or one in the event loop."""

    target: str
    options: tuple[tuple[str, object], ...]
    credentials: Any
    """None for plaintext."""
    security: Security
    """Never AUTO."""
    ca: Path | None


def channel_arguments(address: Address, security: Security, ca: Path | None, timeout: float) -> ChannelArguments:
    """Prepares a channel.

    Raises:
        ConfigurationError: the CA file cannot be read.
        ConnectionFailedError: UNVERIFIED_TLS, and the exporter's certificate could not be fetched.
    """
    options: list[tuple[str, object]] = [
        # Channels to one target would otherwise share one connection and its back-off after a failure.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.max_send_message_length", -1),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", WINDOW),
        # What comes back is found within a second, not after gRPC's two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.max_metadata_size", LARGEST_METADATA),
        ("grpc.absolute_max_metadata_size", LARGEST_METADATA),
    ]
    if address.is_local:
        options.append(("grpc.enable_http_proxy", 0))
    if not address.is_unix:
        options += [
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
    credentials = None
    if security is Security.UNVERIFIED_TLS:
        roots, name = fetch_certificate(address, min(timeout, HANDSHAKE_TIMEOUT))
        options.append(("grpc.ssl_target_name_override", name))
        credentials = grpc.ssl_channel_credentials(roots)
    elif security is not Security.PLAINTEXT:
        credentials = grpc.ssl_channel_credentials(_read(ca) if ca else None)
    return ChannelArguments(address.grpc_target, tuple(options), credentials, security, ca)


def make_channel(arguments: ChannelArguments) -> Any:
    """Makes a synchronous channel with a connection of its own."""
    if arguments.credentials is None:
        return grpc.insecure_channel(arguments.target, options=arguments.options)
    return grpc.secure_channel(arguments.target, arguments.credentials, options=arguments.options)


def fetch_certificate(address: Address, timeout: float) -> tuple[bytes, str]:
    """Fetches the certificate that an exporter shows, and a name in it. gRPC cannot skip verification; it can trust this.

    The time is for all of it, except for the look-up of the host's name, and for each address of a host that has several.

    Raises:
        ConnectionFailedError: there is no TLS server.
    """
    import tempfile  # late, as only this way of connecting needs it

    deadline = Deadline(timeout)
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    try:
        with _handshake(address, blind, deadline) as connection:
            der = connection.getpeercert(binary_form=True) or b""
        pem = ssl.DER_cert_to_PEM_cert(der)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            # Python parses a certificate only if it verified it: so let it verify this one against itself.
            pinned = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            pinned.check_hostname = False
            pinned.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            pinned.load_verify_locations(file.name)
        with _handshake(address, pinned, deadline) as connection:
            parsed: Any = connection.getpeercert() or {}
    except (OSError, ValueError) as error:
        raise ConnectionFailedError(
            f"Cannot fetch the TLS certificate of '{address}': {error}. Is an exporter with TLS listening there?"
        ) from None
    names = [value for kind, value in parsed.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    names += [value for part in parsed.get("subject", ()) for key, value in part if key == "commonName"]
    return pem.encode(), names[0].replace("*", "any") if names else address.host


def _handshake(address: Address, context: ssl.SSLContext, deadline: Deadline) -> ssl.SSLSocket:
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection((address.host, address.port), max(deadline.remaining, 0.001))
    try:
        plain.settimeout(max(deadline.remaining, 0.001))
        return context.wrap_socket(plain, server_hostname=address.host)
    except BaseException:
        plain.close()
        raise


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read the CA file '{path}': {error.strerror}.") from None


def close_channel(channel: Any) -> None:
    """Closes a channel, and waits for that for a second at most.

    gRPC waits in there until all calls are over. One in whose first steps an interrupt came (Ctrl-C twice) never is, and what is
    closed after the channel, such as a lease, must not wait for it.
    """
    closing = threading.Thread(target=channel.close, name="jumpstarter-close-channel", daemon=True)
    try:
        closing.start()
    except RuntimeError:  # Python 3.12 has no new threads when it ends
        channel.close()
        return
    closing.join(CLOSING_TIMEOUT)


def is_ready(channel: Any) -> bool:
    """Whether a channel has a connection now."""
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    tell = states.put
    try:
        channel.subscribe(tell)
        return states.get(timeout=STATE_TIMEOUT) is grpc.ChannelConnectivity.READY
    except (queue.Empty, ValueError):  # ValueError: it was closed meanwhile
        return False
    finally:
        channel.unsubscribe(tell)
