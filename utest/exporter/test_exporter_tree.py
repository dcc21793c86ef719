"""Drivers, their marks, and the report of their tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from JumpstarterLibrary.drivers import Composite, MockPower, Proxy
from JumpstarterLibrary.errors import ConfigurationError, UsageError
from JumpstarterLibrary.exporter import Driver, Session, export, exportstream
from JumpstarterLibrary.wire.protocol import CallKind


def rows(client) -> list[tuple[str, str, str]]:
    """Name, uuid's last digit group, and the parent's uuid, row by row."""
    return [(row.labels.get("jumpstarter.dev/name", "-"), row.uuid, row.parent_uuid) for row in client.report().reports]


class TestMarks:
    def test_each_mark_gives_the_kind(self):
        class Device(Driver):
            @export
            def plain(self): ...

            @export
            async def coroutine(self): ...

            @export
            def generator(self):
                yield

            @export
            async def async_generator(self):
                yield

            @exportstream
            def connect(self): ...

            def unmarked(self): ...

        assert Device.exports == {
            "plain": CallKind.UNARY,
            "coroutine": CallKind.UNARY,
            "generator": CallKind.STREAMING,
            "async_generator": CallKind.STREAMING,
            "connect": CallKind.BYTE_STREAM,
        }

    @pytest.mark.parametrize("thing", [5, Driver, classmethod(lambda cls: None), property(lambda self: None)])
    def test_only_functions_can_be_exported(self, thing):
        with pytest.raises(TypeError, match="@export takes a function"):
            export(thing)

    @pytest.mark.parametrize("mark", [export, exportstream])
    def test_private_functions_cannot_be_exported(self, mark):
        def _private(self): ...

        with pytest.raises(TypeError, match="_private is private"):
            mark(_private)

    def test_a_stream_must_be_callable(self):
        with pytest.raises(TypeError, match="@exportstream takes a function"):
            exportstream(5)

    def test_the_base_class_exports_nothing(self):
        assert Driver.exports == {}

    def test_drivers_can_be_dataclasses(self, peer):
        @dataclass(kw_only=True)
        class Serial(Driver):
            port: str
            speed: int = 9600
            seen: list[str] = field(default_factory=list)

            def __post_init__(self):
                super().__post_init__()
                self.seen.append(self.port)

            @export
            def settings(self):
                return [self.port, self.speed, self.seen]

        two_alike = {"a": Serial(port="/dev/ttyS0", uuid=UUID(int=1)), "b": Serial(port="/dev/ttyS0", uuid=UUID(int=2))}
        client = peer(Serial(port="/dev/ttyS0", children=two_alike))
        assert client.call("settings") == ["/dev/ttyS0", 9600, ["/dev/ttyS0"]]
        assert len(client.report().reports) == 3


class TestReport:
    def test_the_tree_comes_parents_first_in_order(self, peer):
        leaf = MockPower(description="a leaf", methods_description={"on": "switches on"})
        root = Composite(children={"b": Composite(children={"z": leaf, "a": MockPower()}), "a-b": MockPower()})
        client = peer(root, labels={"jumpstarter.dev/name": "bench"})
        report = client.report()
        names = [row.labels.get("jumpstarter.dev/name") for row in report.reports]
        assert names == [None, "b", "z", "a", "a-b"]
        uuids = [row.uuid for row in report.reports]
        assert [row.parent_uuid for row in report.reports] == ["", uuids[0], uuids[1], uuids[1], uuids[0]]
        assert not report.reports[0].HasField("parent_uuid")
        assert report.labels == {"jumpstarter.dev/name": "bench"}
        assert (report.reports[2].description, dict(report.reports[2].methods_description)) == ("a leaf", {"on": "switches on"})
        assert not report.reports[3].HasField("description")
        assert len({UUID(uuid) for uuid in uuids}) == 5

    def test_the_type_tags_are_those_that_clients_know(self, peer):
        report = peer(Composite(children={"power": MockPower(), "plain": Driver()})).report()
        assert [row.labels["jumpstarter.dev/client"] for row in report.reports] == [
            "jumpstarter_driver_composite.client.CompositeClient",
            "jumpstarter_driver_power.client.PowerClient",
            "jumpstarter.client.DriverClient",
        ]

    def test_fixed_labels_win_over_extra_labels_and_those_over_own_ones(self, peer):
        class Labelled(MockPower):
            def extra_labels(self):
                return {"kind": "extra", "jumpstarter.dev/client": "wrong"}

        client = peer(Composite(children={"p": Labelled(labels={"kind": "own", "own": "yes", "jumpstarter.dev/name": "no"})}))
        assert dict(client.report().reports[1].labels) == {
            "kind": "extra",
            "own": "yes",
            "jumpstarter.dev/name": "p",
            "jumpstarter.dev/client": "jumpstarter_driver_power.client.PowerClient",
        }

    def test_a_bare_driver_can_be_the_root(self, peer):
        client = peer(MockPower(uuid=UUID(int=7)))
        assert rows(client) == [("-", str(UUID(int=7)), "")]
        assert client.call("on") is None

    def test_two_drivers_with_one_uuid_are_refused(self):
        root = Composite(children={"a": MockPower(uuid=UUID(int=7)), "b": MockPower(uuid=UUID(int=7))})
        with pytest.raises(ConfigurationError, match=r"The drivers 'a' and 'b' have the same uuid, .*0007"):
            Session(root_device=root).__enter__()


class TestProxies:
    def test_a_proxy_repeats_its_target_with_everything_below_it(self, peer):
        power = MockPower()
        group = Composite(children={"power": power})
        client = peer(Composite(children={"dut": group, "alias": Proxy(ref="dut"), "p": Proxy(ref="alias.power")}))
        root = client.uuid()
        assert rows(client) == [
            ("-", root, ""),
            ("dut", str(group.uuid), root),
            ("power", str(power.uuid), str(group.uuid)),
            ("alias", str(group.uuid), root),
            ("power", str(power.uuid), str(group.uuid)),
            ("p", str(power.uuid), root),
        ]
        assert client.call("on", name="p") is None

    def test_a_driver_reached_twice_is_reset_and_closed_once(self):
        class Counting(MockPower):
            resets = closes = 0

            def reset(self):
                self.resets += 1

            def close(self):
                self.closes += 1

        power = Counting()
        with Session(root_device=Composite(children={"a": power, "b": Proxy(ref="a"), "c": power})):
            pass
        assert (power.resets, power.closes) == (1, 1)

    @pytest.mark.parametrize(
        ("children", "text"),
        [
            ({"p": Proxy(ref="powr"), "power": MockPower()}, "the root has no child 'powr'; did you mean 'power'?"),
            ({"p": Proxy(ref="g.x"), "g": Composite(children={"y": MockPower()})}, "'g' has no child 'x'; it has y."),
            ({"p": Proxy(ref="")}, "the root has no child ''"),
            ({"p": Proxy(ref="p")}, "p → p go round in a circle"),
            ({"p": Proxy(ref="q"), "q": Proxy(ref="p")}, "go round in a circle"),
            ({"p": Proxy(ref="q.x"), "q": Proxy(ref="p.x")}, "go round in a circle"),
            ({"g": Composite(children={"p": Proxy(ref="g")})}, "'g.p' contains itself"),
            ({"g": Composite(children={"h": Composite(children={"p": Proxy(ref="g")})})}, "'g.h.p' contains itself"),
        ],
    )
    def test_a_proxy_that_leads_nowhere_is_an_error_on_entering(self, children, text):
        with pytest.raises(ConfigurationError) as caught:
            Session(root_device=Composite(children=children)).__enter__()
        assert text in str(caught.value)

    def test_a_driver_below_itself_is_an_error(self):
        root = Composite()
        root.children["self"] = root
        with pytest.raises(ConfigurationError, match="'self' contains itself"):
            Session(root_device=root).__enter__()

    def test_proxies_that_multiply_the_tree_are_an_error(self):
        children = {"l0": Composite(children={"x": MockPower()})}
        for level in range(1, 20):
            children[f"l{level}"] = Composite(children={side: Proxy(ref=f"l{level - 1}") for side in "ab"})
        with pytest.raises(ConfigurationError, match="more than 5000 rows"):
            Session(root_device=Composite(children=children)).__enter__()


class TestLife:
    def test_a_session_is_entered_once(self):
        session = Session(root_device=MockPower())
        with session:
            pass
        with pytest.raises(UsageError, match="already entered"):
            session.__enter__()

    def test_serving_before_entering_says_what_to_do(self):
        with pytest.raises(UsageError, match="Enter the Session first"), Session(root_device=MockPower()).serve_unix():
            pass
