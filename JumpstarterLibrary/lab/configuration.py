"""Client configurations as upstream writes them, and what the environment adds (protocol §6.5, §7).

A value of the file beats the environment, which fills only what the file lacks; that is how upstream behaves.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigurationError
from ..exporter.yaml_file import Place, read_yaml
from ..wire.address import Address, parse_address
from ..wire.secrets import Hidden
from . import settings
from .settings import Values

API_VERSION = "jumpstarter.dev/v1alpha1"
DEFAULT_ACQUISITION_TIMEOUT = 7200.0
DEFAULT_DIAL_TIMEOUT = 30.0
INSECURE_VARIABLES = ("JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE")
LOGIN = "jmp login writes a client configuration."


@dataclass(frozen=True)
class Tls:
    """How controller and router are trusted. There is no plaintext mode (protocol §6.3)."""

    ca: bytes | None = None
    """The only roots, PEM; the system's unless given."""
    insecure: bool = False
    """Whether any certificate is believed."""


@dataclass(frozen=True)
class ClientConfiguration:
    """Who we are for the controller, where it is, and how long things may take there, in seconds."""

    namespace: str
    name: str
    endpoint: Address
    token: Hidden
    tls: Tls = field(default_factory=Tls)
    refresh_token: Hidden | None = None
    grpc_options: tuple[tuple[str, str | int], ...] = ()
    allow: tuple[str, ...] = ()
    """Driver client classes whose code may be imported, as patterns (protocol §6.6)."""
    unsafe: bool = False
    """Whether all may."""
    acquisition_timeout: float = DEFAULT_ACQUISITION_TIMEOUT
    dial_timeout: float = DEFAULT_DIAL_TIMEOUT
    path: Path | None = None
    """The file; None if all comes from the environment."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each value came from, by key: a file with line, a variable, or `default`."""
    notes: tuple[str, ...] = ()
    """What has no effect here, for people."""

    @property
    def source(self) -> str:
        """The file, or the environment, in a few words."""
        return str(self.path) if self.path else "the environment"

    def describe(self) -> str:
        """Lists the values with their origins, never the token."""
        roots = "unverified" if self.tls.insecure else "the given CA" if self.tls.ca else "the system's roots"
        shown = {
            "metadata.namespace": self.namespace,
            "metadata.name": self.name,
            "endpoint": str(self.endpoint),
            "token": repr(self.token),
            "tls": roots,
            "leases.acquisition_timeout": f"{self.acquisition_timeout:g} s",
            "leases.dial_timeout": f"{self.dial_timeout:g} s",
        }
        lines = [f"{key} = {text}  ({self.origins.get(key, 'default')})" for key, text in shown.items()]
        return "\n".join([*lines, *self.notes])


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the configurations are (protocol §7)."""
    if home := environment.get("JMP_CLIENT_CONFIG_HOME"):
        return Path(home)
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "jumpstarter"


def load_configuration(
    client_config: str | os.PathLike[str] | None = None, environment: Mapping[str, str] = os.environ
) -> ClientConfiguration:
    """Reads the configuration that was asked for, else the environment's, else the user's current one.

    Args:
        client_config: an alias, or the path of a file.
        environment: the variables.

    Raises:
        ConfigurationError: there is none, or something in it is wrong; the message names file, line and key.
    """
    if client_config:
        return _read(_find(client_config, environment), environment)
    # Upstream takes a configuration from the environment alone as soon as both names are there.
    if environment.get("JMP_NAMESPACE") and environment.get("JMP_NAME"):
        return _read(None, environment)
    return _read(_current(environment), environment)


def _find(wanted: str | os.PathLike[str], environment: Mapping[str, str]) -> Path:
    text = os.fspath(wanted)
    if "/" in text or text.endswith((".yaml", ".yml")):
        return Path(text).expanduser()
    clients = folder(environment) / "clients"
    for path in sorted(clients.glob("*.y*ml")):
        if path.name.partition(".")[0] == text:
            return path
    known = ", ".join(sorted(path.name.partition(".")[0] for path in clients.glob("*.y*ml"))) or "none"
    raise ConfigurationError(f"There is no client configuration '{text}' in {clients}; there are: {known}. {LOGIN}")


def _current(environment: Mapping[str, str]) -> Path:
    user = folder(environment) / "config.yaml"
    ways = (
        "Give client_config= (an alias or a path), run jmp login or jmp config client use, or set JMP_NAMESPACE, JMP_NAME, "
        "JMP_ENDPOINT and JMP_TOKEN."
    )
    if not user.exists():
        raise ConfigurationError(f"No client configuration says where the lab is: there is no {user}. {ways}")
    top = read_yaml(user)
    fields = top.fields("a user configuration")
    _check_head(fields, "UserConfig")
    config = fields.get("config")
    chosen = {} if config is None or config.is_empty() else config.fields("the section config")
    current = chosen.get("current-client")
    if current is None or current.is_empty():
        raise ConfigurationError(f"No client configuration says where the lab is: {user} has no current-client. {ways}")
    try:
        return _find(current.text(), environment)
    except ConfigurationError as error:
        raise current.error(str(error)) from None


def _read(path: Path | None, environment: Mapping[str, str]) -> ClientConfiguration:
    top = None if path is None else read_yaml(path)
    fields = {} if top is None else top.fields("a client configuration")
    _check_head(fields, "ClientConfig")
    values = Values(top, fields, environment)
    ca, insecure = values.take("tls.ca", settings.text), values.take("tls.insecure", settings.boolean)
    for variable in INSECURE_VARIABLES:
        if not insecure and environment.get(variable) == "1":
            insecure, values.origins["tls.insecure"] = True, variable
    roots = _decode_ca(ca, values) if ca else None
    values.origins["tls"] = values.origins["tls.insecure" if insecure else "tls.ca"]
    values.take("leases.retry_timeout", settings.number)  # upstream's shell uses it, and we only check it
    refresh = values.take("refresh_token", settings.stripped, "JMP_REFRESH_TOKEN")
    return ClientConfiguration(
        namespace=values.need("metadata.namespace", settings.text, "JMP_NAMESPACE"),
        name=values.need("metadata.name", settings.text, "JMP_NAME"),
        endpoint=_endpoint(values),
        token=_token(values),
        tls=Tls(roots, bool(insecure)),
        refresh_token=Hidden(refresh) if refresh else None,
        grpc_options=tuple((values.take_all("grpcOptions", settings.option)).items()),
        allow=tuple(values.take("drivers.allow", settings.words, "JMP_DRIVERS_ALLOW") or ()),
        unsafe=bool(values.take("drivers.unsafe", settings.boolean, "JMP_DRIVERS_UNSAFE")),
        acquisition_timeout=_seconds(values, "leases.acquisition_timeout", 5, DEFAULT_ACQUISITION_TIMEOUT),
        dial_timeout=_seconds(values, "leases.dial_timeout", 0.001, DEFAULT_DIAL_TIMEOUT, first="JMP_DIAL_TIMEOUT"),
        path=path,
        origins=values.origins,
        notes=tuple(_notes(environment)),
    )


def _seconds(values: Values, key: str, least: float, default: float, first: str | None = None) -> float:
    def read(place: Place) -> float:
        number = settings.number(place)
        if number < least:
            raise place.error(f"at least {least:g} seconds, not {number:g}")
        return number

    if first and (found := values.from_variable(key, read, first)) is not None:
        return found
    found = values.take(key, read)
    return default if found is None else found


def _token(values: Values) -> Hidden:
    text = values.need("token", settings.stripped, "JMP_TOKEN")
    if not (text.isascii() and text.isprintable()):  # it travels in a header; what stands there is never shown
        raise values.error("token", "expected printable ASCII in one line: it has a line end, or other characters no token has")
    return Hidden(text)


def _endpoint(values: Values) -> Address:
    text = values.need("endpoint", settings.text, "JMP_ENDPOINT")
    try:
        address = parse_address(text)
        if address.is_unix:
            raise ConfigurationError(f"'{text}' is not host:port")
    except ConfigurationError as error:
        raise values.error("endpoint", f"{error} It is where the lab's controller listens, host:port.") from None
    return address


def _decode_ca(text: str, values: Values) -> bytes:
    try:
        pem = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        pem = b""
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise values.error("tls.ca", "expected a PEM bundle of certificates in base64")
    return pem


def _check_head(fields: Mapping[str, Place], kind: str) -> None:
    for key, wanted in (("kind", kind), ("apiVersion", API_VERSION)):
        place = fields.get(key)
        if place is not None and (given := place.text()) != wanted:
            raise place.error(f"expected {wanted}, not {given}")


def _notes(environment: Mapping[str, str]) -> list[str]:
    return [
        f"{variable} is set and has no effect: upstream documents it and does not read it either. Use client_config=."
        for variable in ("JMP_CLIENT_CONFIG", "JMP_CLIENT")
        if environment.get(variable)
    ]
