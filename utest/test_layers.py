"""The import graph of the package: imports go down the list of rooms, never up, and each room stays ignorant of some things."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

PACKAGE = "JumpstarterLibrary"
ROOT = Path(__file__).parent.parent / PACKAGE

ROBOT = ("robot", "robotlibcore", "assertionengine")
GRPC = ("grpc", "google.protobuf", "jumpstarter_protocol")
THREADS = ("threading", "_thread", "concurrent")
EVENT_LOOPS = ("asyncio", "anyio", "grpc.aio")
PYTEST = ("pytest", "_pytest")


@dataclass(frozen=True)
class Room:
    """Files and folders directly in the package, and the modules from outside that they must not import."""

    parts: tuple[str, ...]
    bans: tuple[str, ...] = ()


# From top to bottom. drivers stands above exporter, because drivers are made from its Driver class.
ROOMS = (
    Room(("library", "lifecycle", "settings", "skipping", "retry", "verdict"), (*GRPC, *EVENT_LOOPS, *PYTEST)),
    Room(("keywords",), (*GRPC, *THREADS, *EVENT_LOOPS, *PYTEST)),
    Room(("testing", "pytest_plugin", "pytest_failures", "doctor", "describe", "__main__"), ROBOT),
    Room(("report",), (*GRPC, *PYTEST)),
    Room(("sessions", "places", "needs"), (*ROBOT, *PYTEST)),
    Room(("lab",), (*ROBOT, *PYTEST)),
    Room(("client",), (*ROBOT, *PYTEST, *EVENT_LOOPS)),
    Room(("drivers",), (*ROBOT, *PYTEST)),
    Room(("exporter",), (*ROBOT, *PYTEST)),
    Room(("journal",), (*ROBOT, *PYTEST, *GRPC)),
    Room(("wire", "errors"), (*ROBOT, *PYTEST)),
)
LEVELS = {part: level for level, room in enumerate(ROOMS) for part in room.parts}

# The package's front door belongs to no room: it names the library, late, and its version.
FRONT_DOOR = "__init__.py"
NO_ROOM = {FRONT_DOOR, "version.py"}

# An entry point starts things; nothing imports it.
MAY_ALSO_IMPORT = {"exporter/__main__.py": ("drivers",), "__main__.py": ("verdict",)}

# The one place that reaches for upstream's own clients, when a user asks for them and has installed them. It does so late, by
# import_module in a function; `utest/upstream/test_upstream_packages.py` holds that the library is whole without them.
MAY_REACH_UPSTREAM = {"client/upstream.py": ("jumpstarter.client", "jumpstarter.client.client")}


def check(sources: Mapping[str, str]) -> list[str]:
    """Checks the sources of a package, by their paths in it, and returns one line per violation."""
    modules = {_module(path) for path in sources}
    found = []
    for path, source in sorted(sources.items()):
        if path in NO_ROOM:
            continue
        part = _part(path)
        if part not in LEVELS:
            found.append(f"{path}: is in no room")
            continue
        for line, name in imports(path, source, modules):
            if reason := _violation(path, LEVELS[part], name):
                found.append(f"{path}:{line}: imports {name}: {reason}")
    if FRONT_DOOR in sources:
        found += _check_front_door(sources[FRONT_DOOR], modules)
    return found


def imports(path: str, source: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    """All imports of a file as full names: also those in functions, under TYPE_CHECKING and by a literal `import_module`.

    An import under TYPE_CHECKING counts because the reader has to know the other room just the same.
    """
    return _imports_of(ast.walk(ast.parse(source)), path, modules)


def _imports_of(nodes: Iterator[ast.AST], path: str, modules: set[str]) -> Iterator[tuple[int, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(path, node)
            for alias in node.names:
                # `from ..wire import values` imports a module, `from ..wire.values import encode` a name in one.
                full = f"{base}.{alias.name}"
                if full == f"{PACKAGE}.{PACKAGE}":
                    full = f"{PACKAGE}.library"
                is_package_part = base == PACKAGE or full in modules or not base.startswith(PACKAGE)
                yield node.lineno, full if is_package_part else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__"):
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def _violation(path: str, level: int, name: str) -> str | None:
    outermost, _, rest = name.partition(".")
    if outermost == PACKAGE:
        part = rest.partition(".")[0]
        if part in MAY_ALSO_IMPORT.get(path, ()) or part in ("", "version", "__version__"):
            return None
        if part not in LEVELS:
            return "that is in no room"
        return "that room is above" if LEVELS[part] < level else None
    if outermost.startswith("jumpstarter") and outermost != "jumpstarter_protocol":
        if name in MAY_REACH_UPSTREAM.get(path, ()):
            return None
        return "upstream's packages are peers in tests, not parts of ours"
    banned = [ban for ban in ROOMS[level].bans if name == ban or name.startswith(f"{ban}.")]
    return "this room must not know it" if banned else None


def _check_front_door(source: str, modules: set[str]) -> Iterator[str]:
    for line, name in _imports_of(iter(ast.parse(source).body), FRONT_DOOR, modules):
        if not name.startswith((f"{PACKAGE}.version", "__future__", "typing")):
            yield f"{FRONT_DOOR}:{line}: imports {name}: pytest loads the package in every run, so this has to be late"
    for line, name in imports(FRONT_DOOR, source, modules):
        if name.startswith(f"{PACKAGE}.") and name.split(".")[1] not in ("version", "library"):
            yield f"{FRONT_DOOR}:{line}: imports {name}: only the library and the version are named here"


def _base(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    folders = [PACKAGE, *PurePosixPath(path).parent.parts]
    return ".".join([*folders[: len(folders) - node.level + 1], *([node.module] if node.module else [])])


def _module(path: str) -> str:
    return ".".join([PACKAGE, *PurePosixPath(path).with_suffix("").parts]).removesuffix(".__init__")


def _part(path: str) -> str:
    return PurePosixPath(path).parts[0].removesuffix(".py")


def test_imports_go_down_the_rooms() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.rglob("*.py")}
    assert len(sources) > 20
    violations = check(sources)
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("client/power.py", "from ..sessions import open_session", "that room is above"),
        ("client/power.py", "from ..lab.leases import Lease", "that room is above"),
        ("client/power.py", "from .. import sessions", "that room is above"),
        ("client/power.py", "from .. import JumpstarterLibrary", "that room is above"),
        ("client/power.py", "import JumpstarterLibrary.library", "that room is above"),
        ("exporter/__init__.py", "from ..client import connect", "that room is above"),
        ("exporter/session.py", "def late():\n    from ..drivers import MockPower", "that room is above"),
        ("journal/store.py", "if TYPE_CHECKING:\n    from ..client.device import Device", "that room is above"),
        ("errors.py", "import importlib\nimportlib.import_module('JumpstarterLibrary.client')", "that room is above"),
        ("keywords/power.py", "import grpc", "must not know"),
        ("keywords/power.py", "from google.protobuf.struct_pb2 import Value", "must not know"),
        ("keywords/power.py", "from google import protobuf", "must not know"),
        ("keywords/power.py", "from concurrent.futures import Future", "must not know"),
        ("library.py", "from jumpstarter_protocol import jumpstarter_pb2", "must not know"),
        ("pytest_plugin.py", "def late():\n    from robot.api import logger", "must not know"),
        ("sessions/registry.py", "import pytest", "must not know"),
        ("client/calls.py", "from grpc import aio", "must not know"),
        ("drivers/power.py", "from jumpstarter_driver_power.driver import MockPower", "upstream's packages"),
        ("drivers/power.py", "import jumpstarter", "upstream's packages"),
        ("client/driver.py", "import importlib\nimportlib.import_module('jumpstarter.client')", "upstream's packages"),
        ("client/upstream.py", "import importlib\nimportlib.import_module('jumpstarter.exporter')", "upstream's packages"),
        ("helpers.py", "", "is in no room"),
        ("wire/values.py", "from ..helpers import x", "in no room"),
        ("__init__.py", "from .library import JumpstarterLibrary", "has to be late"),
        ("__init__.py", "def __getattr__(name):\n    from .client import connect", "only the library"),
    ],
)
def test_a_planted_violation_is_found(path: str, source: str, expected: str) -> None:
    found = check({path: source})
    assert len(found) == 1
    assert found[0].startswith(path)
    assert expected in found[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("keywords/power.py", "from ..client.power import PowerClient\nfrom .base import Component"),
        ("client/power.py", "from .. import __version__\nfrom . import calls\nimport grpc\nimport threading"),
        ("exporter/__main__.py", "from ..drivers import MockPower"),
        ("sessions.py", "from .lab import Lease\nfrom .client import connect\nfrom .drivers import MockPower"),
        ("testing.py", "import pytest\nfrom .sessions import open_session"),
        ("__init__.py", "from .version import __version__\nif TYPE_CHECKING:\n    from .library import JumpstarterLibrary"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, source: str) -> None:
    assert check({path: source}) == []


INTERRUPTED_ROOMS = ("client", "journal", "lab", "report", "wire")
"""What the main thread runs through, where Robot's timeout or Ctrl-C may raise at any place."""


def test_no_lock_that_an_interrupt_leaves_held() -> None:
    """`threading.Event` and `threading.Condition` are entered by Python code; `wire/interruptible.py` has sound ones."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for room in INTERRUPTED_ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if path.name != "interruptible.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"threading\.(Event|Condition|Semaphore|BoundedSemaphore|Barrier)\(", line)
    ]
    assert found == []
