"""A device: the client's view of one driver tree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConnectionFailedError, DriverNotFoundError, PassphraseError, SessionLostError
from ..journal import Journal, SessionClosed, SessionLost, SessionOpened
from ..wire.address import parse_address
from ..wire.deadline import Deadline, Timeout, seconds
from ..wire.secrets import Redactor
from .channel import ChannelArguments, Security, channel_arguments, make_channel, resolve_security
from .connection import Connection
from .driver import DriverClient
from .logs import LogReader
from .returning import Way
from .tree import Node, assemble, choose, find

if TYPE_CHECKING:
    from .console import Console

D = TypeVar("D", bound=DriverClient)

DEFAULT_TIMEOUT = timedelta(seconds=30)
_STREAMS = {"console", "network"}
"""Families whose drivers are byte streams before all: each can be used as the other."""


class Device:
    """An open device. What it does not have itself it takes from its root driver: `device.dut.power.on()`, or `device.on()`
    where the root is a power driver. Children are also items: `device["dut.power"]`.
    """

    def __init__(self, connection: Connection, tree: Node, timeout: Timeout) -> None:
        self.connection = connection
        self.tree = tree
        self.timeout_seconds = seconds(timeout)
        self.default_driver = ""
        """Path below or at which drivers are looked for when none is named; empty for the whole tree."""
        self.logs: LogReader | None = None
        self.consoles: dict[str, Console] = {}
        """The consoles that were opened, by path of the driver."""
        self.files: Path | None = None
        """Folder for what consoles say; no files are written unless it is set."""
        self.test = ""
        """Name of the running test, for consoles that are opened in it."""
        self.channel_arguments: ChannelArguments | None = None
        """How the exporter is reached, for further channels to it."""
        self._closing = False
        self._closers: list[Callable[[], object]] = []
        self._clients: dict[int, DriverClient] = {}

    @property
    def name(self) -> str:
        """What messages call this device."""
        return self.connection.name

    @property
    def journal(self) -> Journal:
        """Everything that happened in this session."""
        return self.connection.journal

    @property
    def state(self) -> str:
        """`open`, `lost` or `closed`."""
        if self.connection.closed:
            return "closed"
        return "open" if self.connection.loss is None else "lost"

    @property
    def timeout(self) -> timedelta:
        """How long one call may take unless it says otherwise; can be set."""
        return timedelta(seconds=self.timeout_seconds)

    @timeout.setter
    def timeout(self, value: Timeout) -> None:
        self.timeout_seconds = seconds(value)

    @property
    def root(self) -> DriverClient:
        """The client of the root driver."""
        return self.client_for(self.tree)

    def driver(self, path: str = "") -> DriverClient:
        """Returns the driver at a path; the empty path is the root.

        Raises:
            DriverNotFoundError: there is none; the message lists near matches.
        """
        return self.client_for(find(self.name, self.tree, path))

    def driver_of(self, kind: type[D], path: str | None = None) -> D:
        """Returns a driver of a family: the named one, else the only one at or below the default driver.

        Raises:
            DriverNotFoundError: there is none, or there are several; the message lists them.
        """
        if path:
            client = self.driver(path)
            if isinstance(client, kind):
                return client
            self._check_family(kind, client)
            return kind(self, client.node)  # named on purpose: an unknown tag may still have the family's methods
        start = find(self.name, self.tree, self.default_driver)
        candidates = [node for node in start.walk() if kind.serves(node)]
        found = self.client_for(choose(self.name, candidates, kind.family, start))
        assert isinstance(found, kind)
        return found

    def _check_family(self, kind: type[DriverClient], client: DriverClient) -> None:
        """Refuses a driver of another known family: a method of the same name may do something else there."""
        either_stream = {kind.family, client.family} <= _STREAMS
        if type(client) is not DriverClient and not either_stream:
            found = [node.path for node in self.tree.walk() if kind.serves(node)]
            raise DriverNotFoundError(
                f"{repr(client.path) if client.path else 'The root driver'} of device '{self.name}' is a {client.family} driver, "
                f"no {kind.family} driver. Its {kind.family} drivers: {', '.join(map(repr, found)) or 'none'}."
            )

    def client_for(self, node: Node) -> DriverClient:
        """Returns the client for a place in the tree, always the same one."""
        client = self._clients.get(id(node))
        if client is None:
            client = self._clients[id(node)] = DriverClient.class_for(node)(self, node)
        return client

    def switching_on(self) -> None:
        """The power is about to be switched on: consoles remember the place."""
        for console in self.consoles.values():
            console.switched_on()

    def is_switched_on(self) -> None:
        """The power is on: consoles that are there only now can be opened."""
        for console in self.consoles.values():
            console.is_switched_on()

    def add_closer(self, closer: Callable[[], object]) -> None:
        """Has something closed with the device, before its connection goes; what came last is closed first."""
        self._closers.append(closer)

    def remove_closer(self, closer: Callable[[], object]) -> None:
        """Takes back `add_closer`, for what was closed earlier; what is not there any more does no harm."""
        with contextlib.suppress(ValueError):
            self._closers.remove(closer)

    def close(self) -> None:
        """Ends the session's calls and streams and closes the connection. Closing twice does no harm."""
        if self._closing:
            return
        with contextlib.ExitStack() as last:  # each of these happens, whatever the others raise
            last.callback(self.journal.append, SessionClosed(alias=self.name))
            last.callback(self.connection.close)
            if self.logs is not None:
                last.callback(self.logs.close)
            for console in list(self.consoles.values()):
                last.callback(console.close)
            for closer in self._closers:
                last.callback(closer)
            self._closing = self.connection.closed = True

    def __getitem__(self, path: str) -> DriverClient:
        return self.driver(path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "tree" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.root, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *dir(self.root)]

    def __repr__(self) -> str:
        return f"<Device {self.name} {self.state}>"


