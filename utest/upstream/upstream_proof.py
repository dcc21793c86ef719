"""Loads the client class of every driver package of upstream's by Get Driver Client, and writes down what happened.

    .venv-drivers/bin/python utest/upstream/upstream_proof.py docs/upstream-drivers.md

Where PyPI packages alone can start a driver, it is upstream's own driver that is behind the client; else it is a stand-in that
names the same class.
"""

import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from JumpstarterLibrary import JumpstarterLibrary
from JumpstarterLibrary.errors import JumpstarterError
from JumpstarterLibrary.exporter import Driver, Session

HERE = Path(__file__).parent

# One call through the client of each driver where there is one that does something and hurts nobody.
CALLS: dict[str, tuple[Any, ...]] = {
    "power.MockPower": ("on",),
    "power.SyncMockPower": ("cycle", 0),
    "pyserial.PySerial": ("open",),
    "network.TcpNetwork": ("address",),
    "network.UdpNetwork": ("address",),
    "network.WebsocketNetwork": ("address",),
    "opendal.Opendal": ("exists", "nothing"),
    "opendal.MockFlasher": ("flash", __file__),
    "opendal.MockStorageMux": ("host",),
    "opendal.MockStorageMuxFlasher": ("flash", __file__),
    "http.HttpServer": ("start",),
    "tftp.Tftp": ("start",),
    "iscsi.ISCSI": ("get_host",),
    "shell.Shell": ("greet", "you"),
    "can.Can": ("channel_info",),
    "uboot.UbootConsole": ("prompt",),
    "ssh.SSHWrapper": ("username",),
    "vnc.Vnc": ("get_default_encrypt",),
    "http_power.HttpPower": ("on",),
    "energenie.EnerGenie": ("on",),
    "mitmproxy.MitmproxyDriver": ("is_running",),
    "probe_rs.ProbeRs": ("info",),
    "renode.Renode": ("platform",),
    "ble.BleWriteNotifyStream": ("info",),
    "esp32.Esp32Flasher": ("hard_reset",),
    "qemu.Qemu": ("hostname",),
    "doip.DoIP": ("reconnect", 0),
}


@dataclass
class Row:
    package: str
    client: str
    driver: str
    call: str
    result: str


def packages() -> list[str]:
    """The modules of the driver packages that are installed."""
    names = {distribution.name.lower().replace("-", "_") for distribution in distributions()}
    return sorted(name for name in names if name.startswith("jumpstarter_driver_"))


def driver_classes(package: str) -> list[tuple[str, str]]:
    """The driver classes that a package has, each with the client class that it names."""
    from jumpstarter.driver import Driver as UpstreamDriver

    module = importlib.import_module(f"{package}.driver")
    found = []
    for name, each in inspect.getmembers(module, inspect.isclass):
        if issubclass(each, UpstreamDriver) and each.__module__ == module.__name__:
            with contextlib.suppress(NotImplementedError, AttributeError):
                found.append((name, each.client() or ""))
    return found


def client_classes(package: str) -> list[str]:
    """The client classes that a package has."""
    from jumpstarter.client import DriverClient

    try:
        module = importlib.import_module(f"{package}.client")
    except ModuleNotFoundError:
        return []
    found = inspect.getmembers(module, inspect.isclass)
    return [
        f"{module.__name__}.{name}"
        for name, each in found
        if issubclass(each, DriverClient) and each.__module__ == module.__name__ and not inspect.isabstract(each)
    ]


@contextlib.contextmanager
def peer() -> Iterator[dict[str, Any]]:
    """Upstream's session server with upstream's drivers, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "upstream_peer.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"upstream_peer.py ended with {process.wait()}")
        yield json.loads(line)
    finally:
        process.kill()
        process.communicate()


def stand_in(class_path: str) -> Driver:
    """A driver that names a client class and does nothing."""

    class StandIn(Driver):
        @classmethod
        def client(cls) -> str:
            return class_path

    return StandIn()


def load(library: JumpstarterLibrary, path: str, call: tuple[Any, ...] | None) -> str:
    """Loads a driver's client by the keyword, and calls it, if there is something to call."""
    try:
        client = library.run_keyword("get_driver_client", [path], {"allow": "jumpstarter_driver_*,jumpstarter.*"})
        wanted = library.sessions.current.device.driver(path).node.type_tag
        assert f"{type(client).__module__}.{type(client).__name__}" == wanted, type(client)
        if call is None:
            return "loaded"
        library.run_keyword("call_driver_client_method", [path, *call])
        return "loaded, and the call worked"
    except JumpstarterError as error:
        return f"**{type(error).__name__}**: {str(error).splitlines()[0]}"


