"""The simulated board."""

from __future__ import annotations

import itertools
import logging

import anyio
import pytest
from exporter_peer import eventually

from JumpstarterLibrary.drivers import BoardPower, BoardState, MockBoard, MockPower, PowerReading, targets
from JumpstarterLibrary.drivers.board import BOOT_TIME, LOADS
from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.exporter import Driver

OFF = PowerReading(voltage=0.0, current=0.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> BoardState:
    return BoardState(clock=clock)


class TestState:
    def test_off_is_exactly_zero(self, state):
        assert state.measure() == OFF
        state.switch_on()
        state.switch_off()
        assert state.measure() == OFF
        assert state.running == "off"

    def test_switching_on_sags_and_draws_an_inrush_that_decays(self, state, clock):
        state.switch_on()
        first = state.measure()
        assert first.voltage == pytest.approx(4.85, abs=0.011)
        assert first.current == pytest.approx(2.4, abs=0.009)
        currents = []
        for _ in range(8):
            clock.now += 0.03
            currents.append(state.measure().current)
        assert currents == sorted(currents, reverse=True)
        assert currents[1] == pytest.approx(LOADS["boot"] + (2.4 - LOADS["boot"]) / 2.718, abs=0.01)

    def test_the_load_follows_what_runs(self, state, clock):
        state.switch_on()
        clock.now += BOOT_TIME - 0.01
        assert state.running == "boot"
        assert state.measure().current == pytest.approx(0.62, abs=0.009)
        clock.now += 0.02
        assert state.running == "idle"
        reading = state.measure()
        assert reading.current == pytest.approx(0.31, abs=0.009)
        assert reading.voltage == pytest.approx(5.05, abs=0.011)
        state.run("busy")
        assert state.measure().current == pytest.approx(LOADS["busy"], abs=0.009)

    def test_a_load_that_is_not_there_is_an_error(self, state):
        with pytest.raises(ValueError, match="there is no load 'dance'; there are boot, idle"):
            state.run("dance")

    def test_switching_on_twice_does_not_boot_again(self, state, clock):
        state.switch_on()
        clock.now += 3
        state.run("busy")
        state.switch_on()
        assert state.running == "busy"

    def test_off_and_on_boots_into_idle_again(self, state, clock):
        state.switch_on("rescue")
        state.switch_off()
        state.switch_on()
        assert state.running == "boot"
        clock.now += 3
        assert state.running == "idle"

    @pytest.mark.parametrize("seed", range(20))
    def test_the_voltage_never_falls_below_the_limit_while_it_is_on(self, seed, clock):
        state = BoardState(seed=seed, clock=clock)
        state.switch_on()
        for _ in range(500):
            reading = state.measure()
            assert 4.7 < reading.voltage < 5.1
            assert 0.29 < reading.current < 2.42
            clock.now += 0.01

    def test_the_noise_is_that_of_the_seed(self):
        def readings(seed):
            clock = Clock()
            state = BoardState(seed=seed, clock=clock)
            state.switch_on()
            found = []
            for _ in range(50):
                clock.now += 0.05
                found.append(state.measure())
            return found

        assert readings(1) == readings(1)
        assert readings(1) != readings(2)
        assert len(set(readings(1))) == 50, "there is no noise"


class TestBoard:
    def test_its_power_follows_its_state_over_the_wire(self, peer):
        board = MockBoard(seed=3)
        client = peer(board)
        answers = client.stream_call("read", name="power")
        fields = next(answers).result.struct_value.fields
        assert {key: value.number_value for key, value in fields.items()} == {"voltage": 0.0, "current": 0.0}
        client.call("on", name="power")
        voltages = [next(answers).result.struct_value.fields["voltage"].number_value for _ in range(3)]
        assert voltages[-1] > 4.7
        answers.cancel()
        client.call("off", name="power")
        answers = client.stream_call("read", name="power")
        assert next(answers).result.struct_value.fields["voltage"].number_value == 0.0
        answers.cancel()

    def test_rescue_boots_into_rescue(self, peer, clock):
        board = MockBoard(clock=clock)
        client = peer(board)
        client.call("on", name="power")
        clock.now += 10
        client.call("rescue", name="power")
        assert board.state.running == "boot"
        clock.now += 10
        assert board.state.running == "rescue"

    def test_it_logs_what_it_does_and_what_it_need_not_do(self, peer, caplog):
        caplog.set_level(logging.INFO)
        client = peer(MockBoard())
        for method in ("on", "on", "off", "off", "rescue"):
            client.call(method, name="power")
        said = [record.getMessage() for record in caplog.records if record.name == "driver.BoardPower"]
        assert said == ["power on", "already on", "power off", "already off", "power on into rescue"]

    def test_a_session_begins_and_ends_with_a_board_at_rest(self, serve):
        from JumpstarterLibrary.exporter import Session

        board = MockBoard()
        board.state.switch_on()
        with Session(root_device=board):
            assert not board.state.is_on
            board.state.switch_on()
        assert not board.state.is_on

    def test_reading_gives_one_at_once_and_then_one_at_each_interval(self, state):
        async def read():
            power = BoardPower(state=state, interval=0.02)
            moments = []
            async for _ in power.read():
                moments.append(anyio.current_time())
                if len(moments) == 4:
                    break
            return moments

        assert all(later - earlier >= 0.015 for earlier, later in itertools.pairwise(anyio.run(read)))

    def test_reading_never_ends_by_itself_and_ends_with_its_client(self, peer):
        client = peer(MockBoard())
        answers = client.stream_call("read", name="power")
        for _ in range(5):
            next(answers)
        answers.cancel()
        assert eventually(lambda: not answers.is_active())

    def test_two_boards_share_nothing(self):
        one, two = MockBoard(), MockBoard()
        one.state.switch_on()
        assert not two.state.is_on
        assert one.children["power"].uuid != two.children["power"].uuid


class TestTargets:
    def test_the_devices_in_the_box(self):
        assert isinstance(targets.builtin_device("mock"), MockBoard)
        assert type(targets.builtin_device("mock:power")) is MockPower
        assert targets.builtin_device("other") is None
        assert targets.builtin_device("mock") is not targets.builtin_device("mock")

    def test_a_configuration_is_a_device_too(self, tmp_path):
        file = tmp_path / "bench.YML"
        file.write_text("metadata: {namespace: a, name: b}\nexport: {p: {type: JumpstarterLibrary.drivers.MockPower}}\n")
        root = targets.root_device_for(str(file))
        assert isinstance(root, Driver)
        assert list(root.children) == ["p"]

    @pytest.mark.parametrize(
        ("target", "hint"), [("mok", "did you mean 'mock'?"), ("host:1234", "expected mock, mock:power, mock:lab or")]
    )
    def test_anything_else_is_an_error_that_names_the_choices(self, target, hint):
        with pytest.raises(ConfigurationError) as caught:
            targets.root_device_for(target)
        assert hint in str(caught.value)
