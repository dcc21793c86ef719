"""Which classes may be imported, what is said when they cannot be, and that the library is whole without upstream's packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from upstream_support import opened, tagged

from JumpstarterLibrary.client.allow_list import AllowList, package_of
from JumpstarterLibrary.client.upstream import upstream_clients
from JumpstarterLibrary.errors import ConfigurationError

POWER = "jumpstarter_driver_power.client.PowerClient"


@pytest.mark.parametrize(
    ("patterns", "permitted"),
    [
        ([], False),
        ([""], False),
        (["jumpstarter_driver_*"], True),
        (["*.PowerClient"], True),
        ([POWER], True),
        (["jumpstarter_driver_power"], False),
        (["Jumpstarter_driver_*"], False),
        ([" jumpstarter_driver_*"], False),
        (["mylab.*", "jumpstarter_driver_power.*"], True),
        (["UNSAFE"], True),
        (["unsafe"], False),
        ([" UNSAFE"], False),
    ],
)
def test_patterns(patterns: list[str], permitted: bool) -> None:
    assert AllowList.from_environment(patterns).permits(POWER) is permitted


@pytest.mark.parametrize(
    ("variable", "value", "permitted"),
    [
        ("JMP_DRIVERS_ALLOW", "", False),
        ("JMP_DRIVERS_ALLOW", "mylab.*,jumpstarter_driver_*", True),
        ("JMP_DRIVERS_ALLOW", "mylab.*, jumpstarter_driver_*", False),
        ("JMP_DRIVERS_ALLOW", "UNSAFE", True),
        ("JMP_DRIVERS_ALLOW", "mylab.*, UNSAFE", False),
        ("JMP_DRIVERS_UNSAFE", "true", True),
        ("JMP_DRIVERS_UNSAFE", "1", True),
        ("JMP_DRIVERS_UNSAFE", "0", False),
    ],
)
def test_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, permitted: bool) -> None:
    monkeypatch.setenv(variable, value)
    assert AllowList.from_environment().permits(POWER) is permitted


@pytest.mark.interop
@pytest.mark.parametrize("value", ["", "a.*,b.*", "a.*, b.*", "UNSAFE", "a.*,UNSAFE", "a.*, UNSAFE"])
def test_the_environment_means_the_same_to_upstream(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    from jumpstarter.config.client import ClientConfigV1Alpha1Drivers

    monkeypatch.setenv("JMP_DRIVERS_ALLOW", value)
    theirs, ours = ClientConfigV1Alpha1Drivers(), AllowList.from_environment()
    assert (tuple(theirs.allow), theirs.unsafe) == (ours.patterns, ours.unsafe)
    monkeypatch.setenv("JMP_DRIVERS_ALLOW", str(ours))
    again = ClientConfigV1Alpha1Drivers()
    assert again.unsafe == theirs.unsafe
    assert again.unsafe or again.allow == theirs.allow


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("jumpstarter_driver_not_there.client.Client", "'robotframework-jumpstarter[drivers]' jumpstarter-driver-not-there"),
        ("jumpstarter_driver_video.client.VideoClient", "not on PyPI"),
        ("mylab.client.Client", "the module 'mylab'"),
        ("jumpstarter.not_there.Client", "pip install 'robotframework-jumpstarter[drivers]'"),
    ],
)
def test_what_to_install(tag: str, told: str) -> None:
    assert told in package_of(tag)


@pytest.mark.interop
@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("jumpstarter_driver_not_there.client.Client", "not installed. Install it: pip install .* jumpstarter-driver-not-there$"),
        ("jumpstarter_driver_power.client.NoSuchClient", "has no class 'NoSuchClient'"),
        ("jumpstarter_driver_power.driver.MockPower", "no client class of Jumpstarter's"),
        ("os.system", "no client class of Jumpstarter's"),
        ("upstream_broken_module.Client", "OSError: libnothing.so"),
        ("upstream_needy_module.Client", "needs the module 'nobody_has_this'"),
        ("nonsense", "no client class|not installed|cannot be imported"),
        ("", "names no class"),
    ],
)
def test_a_class_that_cannot_be_had(tag: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, text in (
        ("upstream_broken_module", "raise OSError('libnothing.so')"),
        ("upstream_needy_module", "import nobody_has_this"),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    with opened(tagged(tag)) as device, pytest.raises(ConfigurationError, match=told):
        upstream_clients(device).client(device.root, ["UNSAFE"])


WITHOUT = """\
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "jumpstarter":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nothing())
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_does_not_need_upstreams_packages() -> None:
    keywords = "print(sorted(name for name in JumpstarterLibrary().get_keyword_names() if 'client' in name))"
    out = run(f"{WITHOUT}from JumpstarterLibrary import JumpstarterLibrary\n{keywords}")
    assert "get_driver_client" in out


def test_the_library_imports_them_only_when_asked() -> None:
    out = run(
        "from JumpstarterLibrary import JumpstarterLibrary\nimport sys\nlibrary = JumpstarterLibrary()\n"
        "library.run_keyword('open_jumpstarter_session', ['mock'])\nlibrary.run_keyword('power_on', [])\n"
        "print([name for name in sys.modules if name.split('.')[0].startswith('jumpstarter') and '_protocol' not in name])\n"
    )
    assert out.splitlines()[-1] == "[]"


def test_without_them_the_error_says_what_to_install() -> None:
    out = run(
        f"{WITHOUT}from JumpstarterLibrary import JumpstarterLibrary\n"
        "library = JumpstarterLibrary()\n"
        "library.run_keyword('open_jumpstarter_session', ['mock'])\n"
        "try:\n    library.run_keyword('get_driver_client', ['power'], {'allow': 'UNSAFE'})\n"
        "except Exception as error:\n    print(error)\n"
    )
    assert "CONFIGURATION: Upstream's client of driver 'power' of device 'mock' needs upstream's package 'jumpstarter'" in out
    assert "pip install 'robotframework-jumpstarter[drivers]'" in out