@contextlib.contextmanager
def connect(
    target: str,
    *,
    timeout: Timeout = DEFAULT_TIMEOUT,
    passphrase: str | None = None,
    security: Security = Security.AUTO,
    ca: Path | None = None,
    name: str | None = None,
    journal: Journal | None = None,
    logs: bool = False,
) -> Iterator[Device]:
    """Opens a device and closes it at the end of the `with` block.

    Args:
        target: `host:port`, `[v6]:port`, `unix:PATH` or a socket's path (protocol §6.1).
        timeout: for opening, and for each call that does not say otherwise.
        passphrase: what the exporter wants; JMP_GRPC_PASSPHRASE unless given.
        security: how TCP traffic is protected; see `Security`.
        ca: PEM file with the only roots to trust.
        name: what messages call the device; the target unless given.
        journal: where to write down what happens; a new one unless given.
        logs: whether to read the exporter's log into the journal.

    Raises:
        ConfigurationError: the target is no address.
        ConnectionFailedError: it cannot be reached.
        ExporterNotReadyError: it does not become LEASE_READY in time.
        PassphraseError: it wants another passphrase.
    """
    device = open_device(
        target,
        timeout=timeout,
        passphrase=passphrase,
        security=security,
        ca=ca,
        name=name,
        journal=journal,
        logs=logs,
    )
    try:
        yield device
    finally:
        device.close()


def open_device(
    target: str,
    *,
    timeout: Timeout = DEFAULT_TIMEOUT,
    passphrase: str | None = None,
    security: Security = Security.AUTO,
    ca: Path | None = None,
    name: str | None = None,
    journal: Journal | None = None,
    logs: bool = False,
    origin: str = "given address",
    redact: Redactor | None = None,
    old_logs: bool = False,
    closed_with: contextlib.ExitStack | None = None,
    called: str | None = None,
) -> Device:
    """Opens a device; the caller closes it. Arguments and errors as for `connect`.

    Args:
        origin: which rule chose the target, for the journal.
        redact: masks secrets; one of its own unless given.
        old_logs: whether to read what the exporter's log held before, too, where the exporter can tell it apart.
        called: what the journal calls the target; the address unless given.
        closed_with: closes the device at its end: there is no moment in which an interrupt would leave it open.
    """
    address = parse_address(target)
    if address.path is not None and not Path(address.path).exists():
        raise ConnectionFailedError(
            f"Cannot open device '{name or target}': there is no socket '{address.path}'. Does the exporter (or the jmp shell) "
            "that made it still run?"
        )
    secret, deadline = _checked(passphrase), Deadline(timeout)
    arguments = channel_arguments(address, resolve_security(address, security, ca), ca, deadline.remaining)
    journal = Journal() if journal is None else journal
    channel: Any = None
    connection = device = None
    try:
        channel = make_channel(arguments)
        connection = Connection(name or str(address), address, channel, secret, journal, redact)
        connection.wait_until_ready(deadline)
        report = connection.get_report(deadline)
        device = Device(connection, assemble(connection.name, report.reports), timeout)
        device.channel_arguments = arguments
        nodes = list(device.tree.walk())
        journal.append(SessionOpened(alias=device.name, target=called or str(address), origin=origin, drivers=len(nodes)))
        connection.on_loss = partial(_write_loss, device)
        connection.way = Way(connection, nodes)
        if logs:
            device.logs = LogReader(connection, 0 if old_logs else connection.log_position)
            device.logs.start()
        if closed_with is not None:
            closed_with.callback(device.close)
        return device
    except BaseException:  # also Robot's timeout and Ctrl-C
        if (opened := device or connection or channel) is not None:
            opened.close()
        raise


def _checked(passphrase: str | None) -> str | None:
    """Returns the passphrase, ours or the environment's, never shown. It travels in a header, which takes only some characters.

    Raises:
        PassphraseError: it has others; none of an exporter's has.
    """
    secret = passphrase or os.environ.get("JMP_GRPC_PASSPHRASE") or None
    if secret and not (secret.isascii() and secret.isprintable()):
        where = "passphrase=" if passphrase else "JMP_GRPC_PASSPHRASE"
        raise PassphraseError(
            f"The passphrase of {where} must be printable ASCII text: it has a line end, or other characters no passphrase has."
        )
    return secret


def _write_loss(device: Device, failure: SessionLostError) -> None:
    device.journal.append(SessionLost(alias=device.name, reason=str(failure)))
