"""gRPC channels to controller and router: always TLS, quick to come back (protocol §6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from ..client.channel import fetch_certificate
from ..errors import ConfigurationError, ConnectionFailedError, ControllerError
from ..wire.address import Address, parse_address
from . import refusals
from .configuration import ClientConfiguration

KEEPALIVE_MS = 20_000
"""As upstream's clients; what controllers and routers allow."""
KEEPALIVE_TIMEOUT_MS = 10_000
FETCH_TIMEOUT = 5.0
LARGEST_MESSAGE = 64 * 1024 * 1024

_OPTIONS: Mapping[str, str | int] = {
    # Channels to one target would otherwise share one connection and its back-off after a failure.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": LARGEST_MESSAGE,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.keepalive_permit_without_calls": 1,
    "grpc.http2.max_pings_without_data": 0,
    # A lab that comes back is found within a second or two, not after gRPC's two minutes.
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.min_reconnect_backoff_ms": 5_000,
    "grpc.max_reconnect_backoff_ms": 1_000,
}


def open_channel(address: Address, configuration: ClientConfiguration, timeout: float = FETCH_TIMEOUT) -> Any:
    """Makes a channel to the controller or to a router. Only where any certificate will do it is asked for its own, in this time.

    Raises:
        ControllerAwayError: it has not shown it; nothing has been asked.
        ConfigurationError: what listens there does not speak TLS.
    """
    options = dict(_OPTIONS)
    if address.is_local:
        options["grpc.enable_http_proxy"] = 0
    roots = configuration.tls.ca
    if configuration.tls.insecure:
        # gRPC cannot leave verification out; it can trust the certificate that is there.
        try:
            roots, options["grpc.ssl_target_name_override"] = fetch_certificate(address, min(timeout, FETCH_TIMEOUT))
        except ConnectionFailedError as error:
            raise refusals.without_certificate(str(error).replace("an exporter with TLS", "the lab")) from None
    options |= dict(configuration.grpc_options)
    return grpc.secure_channel(str(address), grpc.ssl_channel_credentials(roots), options=tuple(options.items()))


def router_address(text: str) -> Address:
    """Reads the address of a router as `Dial` gives it; a router without a port listens where HTTPS does.

    Raises:
        ControllerError: it is no address.
    """
    try:
        return parse_address(text if ":" in text else f"{text}:443")
    except ConfigurationError as error:
        raise ControllerError(f"The lab's controller named a router that cannot be reached: {error}") from None
