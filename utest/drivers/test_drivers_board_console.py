"""The console of the simulated board: power, boot, login, and what goes wrong."""

from __future__ import annotations

import re
import time

import pytest
from drivers_support import eventually, tasks

from JumpstarterLibrary.client.console.known_failures import FailureSet, watchers_for
from JumpstarterLibrary.drivers import board_kernel
from JumpstarterLibrary.drivers.board import LOADS
from JumpstarterLibrary.drivers.storage import Medium
from JumpstarterLibrary.errors import ConsoleError, ConsoleWatcherError, JumpstarterError
from JumpstarterLibrary.exporter import Session

STAMP = re.compile(r"^\[ *(\d+\.\d{6})\] ", re.MULTILINE)


class TestBoot:
    def test_power_on_boots_to_the_login_prompt(self, board):
        board = board(boot_time=0.3)
        before = time.monotonic()
        board.power.on()
        board.console.wait_for_prompt(r"^simboard login: $", timeout=5)
        assert time.monotonic() - before > 0.3
        text = board.console.text()
        order = ("JLBoot 2026.11 (simulated)", "autoboot", "Starting kernel", "Linux version 6.12.0", "Welcome to SimBoard 1.0.0")
        assert [text.count(part) for part in order] == [1] * 5
        assert sorted(order, key=text.index) == list(order)
        assert text.endswith("\nsimboard login: ")

    def test_lines_end_with_cr_lf(self, board):
        board = board()
        board.power.on()
        board.console.wait_for_prompt("login: $", timeout=5)
        raw = board.console.raw()
        assert raw.count(b"\n") == raw.count(b"\r\n") > 20

    @pytest.mark.parametrize("boot_time", [0.0, 0.2])
    @pytest.mark.parametrize("length", [1.2, 0.05], ids=["faster than it says", "slower than it says"])
    def test_time_stamps_grow(self, board, boot_time, length, monkeypatch):
        lines = tuple((stamp * length / 1.2, text) for stamp, text in board_kernel.BOOT_LINES)
        monkeypatch.setattr(board_kernel, "BOOT_LINES", lines)
        board = board(boot_time=boot_time)
        board.log_in()
        board.call("kernel", "one more")
        board.console.wait_for_line("one more", timeout=5)
        stamps = [float(stamp) for stamp in re.findall(r"\[ *(\d+\.\d{6})\] ", board.console.text())]
        assert len(stamps) > 15
        assert stamps == sorted(stamps)

    def test_the_banner_has_the_version_of_the_image(self, board):
        board = board()
        board.state.card.medium = Medium(b"version=2.3.4\n")
        board.log_in()
        assert "Welcome to SimBoard 2.3.4\n" in board.console.text()
        assert "VERSION_ID=2.3.4" in board.console.execute("cat /etc/os-release").stdout

    def test_two_boots_say_the_same(self, board):
        board = board()
        texts = []
        for _ in range(2):
            mark = board.console.mark()
            board.power.on()
            board.console.wait_for_prompt("login: $", timeout=5, since=mark)
            texts.append(STAMP.sub("", board.console.text(mark)))
            board.power.off()
        assert texts[0] == texts[1]

    def test_it_boots_with_nobody_connected_and_a_client_sees_only_what_comes_then(self, board):
        board = board()
        board.console.close()
        board.power.on()
        assert eventually(lambda: board.state.running == "idle")
        console = board.open()
        assert console.text() == ""
        console.write_line()
        console.wait_for_prompt("login: $", timeout=5)
        assert "JLBoot" not in console.text()

    def test_rescue_boots_to_its_own_prompt_without_login(self, board):
        board = board()
        board.log_in()
        mark = board.console.mark()
        board.power.rescue()
        board.console.wait_for_prompt(r"^rescue# $", timeout=5, since=mark)
        text = board.console.text(mark)
        assert "login" not in text
        assert "autoboot" not in text
        board.console.configure(prompt="rescue# $")
        assert board.console.execute("whoami").stdout == "root"
        board.console.write_line("exit")
        board.console.wait_for_line("nowhere to log out to", timeout=5)
        assert board.state.running == "rescue"

    def test_the_load_follows(self, board):
        board = board(boot_time=0.6, autoboot=0.1)
        seen = []
        board.power.on()
        end = time.monotonic() + 5
        while time.monotonic() < end and "idle" not in seen:
            if not seen or board.state.running != seen[-1]:
                seen.append(board.state.running)
            time.sleep(0.002)
        assert seen[-3:] == ["loader", "boot", "idle"]
        board.log_in()
        board.console.write_line("sleep 0.3")
        assert eventually(lambda: board.state.running == "busy")
        assert eventually(lambda: board.state.running == "idle")


