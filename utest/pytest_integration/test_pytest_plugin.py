"""The plugin's fixtures, options, marker and header, run by Pytester."""

from __future__ import annotations

import subprocess
import sys

import pytest

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Session

STRICT = ("-W", "error::pytest.PytestRemovedIn10Warning", "-p", "no:cacheprovider")


def test_the_target_of_the_command_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_on(jumpstarter):
            jumpstarter.power.on()
            assert jumpstarter.power.latest().volt > 4.5

        def test_it_stays_open_for_the_whole_run(jumpstarter):
            assert jumpstarter.power.latest().volt > 4.5
        """
    )
    result = pytester.runpytest_subprocess(*STRICT, "--jumpstarter-target", "mock")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["jumpstarter: device mock (--jumpstarter-target)"])


def test_the_device_of_the_surrounding_shell(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(
        """
        def test_on(jumpstarter):
            jumpstarter.on()
            assert jumpstarter.latest().volt == 5
        """
    )
    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        monkeypatch.setenv("JUMPSTARTER_HOST", path)
        result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"jumpstarter: device {path} (JUMPSTARTER_HOST)"])


def test_without_any_device_there_is_no_header_and_other_tests_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_other():
            pass

        def test_device(jumpstarter):
            pass
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*CONFIGURATION: Nothing says where the device is.*"])
    result.stdout.no_fnmatch_line("jumpstarter: *")
    result.stdout.no_fnmatch_line("*JumpstarterLibrary/*.py*")


def test_the_marker_chooses_a_target(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.jumpstarter("mock:power")
        def test_marked(jumpstarter):
            assert jumpstarter.latest().volt == 5

        def test_not_marked(jumpstarter):
            assert jumpstarter.power.latest().volt == 0

        @pytest.mark.jumpstarter("mock:power")
        class TestMarked:
            def test_class(self, jumpstarter):
                assert jumpstarter.latest().volt == 5

        @pytest.mark.jumpstarter("mokc")
        def test_wrong_target(jumpstarter):
            pass

        @pytest.mark.jumpstarter
        def test_without_target(jumpstarter):
            pass
        """
    )
    result = pytester.runpytest_subprocess(*STRICT, "--strict-markers", "--jumpstarter-target", "mock")

    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*CONFIGURATION: 'mokc' is not an address*Did you mean mock?*"])
    result.stdout.no_fnmatch_line("*JumpstarterLibrary/*.py*")
    result.stdout.fnmatch_lines(["*The marker jumpstarter takes one target: @pytest.mark.jumpstarter('mock')*"])


def test_the_simulated_board_is_fresh_for_each_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        seen = []

        def test_one(jumpstarter_mock):
            jumpstarter_mock.power.on()
            assert jumpstarter_mock.power.latest().volt > 4.5
            seen.append(jumpstarter_mock)

        def test_two(jumpstarter_mock):
            assert jumpstarter_mock.power.latest().volt == 0
            assert seen[0].state == "closed"
        """
    )
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=2)


def test_a_lost_session_is_opened_anew(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from helpers.exporters import free_port, start_our_exporter
        from JumpstarterLibrary.errors import SessionLostError

        ADDRESS = f"127.0.0.1:{free_port()}"
        seen = []

        @pytest.fixture(scope="module")
        def exporter():
            with start_our_exporter("mock:power", listen=ADDRESS) as first:
                yield first

        @pytest.mark.jumpstarter(ADDRESS)
        def test_one(exporter, jumpstarter):
            jumpstarter.on()
            exporter.kill()
            with pytest.raises(SessionLostError):
                jumpstarter.on()
            seen.append(jumpstarter)

        @pytest.fixture(scope="module")
        def again():
            with start_our_exporter("mock:power", listen=ADDRESS):
                yield

        @pytest.mark.jumpstarter(ADDRESS)
        def test_two(again, jumpstarter):
            assert jumpstarter is not seen[0]
            jumpstarter.on()
            assert seen[0].state == "closed"
        """
    )
    folder = str(pytest.importorskip("helpers").__path__[0]).removesuffix("/helpers")
    pytester.runpytest_subprocess(*STRICT, "-o", f"pythonpath={folder}").assert_outcomes(passed=2)


def test_loading_the_plugin_imports_neither_robot_nor_grpc(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "JumpstarterLibrary.pytest_plugin" in sys.modules
            assert not [name for name in ("robot", "grpc", "google.protobuf", "anyio") if name in sys.modules]
        """
    )
    pytester.runpytest_subprocess(*STRICT, "-p", "no:anyio", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_help_tells_the_option_and_the_marker(pytester: pytest.Pytester) -> None:
    assert "--jumpstarter-target=TARGET" in pytester.runpytest_subprocess("--help").stdout.str()
    assert "jumpstarter(target)" in pytester.runpytest_subprocess("--markers").stdout.str()


def test_the_process_ends_when_the_device_was_never_closed(pytester: pytest.Pytester) -> None:
    program = "from JumpstarterLibrary.sessions import Sessions\n"
    program += "sessions = Sessions()\nsessions.open('mock').device.power.on()\nprint('done')\n"

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)

    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")