def left_over(found: list[Row]) -> Iterator[Row]:
    """The client classes, and the packages, of which no driver was there; a stand-in speaks for them."""
    for package in packages():
        mine = {row.client for row in found if row.package == package}
        for path in client_classes(package):
            if path not in {row.client for row in found}:
                mine.add(path)
                yield Row(package, path, "stand-in", "—", "")
        if not mine and importlib.util.find_spec(f"{package}.driver") is not None:
            for path in sorted({path for _, path in driver_classes(package) if path}):
                mine.add(path)
                yield Row(package, path, "stand-in", "—", "")
        if not mine:
            for path in client_classes(package):
                yield Row(package, path, "stand-in", "—", "")
    yield Row("jumpstarter", "jumpstarter.client.flasher.FlasherClient", "stand-in", "—", "")


def rows() -> tuple[list[Row], dict[str, str]]:
    """What was tried, and what happened."""
    library = JumpstarterLibrary(timeout=10)
    found: list[Row] = []
    with peer() as served:
        library.run_keyword("open_jumpstarter_session", [served["path"]])
        for path, child in library.sessions.current.device.tree.children.items():
            package, _, name = path.partition("-")
            call = CALLS.get(f"{package}.{name}")
            result = load(library, path, call)
            shown = f"`{call[0]}`" if call else "—"
            found.append(Row(f"jumpstarter_driver_{package}", child.type_tag, f"`{name}`", shown, result))
        library.run_keyword("close_all_jumpstarter_sessions", [])
    rest = list(left_over(found))
    root = stand_in("jumpstarter_driver_composite.client.CompositeClient")
    root.children = {f"driver{number}": stand_in(row.client) for number, row in enumerate(rest)}
    with Session(root_device=root) as session, session.serve_unix() as address:
        library.run_keyword("open_jumpstarter_session", [address])
        for number, row in enumerate(rest):
            row.result = load(library, f"driver{number}", None)
        library.run_keyword("close_all_jumpstarter_sessions", [])
    return sorted(found + rest, key=lambda row: (row.package, row.client, row.driver)), served["failures"]


def page() -> str:
    """The page, from a real run."""
    found, failures = rows()
    assert set(packages()) <= {row.package for row in found}
    loaded = len({row.client for row in found if row.result.startswith("loaded")})
    lines = [
        "# Upstream's driver packages",
        "",
        "What `Get Driver Client` makes of every driver package of Jumpstarter 0.9.0 that is on PyPI. Written by",
        "`make drivers-page` from a real run, and compared with another one by a test.",
        "",
        f"{len(packages())} packages, {len({row.client for row in found})} client classes, {loaded} of them loaded; "
        f"{sum(row.driver != 'stand-in' for row in found)} drivers of upstream's ran.",
        "",
        "*Behind it* says which driver of upstream's answered; where PyPI packages alone cannot start one (it needs hardware, a",
        "kernel module, a server, or a program from elsewhere), a stand-in names the same class.",
        "",
        "| Package | Client class | Behind it | Call | Result |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        module = row.package.removeprefix("jumpstarter_driver_").replace("_", "-")
        lines.append(f"| {module} | `{row.client}` | {row.driver} | {row.call} | {row.result} |")
    if failures:
        lines += ["", "Did not start:", "", *(f"- `{name}`: {text}" for name, text in sorted(failures.items()))]
    return "\n".join(lines) + "\n"


def main() -> None:
    warnings.simplefilter("ignore")
    Path(sys.argv[1]).write_text(page())
    print(f"wrote {sys.argv[1]}")
    sys.stdout.flush()
    os._exit(0)  # upstream's packages leave threads behind that crash an ending interpreter now and then


if __name__ == "__main__":
    main()