class TestLogin:
    def test_a_wrong_password_is_refused_and_asked_again(self, board):
        board = board()
        board.power.on()
        with pytest.raises(ConsoleError, match="refused"):
            board.console.login("root", "wrong")
        board.console.wait_for_prompt("login: $", timeout=5)
        with pytest.raises(ConsoleError, match="refused"):
            board.console.login("nobody", "board")
        board.console.login("root", "sesame")
        assert board.console.execute("whoami").stdout == "root"

    def test_the_password_is_not_echoed(self, board):
        board = board(user="admin", password="s3cret-word")
        board.power.on()
        board.console.login("admin", "s3cret-word")
        text = board.console.text()
        assert "simboard login: admin\n" in text
        assert "s3cret" not in text
        assert text.endswith("admin@simboard:~# ")

    @pytest.mark.parametrize("farewell", [b"exit\n", b"logout\r", b"\x04"])
    def test_logging_out_asks_for_a_login_again(self, board, farewell):
        board = board()
        console = board.log_in()
        mark = console.mark()
        console.write(farewell)
        console.wait_for_prompt("login: $", timeout=5, since=mark)

    @pytest.mark.parametrize("key", [b"\n", b"\x03", b"\x04"])
    def test_at_the_login_prompt_a_lone_key_brings_it_again(self, board, key):
        board = board()
        board.power.on()
        board.console.wait_for_prompt("login: $", timeout=5)
        mark = board.console.mark()
        board.console.write(key)
        board.console.wait_for_prompt("simboard login: $", timeout=5, since=mark)


class TestPower:
    def test_off_is_silent_and_deaf(self, board):
        board = board()
        board.console.write_line("root")
        board.console.should_be_idle(0.2)
        board.log_in()
        board.power.off()
        mark = board.console.mark()
        board.console.write_line("echo hello")
        time.sleep(0.2)
        assert board.console.text(mark) == ""

    def test_power_off_in_the_middle_of_booting_ends_the_output_at_once(self, board):
        board = board(boot_time=1.0)
        board.power.on()
        board.console.wait_for_line("Linux version", timeout=5)
        board.power.off()
        end = board.console.transcript.bytes_received
        time.sleep(0.3)
        assert board.console.transcript.bytes_received - end < 200, "what was under way"
        assert "login" not in board.console.text()

    def test_cycling_power_quickly_leaves_one_life(self, board):
        board = board(boot_time=0.2)
        for _ in range(5):
            board.power.on()
            board.power.off()
        mark = board.console.mark()
        board.power.on()
        board.console.wait_for_prompt("login: $", timeout=5, since=mark)
        time.sleep(0.3)
        # The banner of a life that power ended may still be on its way behind the mark; only the last one gets this far.
        assert board.console.text(mark).count("Welcome to") == 1
        assert board.console.text(mark).count("login: ") == 1

    def test_what_a_command_leaves_behind_does_not_touch_the_next_boot(self, board):
        board = board(boot_time=0.0, autoboot=0.4)
        board.log_in()
        board.console.write_line("sleep 10")
        assert eventually(lambda: board.state.running == "busy")
        board.power.off()
        board.power.on()
        time.sleep(0.1)
        assert board.state.running == "loader"

    def test_the_state_may_be_switched_in_any_thread(self, board):
        board = board()
        board.state.switch_on()
        board.console.wait_for_prompt("login: $", timeout=5)
        board.state.switch_off()
        assert eventually(lambda: board.root.children["console"]._life is None)

    def test_powering_off_by_command_draws_next_to_nothing_until_a_power_cycle(self, board):
        board = board()
        board.log_in()
        board.console.write_line("poweroff")
        board.console.wait_for_line("Power down", timeout=5)
        assert eventually(lambda: board.state.running == "halted")
        assert LOADS["halted"] < 0.1
        board.console.write_line()
        board.console.should_be_idle(0.2)
        board.power.on()
        board.console.should_be_idle(0.2)
        board.power.off()
        board.power.on()
        board.console.wait_for_prompt("login: $", timeout=5, since="now")

    def test_reboot_boots_again_without_losing_power(self, board):
        board = board()
        board.log_in()
        mark = board.console.mark()
        board.console.write_line("reboot")
        board.console.wait_for_prompt("login: $", timeout=5, since=mark)
        assert board.console.text(mark).count("Linux version") == 1


