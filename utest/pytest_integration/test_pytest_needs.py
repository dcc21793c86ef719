"""The marker `jumpstarter_needs`: what is missing skips the test, a typing error fails it before anything is opened."""

from __future__ import annotations

import pytest

STRICT = ("-W", "error::pytest.PytestRemovedIn10Warning", "-p", "no:cacheprovider", "-rs", "--strict-markers")


def test_what_is_missing_skips_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from JumpstarterLibrary.testing import JumpstarterTest

        @pytest.mark.jumpstarter_needs("power")
        def test_can(jumpstarter_mock):
            pass

        @pytest.mark.jumpstarter_needs("video", "power", "ssh")
        @pytest.mark.jumpstarter_needs("dut.power")
        def test_cannot(jumpstarter_mock):
            assert False

        @pytest.mark.jumpstarter("mock:power")
        @pytest.mark.jumpstarter_needs("video")
        def test_another_device_that_is_open_does_not_count(jumpstarter_mock, jumpstarter):
            pass

        @pytest.mark.jumpstarter("mock:power")
        @pytest.mark.jumpstarter_needs("video")
        def test_of_the_open_devices_only_its_own_counts(jumpstarter):
            assert False

        @pytest.mark.jumpstarter_needs("console")
        class TestClass(JumpstarterTest):
            def test_can(self, client):
                pass

            @pytest.mark.jumpstarter_needs("uboot")
            def test_cannot(self, client):
                assert False
        """
    )
    result = pytester.runpytest_subprocess(*STRICT, "--jumpstarter-target", "mock")

    result.assert_outcomes(passed=3, skipped=3)
    result.stdout.fnmatch_lines(
        [
            "*Device 'mock' has no driver 'dut.power' and no ssh driver. It has*power (power)*",
            "*Device 'mock-power' (mock:power) has no video driver. It has the root (power).",
            "*Device 'mock' has no uboot driver. It has*",
        ]
    )


def test_a_typing_error_fails_the_test_before_anything_is_opened(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def board():
            print("opened" + "!")

        @pytest.mark.jumpstarter_needs("vidoe")
        def test_wrong(board):
            pass

        @pytest.mark.jumpstarter_needs("video")
        def test_no_device():
            pass
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(
        ["TEST: 'needs:vidoe' cannot be checked: there is no family of drivers 'vidoe'. Did you mean 'video'?*"]
    )
    result.stdout.fnmatch_lines(
        ["TEST: The marker jumpstarter_needs cannot check 'video': no fixture has opened a device for it."]
    )
    result.stdout.no_fnmatch_line("*opened!*")
