"""Programs from Debian packages, without which a test makes no sense."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ALL_WANTED = "JUMPSTARTER_TEST_ALL"
"""Set to 1 where every test has to run: then a missing program is a failure."""

# Servers such as sshd live where ordinary users do not look.
_FOLDERS = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin"])


def needs(package: str, *commands: str) -> str:
    """Skips the running test if one of the commands is missing, and names the Debian package that has it.

    Returns the first command's path. A command with a slash is a file that has to exist. Also works at the top of a module.
    """
    found = [_find(command) for command in commands or (package,)]
    missing = [command for command, path in zip(commands or (package,), found, strict=True) if path is None]
    if not missing:
        return str(found[0])
    text = f"needs the Debian package {package} (missing: {', '.join(missing)})"
    if os.environ.get(ALL_WANTED) == "1":
        pytest.fail(f"{text}; {ALL_WANTED}=1 allows no skip", pytrace=False)
    pytest.skip(text, allow_module_level=True)


def script(name: str) -> str:
    """The path of a command that pip has installed beside the running Python, such as `jmp`."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.fail(f"'{name}' is not installed beside {sys.executable}: run 'make venv'", pytrace=False)
    return str(path)


def _find(command: str) -> str | None:
    if "/" in command:
        return command if Path(command).exists() else None
    return shutil.which(command) or shutil.which(command, path=_FOLDERS)