class TestTrouble:
    def test_a_panic_stops_everything_until_a_power_cycle(self, board):
        board = board()
        console = board.log_in()
        console.write_line("sleep 0.1; echo after")
        board.call("panic")
        console.wait_for_line("---[ end Kernel panic - not syncing: simulated ]---", timeout=5)
        mark = console.mark()
        console.write_line("echo hello")
        time.sleep(0.2)
        assert console.text(mark) == ""
        assert board.state.running == "busy"
        board.power.off()
        board.power.on()
        console.login("root", "sesame")
        assert console.execute("true").rc == 0

    def test_a_panic_later_hits_whatever_runs_then(self, board):
        board = board()
        console = board.log_in()
        board.call("panic", 0.2)
        console.write_line("sleep 5")
        console.wait_for_line("Kernel panic - not syncing", timeout=2)

    def test_a_panic_that_was_to_come_does_not_outlive_a_power_cycle(self, board):
        board = board()
        console = board.log_in()
        board.call("panic", 0.2)
        board.power.off()
        board.power.on()
        time.sleep(0.4)
        console.login("root", "sesame")
        assert "panic" not in console.text()

    def test_a_hang_is_silent(self, board):
        board = board()
        console = board.log_in()
        mark = console.mark()
        board.call("hang")
        console.write_line("echo hello")
        time.sleep(0.2)
        assert console.text(mark) == ""

    def test_a_kernel_line_comes_at_once_in_the_middle_of_a_command(self, board):
        board = board()
        console = board.log_in()
        mark = console.mark()
        console.write_line("echo -n one; sleep 0.3; echo two")
        console.wait_for_prompt("one$", timeout=5)
        board.call("kernel", "in between")
        console.wait_for_line("two", timeout=5, since="now")
        assert re.search(r"\none\[ +\d+\.\d{6}\] in between\ntwo\n", console.text(mark))

    def test_the_kernel_speaks_by_itself_if_told_to(self, board):
        board = board(kernel_noise_every=0.02)
        board.power.on()
        board.console.wait_for_line("login: ", timeout=5)
        for _ in range(5):
            assert STAMP.match(board.console.wait_for_next_line(timeout=5, since="now").line)

    @pytest.mark.parametrize("method", ["panic", "hang", "kernel"])
    def test_a_board_that_is_off_cannot_be_told(self, board, method):
        board = board()
        with pytest.raises(JumpstarterError, match="the board is off"):
            board.call(method, *(["text"] if method == "kernel" else []))

    def test_without_a_kernel_nothing_panics(self, board):
        board = board(autoboot=5.0)
        board.power.on()
        with pytest.raises(JumpstarterError, match="no kernel runs"):
            board.call("panic")


class TestEnd:
    def test_nothing_is_left_whatever_it_was_doing(self, board):
        before = tasks()
        board = board(kernel_noise_every=5.0)
        board.log_in()
        board.call("panic", 60)
        board.console.write_line("sleep 60 & sleep 60")
        assert eventually(lambda: board.state.running == "busy")
        board.close()
        assert eventually(lambda: tasks() == before)

    def test_two_boards_in_one_process_do_not_hear_each_other(self, board):
        one, two = board(), board()
        one.log_in()
        assert two.console.text() == ""
        two.log_in()
        one.power.off()
        assert two.console.execute("echo alive").stdout == "alive"

    def test_a_board_can_be_served_again(self, board):
        board = board()
        board.log_in()
        root = board.root
        board.close()
        with Session(root_device=root) as session, session.serve_unix():
            assert not root.state.is_on
            root.state.switch_on()
            assert eventually(lambda: root.state.running == "idle")


class TestBreak:
    """The first character after a break is a request to the kernel."""

    def test_crashes_on_request(self, board):
        board = board()
        console = board.log_in()
        board.call("send_break")
        console.write("c")
        console.wait_for_line("sysrq: Trigger a crash", timeout=5)
        console.wait_for_line("Kernel panic", timeout=5)

    def test_resets_on_request(self, board):
        board = board()
        console = board.log_in()
        board.call("send_break")
        console.write("b")
        console.wait_for_line("sysrq: Resetting", timeout=5)
        console.wait_for_prompt(r"login: $", timeout=5)

    def test_says_what_it_knows_and_the_shell_gets_the_rest(self, board):
        board = board()
        console = board.log_in()
        board.call("send_break")
        console.write("?echo he")
        console.wait_for_line("sysrq: HELP", timeout=5)
        console.write_line("llo")
        console.wait_for_line("hello", timeout=5, since="last match")

    def test_a_boot_loader_knows_no_break(self, board):
        board = board(autoboot=5.0)
        board.power.on()
        board.console.wait_for_line("autoboot", timeout=5)
        board.call("send_break")
        board.console.write("b")
        board.console.wait_for_prompt("=> $", timeout=5)
        assert "sysrq" not in board.console.text()


class TestLogOfTheKernel:
    """`dmesg` prints what a boot prints, and is no second boot."""

    @staticmethod
    def watch(console) -> None:
        for watcher in watchers_for(FailureSet.SECOND_BOOT):
            console.watchers.add(watcher)

    def test_reading_it_is_no_second_boot(self, board):
        board = board()
        self.watch(board.console)
        console = board.log_in()
        for _ in range(2):
            assert "Linux version" in console.execute("dmesg").stdout
        console.check_watchers()

    def test_a_reboot_in_a_command_is_a_second_boot(self, board):
        board = board()
        self.watch(board.console)
        console = board.log_in()
        with pytest.raises(ConsoleError):
            console.execute("reboot", timeout=1.0)
        with pytest.raises(ConsoleWatcherError, match="second boot: Linux"):
            console.check_watchers()
