"""Upstream's own client objects beside ours, on a channel of their own to the same exporter (protocol §11).

Upstream's packages are optional, so they are imported on request only. What their clients do is bounded from outside: each
runs in a thread, started work is known to a portal of ours, and a deadline or an interrupt cancels it there.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import GeneratorType
from typing import Any

from ..errors import (
    ConfigurationError,
    DriverMethodNotFoundError,
    InfrastructureError,
    UsageError,
    WrongArgumentsError,
)
from ..journal import CallEnded
from ..wire.aio_channel import open_aio_channel
from ..wire.deadline import Deadline, Timeout, seconds
from ..wire.interruptible import SoundEvent
from ..wire.protocol import NAME_LABEL
from ..wire.task_portal import Act as Doings
from ..wire.task_portal import OpenPortal
from .allow_list import EXTRA, AllowList, import_client_class, refusal
from .device import Device
from .driver import DriverClient
from .failures import Act, Attempt, shorten
from .tree import Node
from .upstream_failures import as_our_error, out_of_time

TICK = 0.1
"""Longest wait at a stretch, in seconds: between two of them an interrupt gets through."""
PATIENCE = 0.3
"""Seconds that what was cancelled gets to end."""
CLOSE_BUDGET = 2.0
LONGEST_SHOWN = 200
"""Characters of an argument and of a result that the journal keeps."""


def upstream_clients(device: Device) -> UpstreamClients:
    """Returns upstream's clients of a device; nothing is connected before the first is asked for."""
    found = _open.get(device)
    if found is None:
        found = _open[device] = UpstreamClients(device)
    return found


