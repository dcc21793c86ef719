"""Families are loaded late: what says where they are agrees with the classes, and nothing is loaded for nothing."""

import importlib
import subprocess
import sys

import pytest

from JumpstarterLibrary import client
from JumpstarterLibrary.client.driver import DriverClient
from JumpstarterLibrary.client.families import MODULES

HEAVY = ("files", "images", "network", "resources", "servers", "shell", "ssh", "storage", "uboot", "upstream", "video")


@pytest.mark.parametrize("module", MODULES)
def test_the_table_has_the_tags_of_the_classes(module: str) -> None:
    found = importlib.import_module(f"JumpstarterLibrary.client.{module}")
    classes = [one for one in vars(found).values() if isinstance(one, type) and issubclass(one, DriverClient)]
    own = [one for one in classes if one.__module__ == found.__name__]
    assert own
    assert {tag for one in own for tag in one.tags} == set(MODULES[module])


def test_a_family_stands_in_one_module() -> None:
    for name in client.__all__:
        getattr(client, name)
    for one in DriverClient._by_tag.values():
        assert {base.__module__ for base in one.__mro__ if issubclass(base, DriverClient) and base.tags} == {one.__module__}


def test_every_name_can_be_imported() -> None:
    assert all(getattr(client, name) for name in client.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'NoClient'"):
        client.NoClient  # noqa: B018


def test_importing_the_client_loads_no_family() -> None:
    code = "import sys, JumpstarterLibrary.client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in HEAVY if f"JumpstarterLibrary.client.{name}" in loaded] == []
    assert "http.client" not in loaded


def test_switching_the_power_of_a_board_loads_no_family() -> None:
    code = """
import sys
from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.power import PowerClient
from JumpstarterLibrary.drivers import MockBoard
from JumpstarterLibrary.exporter import Session
with Session(root_device=MockBoard()) as session, session.serve_unix() as path, connect(path) as device:
    device.driver_of(PowerClient).on()
    before = "JumpstarterLibrary.client.storage" in sys.modules
    print(before, type(device.storage).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False StorageMuxClient\n"
