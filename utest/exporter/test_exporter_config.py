"""Exporter configurations: what they make, and that every fault names file, line and key."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import pytest

from JumpstarterLibrary.drivers import Composite, EchoNetwork, MockBoard, MockFlasher, MockPower, Proxy, SyncMockPower
from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.exporter.config import load_exporter

HEAD = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: lab, name: bench-12}
"""
LINES = HEAD.count("\n")

CLASSES = """
from dataclasses import dataclass
from JumpstarterLibrary.exporter import Driver

class Serial(Driver):
    def __init__(self, *, url: str, baudrate: int = 9600, speed: float = 1.0, flags: list[str] | None = None,
                 pins: dict[str, int] | None = None, raw: bool = False, **driver):
        super().__init__(**driver)
        self.url, self.baudrate, self.speed = url, baudrate, speed
        if url == "bad":
            raise ValueError("no such url:\\n  bad")

class Fast(Serial):
    def __init__(self, *, turbo: bool = True, **serial):
        super().__init__(**serial)

@dataclass(kw_only=True)
class Relay(Driver):
    pin: int
    inverted: bool = False

class Closed(Driver):
    def __init__(self):
        super().__init__()

class Unresolvable(Driver):
    def __init__(self, *, x: "Nothing" = None):
        super().__init__()
        self.x = x

class NotADriver:
    pass

a_function = print
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JMP_NAMESPACE", raising=False)
    monkeypatch.delenv("JMP_NAME", raising=False)
    (tmp_path / "bench_drivers.py").write_text(CLASSES)
    (tmp_path / "bench_broken.py").write_text("raise RuntimeError('no licence')")
    (tmp_path / "bench_needs.py").write_text("import a_missing_dependency")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("bench_drivers", "bench_broken", "bench_needs"):
        sys.modules.pop(name, None)


def load(text: str, **options):
    Path("bench.yaml").write_text(text, encoding="utf-8")
    return load_exporter("bench.yaml", **options)


def export(text: str):
    """Loads a configuration whose `export` section is this text; it begins in line 5."""
    return load(HEAD + "export:\n" + indent(dedent(text)))


def indent(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.strip("\n").splitlines())


def error(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    return str(caught.value)


def export_error(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        export(text)
    return str(caught.value)


class TestTree:
    def test_the_example_of_the_protocol_with_our_drivers(self):
        config = load(
            HEAD
            + dedent("""\
            description: Bench 12, one board
            endpoint: grpc.lab.example:443
            token: secret
            tls: {ca: "", insecure: true}
            grpcOptions: {a: 1}
            failureDetection: {maxRapidFailures: 5}
            motd: hello
            exitOnLeaseEnd: true
            export:
              supply:
                type: jumpstarter_driver_power.driver.MockPower
                description: Main supply
                methods_description: {"on": Energise the rail}
              board:
                children:
                  uart:
                    type: bench_drivers.Serial
                    config: {url: /dev/ttyUSB0, baudrate: 115200, speed: 2}
                  psu: {ref: supply}
            hooks:
              beforeLease: {script: "j supply off", timeout: 20, onFailure: endLease}
            """)
        )
        assert (config.namespace, config.name, config.description) == ("lab", "bench-12", "Bench 12, one board")
        assert config.labels == {"jumpstarter.dev/name": "bench-12"}
        assert config.notes == ["bench.yaml:23: hooks: they belong to leases and do not run here"]
        root = config.root
        assert type(root) is Composite
        assert root.description == "Bench 12, one board"
        assert list(root.children) == ["supply", "board"]
        supply, board = root.children.values()
        assert type(supply) is MockPower
        assert (supply.description, supply.methods_description) == ("Main supply", {"on": "Energise the rail"})
        uart, psu = board.children.values()
        assert (uart.url, uart.baudrate, uart.speed) == ("/dev/ttyUSB0", 115200, 2.0)
        assert isinstance(uart.speed, float)
        assert isinstance(psu, Proxy)
        assert psu.ref == "supply"

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("JumpstarterLibrary.drivers.MockPower", MockPower),
            ("JumpstarterLibrary.drivers.power.SyncMockPower", SyncMockPower),
            ("jumpstarter_driver_power.driver.SyncMockPower", SyncMockPower),
            ("jumpstarter_driver_composite.driver.Composite", Composite),
            ("jumpstarter_driver_opendal.driver.MockFlasher", MockFlasher),
            ("jumpstarter_driver_network.driver.EchoNetwork", EchoNetwork),
            ("JumpstarterLibrary.drivers.MockBoard", MockBoard),
        ],
    )
    def test_a_type_names_a_class_of_ours_or_its_twin_of_upstream(self, path, expected):
        assert type(export(f"d: {{type: {path}}}").root.children["d"]) is expected

    def test_the_board_keeps_its_own_children_beside_those_of_the_file(self):
        board = export(
            """
            dut:
              type: JumpstarterLibrary.drivers.MockBoard
              config: {seed: 7}
              children:
                extra: {type: JumpstarterLibrary.drivers.MockPower}
            """
        ).root.children["dut"]
        assert list(board.children) == ["power", "console", "storage", "files", "network", "video", "extra"]

    def test_what_every_driver_takes_can_stand_in_config(self):
        driver = export(
            """
            d:
              type: bench_drivers.Relay
              config:
                pin: 3
                uuid: 12345678-1234-5678-1234-567812345678
                labels: {rack: "7"}
                log_level: debug
            """
        ).root.children["d"]
        assert driver.uuid == UUID("12345678-1234-5678-1234-567812345678")
        assert driver.labels == {"rack": "7"}
        assert driver.logger.level == 10
        assert driver.pin == 3

    def test_anchors_and_merge_keys_work(self):
        root = export(
            """
            a: &base {type: bench_drivers.Relay, config: &config {pin: 1}}
            b:
              <<: *base
              config: {<<: *config, pin: 2}
            c: *base
            """
        ).root
        assert [driver.pin for driver in root.children.values()] == [1, 2, 1]
        assert len({driver.uuid for driver in root.children.values()}) == 3

    def test_a_class_passes_its_keys_on_to_its_base(self):
        assert export("f: {type: bench_drivers.Fast, config: {url: x, turbo: false}}").root.children["f"].url == "x"

    def test_annotations_that_cannot_be_resolved_demand_nothing(self):
        assert export("f: {type: bench_drivers.Unresolvable, config: {x: [1]}}").root.children["f"].x == [1]

    def test_the_environment_fills_gaps_of_metadata_only(self):
        text = "metadata: {name: file}\nexport: {p: {type: JumpstarterLibrary.drivers.MockPower}}\n"
        environment = {"JMP_NAME": "environment", "JMP_NAMESPACE": "environment"}
        config = load(text, environment=environment)
        assert (config.namespace, config.name) == ("environment", "file")
        config = load(text.partition("\n")[2], environment=environment)
        assert (config.namespace, config.name) == ("environment", "environment")

    def test_the_names_of_kind_and_version_may_be_left_out(self):
        text = "metadata: {namespace: a, name: b}\nexport: {p: {type: JumpstarterLibrary.drivers.MockPower}}\n"
        assert load("\ufeff" + text).name == "b"


ENTRY_NEEDS = "a driver entry needs 'type' (a class), 'children' (a group of drivers) or 'ref' (the path of another driver)"


class TestEntryErrors:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("board:\n  children:\n    uart:\n      typ: bench_drivers.Serial",
             "8: export.board.children.uart: 'typ' is not a key of a driver entry; did you mean 'type'?"),
            ("d: {}", f"5: export.d: {ENTRY_NEEDS}"),
            ("d:", f"5: export.d: {ENTRY_NEEDS}"),
            ("d: {description: x}", f"5: export.d: {ENTRY_NEEDS}; here is only description"),
            ("d: {config: {a: 1}}", f"5: export.d: {ENTRY_NEEDS}; here is only config"),
            ("d: {children: {}}", "5: export.d.children: a group without children has no use"),
            ("d:\n  children:", "6: export.d.children: a group without children has no use"),
            ("d:\n  children: {a: {ref: b}}\n  config: {x: 1}",
             "7: export.d.config: without 'type' there is no class that could take it"),
            ("d: bench_drivers.Serial", "5: export.d: a driver entry is a mapping, not the text bench_drivers.Serial"),
            ("d: [1]", "5: export.d: a driver entry is a mapping, not a list"),
            ("d: 5", "5: export.d: a driver entry is a mapping, not the number 5"),
            ("- d", "4: export: the drivers by name is a mapping, not a list"),
            ("d:\n  type: 5", "6: export.d.type: expected text, not the number 5; put it in quotes if it is meant as text"),
            ("d:\n  type: [a]", "6: export.d.type: expected text, not a list; put it in quotes if it is meant as text"),
            ("d:\n  type:", "6: export.d.type: expected text, not nothing; put it in quotes if it is meant as text"),
            ("a.b: {ref: c}", "5: export.a.b: 'a.b' is no name for a driver: dots separate names in paths"),
            ("12: {ref: c}", "5: export: a key must be text, not the number 12; write it in quotes"),
            ("on: {ref: c}", '5: export: the key on is a YAML boolean, not text; write it in quotes: "on"'),
            ("d:\n  type: JumpstarterLibrary.drivers.MockPower\n  methods_description:\n    on: x",
             '8: export.d.methods_description: the key on is a YAML boolean, not text; write it in quotes: "on"'),
            ("d:\n  type: JumpstarterLibrary.drivers.MockPower\n  methods_description: {off: x}",
             '7: export.d.methods_description: the key off is a YAML boolean, not text; write it in quotes: "off"'),
            ("d:\n  type: JumpstarterLibrary.drivers.MockPower\n  methods_description: {cycle: 5}",
             "7: export.d.methods_description.cycle: expected text, not the number 5; put it in quotes if it is meant as text"),
            ("d:\n  type: JumpstarterLibrary.drivers.MockPower\n  methods_description: text",
             "7: export.d.methods_description: the texts by method is a mapping, not the text text"),
            ("d:\n  type: JumpstarterLibrary.drivers.MockPower\n  description: yes",
             "7: export.d.description: expected text, not the boolean yes; put it in quotes if it is meant as text"),
            ("d: {ref: a}\na: {type: JumpstarterLibrary.drivers.MockPower}\nd: {ref: a}",
             "7: export: the key 'd' stands here twice, first in line 5"),
            ("d:\n  type: bench_drivers.Serial\n  config:\n    url: a\n    url: b",
             "9: export.d.config: the key 'url' stands here twice, first in line 8"),
            ("d:\n  ref: supply\n  description: x",
             "5: export.d: 'ref' stands alone: it names another driver, so description can"),
            ("d:\n  ref: suply\nsupply: {type: JumpstarterLibrary.drivers.MockPower}",
             "5: export.d: The proxy to 'suply' points nowhere: the root has no child 'suply'; did you mean 'supply'?"),
            ("d: {ref: d}", "5: export.d: The proxies d → d go round in a circle."),
            ("d:\n  children:\n    e: {ref: d}", "4: export: 'd.e' contains itself"),
            ("d: &a\n  children: *a", "contains itself through an alias"),
            ("d:\n  [1]: x", "6: export.d: a key must be text, not a mapping or a list"),
        ],
    )  # fmt: skip
    def test_each_fault_names_file_line_and_key(self, text, expected):
        message = export_error(text)
        assert message.startswith("bench.yaml:")
        assert expected in message.removeprefix("bench.yaml:")


class TestClassErrors:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("Serial", "'Serial' is not the path of a class, such as JumpstarterLibrary.drivers.MockPower"),
            ("a b.c", "'a b.c' is not the path of a class"),
            ("bench_driver.Serial",
             "'bench_driver.Serial' cannot be imported: there is no module 'bench_driver'; is it installed"),
            ("bench_drivers.inner.Serial",
             "'bench_drivers.inner.Serial' cannot be imported: there is no module 'bench_drivers.inner'"),
            ("bench_drivers.Seral", "the module bench_drivers has no 'Seral'; did you mean 'Serial'?"),
            ("bench_drivers.NotADriver", "'bench_drivers.NotADriver' is a class that is no driver: this server serves drivers "
             "derived from JumpstarterLibrary.exporter.Driver"),
            ("bench_drivers.a_function", "'bench_drivers.a_function' is no class: this server serves"),
            ("bench_broken.X",
             "'bench_broken.X' cannot be imported: importing bench_broken failed with RuntimeError: no licence"),
            ("bench_needs.X", "'bench_needs.X' cannot be imported: importing bench_needs failed with ModuleNotFoundError: "
             "No module named 'a_missing_dependency'"),
            ("jumpstarter_driver_nothing.driver.X", "'jumpstarter_driver_nothing.driver.X' cannot be served: this server serves "
             "drivers derived from JumpstarterLibrary.exporter.Driver, and this one is upstream's. Serve it with `jmp run"),
        ],
    )  # fmt: skip
    def test_a_type_that_cannot_be_served(self, path, expected):
        assert f"bench.yaml:6: export.d.type: {expected}" in export_error(f"d:\n  type: {path}")

    @pytest.mark.interop
    def test_an_installed_driver_of_upstream_is_told_apart(self):
        message = export_error("d:\n  type: jumpstarter_driver_network.driver.UdpNetwork")
        assert "bench.yaml:6: export.d.type: 'jumpstarter_driver_network.driver.UdpNetwork' cannot be served" in message
        assert "jmp shell --exporter-config" in message
        assert "host:port" in message

    @pytest.mark.parametrize(
        ("config", "line", "expected"),
        [
            ("{url: a, baudrat: 1}", 7, ".config: 'baudrat' is not a config key of Serial; did you mean 'baudrate'?"),
            ("{url: a, logger: 1}", 7, ".config.logger: 'logger' is not a config key of Serial"),
            ("{url: a, children: {}}", 7, ".config.children: 'children' belongs beside 'config', not into it"),
            ("{baudrate: 1}", 7, ".config: Serial needs in its config: url"),
            ("{}", 7, ".config: Serial needs in its config: url"),
            ("text", 7, ".config: the config of Serial is a mapping, not the text text"),
            ("{url: 5}", 7, ".config.url: expected str, not 5"),
            ("{url: a, baudrate: fast}", 7, ".config.baudrate: expected int, not 'fast'"),
            ("{url: a, baudrate: true}", 7, ".config.baudrate: expected int, not True"),
            ("{url: a, baudrate: 9600.5}", 7, ".config.baudrate: expected int, not 9600.5"),
            ("{url: a, raw: 1}", 7, ".config.raw: expected bool, not 1"),
            ("{url: a, flags: [a, 1]}", 7, ".config.flags: expected list[str] | None, not ['a', 1]"),
            ("{url: a, pins: {reset: x}}", 7, ".config.pins: expected dict[str, int] | None, not {'reset': 'x'}"),
            ("{url: a, uuid: x}", 7, ".config.uuid: not a UUID"),
            ("{url: a, labels: [x]}", 7, ".config.labels: expected dict[str, str], not ['x']"),
            ("{url: a, log_level: LOUD}", 7, ".config.log_level: 'LOUD' is not a log level"),
            ("{url: !!python/object:os.system x}", 7, ".config.url: could not determine a constructor"),
            ("{url: bad}", 6, ".type: Serial cannot be made: ValueError: no such url"),
        ],
    )
    def test_a_config_that_does_not_fit(self, config, line, expected):
        message = export_error(f"d:\n  type: bench_drivers.Serial\n  config: {config}")
        assert f"bench.yaml:{line}: export.d{expected}" in message.replace(".config.baudrat:", ".config:")

    def test_a_driver_that_takes_no_children(self):
        message = export_error("d:\n  type: bench_drivers.Closed\n  children: {p: {ref: d}}")
        assert "bench.yaml:6: export.d.type: Closed takes no children" in message

    def test_a_board_with_a_wrong_seed(self):
        message = export_error("d:\n  type: JumpstarterLibrary.drivers.MockBoard\n  config:\n    seed: one")
        assert message == "bench.yaml:8: export.d.config.seed: expected int, not 'one'"


GOOD = "export: {p: {type: JumpstarterLibrary.drivers.MockPower}}\n"


class TestFileErrors:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", "bench.yaml: the file is empty"),
            ("# nothing\n", "bench.yaml: the file is empty"),
            ("just text", "bench.yaml:1: an exporter configuration is a mapping, not the text just text"),
            ("[1]", "bench.yaml:1: an exporter configuration is a mapping, not a list"),
            (HEAD, "bench.yaml:1: 'export' is missing: there is no driver to serve"),
            (HEAD + "export: {}\n", "bench.yaml:4: export: there is no driver to serve"),
            (HEAD + "export:\n", "bench.yaml:4: export: there is no driver to serve"),
            (HEAD + "exprot: {}\n", "bench.yaml:4: 'exprot' is not a key of an exporter configuration; did you mean 'export'?"),
            (HEAD + "hook: {}\n" + GOOD, "bench.yaml:4: 'hook' is not a key of an exporter configuration; did you mean 'hooks'?"),
            (HEAD + "zzz: {}\n" + GOOD, "bench.yaml:4: 'zzz' is not a key of an exporter configuration; known are apiVersion, "),
            (
                HEAD.replace("ExporterConfig", "ClientConfig") + GOOD,
                "bench.yaml:2: kind: expected ExporterConfig, not ClientConfig",
            ),
            (HEAD.replace("v1alpha1", "v2") + GOOD, "bench.yaml:1: apiVersion: expected jumpstarter.dev/v1alpha1, not "),
            (GOOD, "bench.yaml:1: 'namespace' is missing: give it in metadata, or set JMP_NAMESPACE"),
            (
                "metadata: {namespace: a}\n" + GOOD,
                "bench.yaml:1: metadata: 'name' is missing: give it in metadata, or set JMP_NAME",
            ),
            ("metadata: {nam: a}\n" + GOOD, "bench.yaml:1: metadata: 'nam' is not a key of metadata; did you mean 'name'?"),
            ("metadata: {namespace: a, name: 5}\n" + GOOD, "bench.yaml:1: metadata.name: expected text, not the number 5"),
            ("metadata: text\n" + GOOD, "bench.yaml:1: metadata: metadata is a mapping, not the text text"),
            (HEAD + "description: 5\n" + GOOD, "bench.yaml:4: description: expected text, not the number 5"),
            (HEAD + "export: {p: [}\n", "bench.yaml:4: not YAML: "),
            (HEAD + "export:\n\tp: 1\n", "bench.yaml:5: not YAML: "),
            (HEAD + "---\n" + GOOD, "bench.yaml:4: not YAML: "),
            (HEAD + "export: *missing\n", "bench.yaml:4: not YAML: found undefined alias"),
            (HEAD + 'export: "\x00"\n', "bench.yaml: not YAML: "),
            (HEAD + "export: " + "[" * 5000 + "\n", "bench.yaml: nested too deeply"),
        ],
    )
    def test_each_fault_names_file_line_and_key(self, text, expected):
        assert error(text).startswith(expected)

    def test_a_missing_file(self):
        with pytest.raises(ConfigurationError, match=r"Cannot read 'gone\.yaml': No such file or directory"):
            load_exporter("gone.yaml")

    def test_a_folder(self, tmp_path):
        with pytest.raises(ConfigurationError, match="Is a directory"):
            load_exporter(tmp_path)

    def test_a_file_that_is_no_text(self):
        Path("bench.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigurationError, match="not UTF-8 text"):
            load_exporter("bench.yaml")


def test_the_folder_of_the_configuration_hides_no_module(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "json.py").write_text("raise RuntimeError('the wrong json')\n")
    (folder / "own_driver_beside.py").write_text("from JumpstarterLibrary.exporter import Driver\nclass Own(Driver):\n    pass\n")
    file = folder / "bench.yaml"
    file.write_text(
        "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: n, name: n}\n"
        "export: {own: {type: own_driver_beside.Own}}\n"
    )
    load_exporter(file)

    assert sys.path == [*before, str(folder)], "it comes last"