class UpstreamClients:
    """Upstream's own clients for the drivers of one device."""

    def __init__(self, device: Device) -> None:
        self._device: weakref.ref[Device] = weakref.ref(device)
        self._link: _Link | None = None
        self._permitted: set[str] = set()
        self._trees: list[tuple[frozenset[str], Any]] = []
        self._generation = 0
        """Of the exporter, for which the trees were made: one that begins anew gives its drivers other uuids."""
        self._clients: dict[str, tuple[frozenset[str], Any]] = {}

    @property
    def device(self) -> Device:
        """The device."""
        device = self._device()
        assert device is not None, "whoever asks has a driver, and that one keeps the device"
        return device

    def client(self, driver: DriverClient, allow: Sequence[str] = (), *, timeout: Timeout | None = None) -> Any:
        """Returns upstream's client of a driver, the same one until more is allowed than before or the exporter has begun anew.

        Args:
            driver: which driver.
            allow: patterns for classes that may be imported, beside those in `JMP_DRIVERS_ALLOW`. What they allow for this
                driver and those below it stays allowed in this session.
            timeout: for making it; the device's unless given.

        Raises:
            ConfigurationError: the class is not allowed, or cannot be imported; the message says what to do.
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        act = Act(self.device.name, driver.path, "client_from_channel")
        self.device.connection.check_usable(act)
        what = f"Upstream's client of {act.place}"
        tag = driver.node.type_tag
        if not tag:
            raise ConfigurationError(f"{what} is not known: the exporter names no class for this driver.")
        allowed = AllowList.from_environment(allow)
        self._permitted |= {node.type_tag for node in driver.node.walk() if allowed.permits(node.type_tag)}
        if tag not in self._permitted:
            raise refusal(what, [tag])
        limit = self.device.timeout_seconds if timeout is None else seconds(timeout)
        uuid = self._find_again(driver.node, limit)
        allowed_now = frozenset({node.type_tag for node in driver.node.walk()} & self._permitted)
        allowed_then, client = self._clients.get(driver.path, (None, None))
        if allowed_now != allowed_then:
            root = self._tree(driver.node.type_tag, allowed_now, what, act, limit)
            client = _at(root, self.device.tree, driver.node, uuid, what)
            self._clients[driver.path] = allowed_now, client
        return client

    def call(
        self,
        driver: DriverClient,
        method: str,
        arguments: Sequence[object] = (),
        named: Mapping[str, object] | None = None,
        *,
        timeout: Timeout | None = None,
    ) -> Any:
        """Calls a method of upstream's client, and ends it when it takes too long or is interrupted.

        Args:
            driver: which driver.
            method: name of a method, or of a property.
            arguments: positional ones.
            named: named ones.
            timeout: for the whole method; the device's unless given.

        Returns:
            What it returned; the values of a generator as a list.

        Raises:
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        deadline = Deadline(self.device.timeout_seconds if timeout is None else timeout)
        client = self.client(driver, timeout=deadline.remaining)
        act = Act(self.device.name, driver.path, f"{type(client).__name__}.{method}")
        work, link = _prepared(client, method, arguments, dict(named or {}), act), self._open_link()
        return self._bounded(lambda: work(link.portal), act, deadline, (*arguments, *(named or {}).items()))

    def close(self) -> None:
        """Ends what upstream's clients still do, and their channel. Closing twice does no harm."""
        link, self._link = self._link, None
        self._clients.clear()
        self._trees.clear()
        if link is not None:
            link.close()

    def _find_again(self, node: Node, limit: float) -> str:
        """Returns the driver's uuid of now, and forgets what was made for an exporter that has begun anew since."""
        connection = self.device.connection
        uuid = connection.uuid(node.uuid, limit)
        generation = connection.way.generation if connection.way is not None else 0
        if generation != self._generation:
            self._generation = generation
            self._clients.clear()
            self._trees.clear()
        return uuid

    def _tree(self, wanted_tag: str, allowed: frozenset[str], what: str, act: Act, timeout: float) -> Any:
        """Makes upstream's tree of clients, or takes one that has all classes that are allowed and can be had."""
        upstream = _import_upstream(what)
        usable = set()
        for tag in sorted(allowed):
            try:
                import_client_class(what, tag, upstream.DriverClient)
                usable.add(tag)
            except ConfigurationError:
                if tag == wanted_tag:
                    raise  # of a child below, upstream's stand-in says so as soon as somebody uses it
        for had, root in self._trees:
            if usable <= had:
                return root
        classes = frozenset(usable.union(*(had for had, _ in self._trees)))
        link = self._open_link()
        with _quiet():
            make = upstream.client_from_channel
            root = self._bounded(lambda: link.make_tree(make, sorted(classes)), act, Deadline(timeout), None)
        self._trees.append((classes, root))
        return root

    def _open_link(self) -> _Link:
        if self._link is None:
            self._link = _Link(self.device)
            self.device.add_closer(self.close)
        return self._link

    def _bounded(self, work: Callable[[], object], act: Act, deadline: Deadline, arguments: Sequence[object] | None) -> Any:
        connection, begin = self.device.connection, time.monotonic()
        outcome, detail = "interrupted", ""
        try:
            result = run_bounded(work, deadline)
            outcome, detail = "ok", connection.redact(_shown(result))[:LONGEST_SHOWN]
            return result
        except (_NotInTime, _Raised) as ended:
            attempt = Attempt(act, time.monotonic() - begin, deadline.total)
            error = ended.error if isinstance(ended, _Raised) else None
            failure = out_of_time(attempt, connection) if error is None else as_our_error(error, attempt, connection)
            outcome, detail = type(failure).__name__, shorten(str(failure))
            raise failure from None
        finally:
            if arguments is not None:
                self.device.journal.append(
                    CallEnded(
                        driver=act.driver,
                        method=act.method,
                        arguments=", ".join(connection.redact(_shown(each))[:LONGEST_SHOWN] for each in arguments),
                        seconds=time.monotonic() - begin,
                        outcome=outcome,
                        detail=detail,
                    )
                )


class _Link:
    """A channel in the event loop, with a portal of its own, and what upstream's clients leave open."""

    def __init__(self, device: Device) -> None:
        arguments = device.channel_arguments
        assert arguments is not None, "devices are opened by open_device"
        self._under_way, self._since = device.connection.under_way, time.monotonic()
        self._under_way.add(self._since)  # nobody knows when these clients call
        self._stack = contextlib.ExitStack()
        self._open = OpenPortal()
        self.portal = self._open.portal
        metadata = dict(device.connection.metadata or ())
        passphrase = next(iter(metadata.values()), None)
        self._channel: Any = self.portal.call(
            open_aio_channel, arguments.target, arguments.options, arguments.credentials, passphrase
        )

    def make_tree(self, make: Callable[..., Any], allow: list[str]) -> Any:
        """Has upstream's function make its clients."""
        return self.portal.call(make, self._channel, self.portal, self._stack, allow, False)  # noqa: FBT003 - upstream's signature

    def close(self) -> None:
        """The clients first, then the channel, then the portal; each in a bounded time, and whatever the others raise."""
        self._under_way.discard(self._since)
        with contextlib.ExitStack() as last:
            last.callback(self._open.close)
            last.callback(_suppressed, lambda: self.portal.call(self._channel.close))
            last.callback(_suppressed, self._stack.close)


def _suppressed(close: Callable[[], object]) -> None:
    with contextlib.suppress(_Raised, _NotInTime):
        run_bounded(close, Deadline(CLOSE_BUDGET / 2))


class _NotInTime(Exception):  # noqa: N818 - never seen outside
    pass


class _Raised(Exception):  # noqa: N818
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def run_bounded(work: Callable[[], object], deadline: Deadline) -> Any:
    """Runs something that blocks, in a thread; whatever ends the waiting also cancels what it does through portals."""
    doings, done = Doings(), SoundEvent()
    results: list[object] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            with doings:
                results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=body, name="jumpstarter-upstream", daemon=True).start()
    try:
        while not done.wait(min(deadline.remaining, TICK)):
            if deadline.expired:
                raise _NotInTime
    finally:  # also Robot's timeout and Ctrl-C
        if not done.is_set():
            doings.cancel()
            done.wait(PATIENCE)
    if errors:
        raise _Raised(errors[0])
    return results[0]


def _shown(value: object) -> str:
    """Plain values as they are; what foreign objects say of themselves can be pages."""
    plain = value is None or isinstance(value, (str, bytes, int, float, list, tuple, dict))
    return repr(value) if plain else f"<{type(value).__name__}>"


def _prepared(
    client: Any, method: str, arguments: Sequence[object], named: dict[str, object], act: Act
) -> Callable[[Any], object]:
    """Checks what can be checked without the driver, and returns what does the rest."""
    known = [name for name in dir(type(client)) if not name.startswith("_")]
    described = inspect.getattr_static(type(client), method, None)
    if described is None and method not in vars(client) and not _has_dynamic(client, method):
        near = difflib.get_close_matches(method, known)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known)}."
        raise DriverMethodNotFoundError(f"{act} failed: upstream's client has no method '{method}'. {hint}")
    if callable(described):
        try:
            inspect.signature(described).bind(client, *arguments, **named)
        except TypeError as error:
            raise WrongArgumentsError(f"{act} failed: wrong arguments: {error}.") from None
        except ValueError:
            pass  # it has no signature

    def work(portal: Any) -> object:
        found = getattr(client, method)
        if not callable(found):
            if arguments or named:
                raise UsageError(f"{act} failed: '{method}' is a value of upstream's client and takes no arguments.")
            return found
        result = found(*arguments, **named)
        if inspect.iscoroutine(result):
            coroutine = result
            return portal.call(lambda: coroutine)
        return list(result) if isinstance(result, GeneratorType) else result

    return work


def _has_dynamic(client: Any, method: str) -> bool:
    """Whether the class answers for names that it does not have, as the shell's client does for its methods."""
    return hasattr(type(client), "__getattr__") and not method.startswith("_")


def _at(root: Any, top: Node, node: Node, uuid: str, what: str) -> Any:
    """Finds upstream's client of a place in the tree; upstream keeps children by the name in their label."""
    client = root
    for step in top.way_to(node)[1:]:
        client = client.children.get(step.labels.get(NAME_LABEL)) if client is not None else None
    if client is None or str(client.uuid) != uuid:
        raise InfrastructureError(f"{what} cannot be told from another driver of the same name; ask for its parent's.")
    return client


class _Upstream:
    """What is used of upstream's package."""

    def __init__(self) -> None:
        self.DriverClient: type[Any] = importlib.import_module("jumpstarter.client").DriverClient
        self.client_from_channel: Callable[..., Any] = importlib.import_module("jumpstarter.client.client").client_from_channel


def _import_upstream(what: str) -> _Upstream:
    try:
        return _Upstream()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{what} needs upstream's package 'jumpstarter', which is not installed (there is no module '{error.name}'). "
            f"Install it: pip install '{EXTRA}'"
        ) from None
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{what} needs another version of upstream's package 'jumpstarter' ({error}). Install it: pip install '{EXTRA}'"
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Upstream warns of each class that it may not import; those are the ones that nobody asked for."""
    logger = logging.getLogger("jumpstarter.client.client")

    def drop(record: logging.LogRecord) -> bool:
        return "is not available" not in str(record.msg)

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


_open: weakref.WeakKeyDictionary[Device, UpstreamClients] = weakref.WeakKeyDictionary()
