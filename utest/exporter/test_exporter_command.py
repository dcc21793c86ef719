"""`python -m JumpstarterLibrary.exporter`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from exporter_peer import Peer

CONFIG = "metadata: {namespace: a, name: bench}\nexport: {p: {type: JumpstarterLibrary.drivers.MockPower}}\nhooks: {}\n"


class Command:
    """The command, running; its lines up to the one that was waited for."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("JMP_", "JUMPSTARTER"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "JumpstarterLibrary.exporter", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**inherited, "XDG_RUNTIME_DIR": str(folder), **environment},
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def lines(self, count: int) -> list[str]:
        return [self.process.stdout.readline().rstrip("\n") for _ in range(count)]

    def end(self, number: int) -> tuple[int, str, float]:
        """Sends a signal; returns exit code, error output and the seconds it took."""
        self.process.send_signal(number)
        began = time.monotonic()
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors, time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_serves_the_mock_on_a_private_socket_until_it_is_told_to_stop(tmp_path, number):
    with Command(tmp_path, "mock") as command:
        (line,) = command.lines(1)
        path = line.removeprefix("export JUMPSTARTER_HOST=")
        assert Path(path).is_socket()
        assert Path(path).is_relative_to(tmp_path)
        with Peer(path) as client:
            client.call("on", name="power")
            endless = client.stream_call("read", name="power")
            next(endless)
            code, errors, seconds = command.end(number)
        assert (code, errors) == (0, "")
        assert seconds < 2.5
        assert list(tmp_path.iterdir()) == []


def test_the_bare_power_is_the_root(tmp_path):
    with Command(tmp_path, "mock:power") as command:
        path = command.lines(1)[0].removeprefix("export JUMPSTARTER_HOST=")
        with Peer(path) as client:
            assert len(client.report().reports) == 1
            assert client.items("read")[1] == {"voltage": 5.0, "current": 2.0}


def test_a_configuration_on_tcp_says_that_it_is_plaintext(tmp_path):
    (tmp_path / "bench.yaml").write_text(CONFIG)
    with Command(tmp_path, "bench.yaml", "--listen", "127.0.0.1:0") as command:
        lines = command.lines(2)
        assert lines[0].startswith("export JUMPSTARTER_HOST=127.0.0.1:")
        assert lines[1] == "export JMP_GRPC_INSECURE=1"
        with Peer(lines[0].rpartition("=")[2]) as client:
            report = client.report()
            assert report.labels == {"jumpstarter.dev/name": "bench"}
            assert client.call("on", name="p") is None
        code, errors, _ = command.end(signal.SIGINT)
        assert code == 0
        assert errors == "note: bench.yaml:3: hooks: they belong to leases and do not run here\n"


@pytest.mark.parametrize("way", ["file", "environment"])
def test_a_passphrase_protects_and_is_never_printed(tmp_path, way):
    (tmp_path / "secret").write_text("open sesame\n")
    arguments = ["--passphrase-file", "secret"] if way == "file" else []
    environment = {} if way == "file" else {"JMP_GRPC_PASSPHRASE": "open sesame"}
    with Command(tmp_path, "mock", *arguments, **environment) as command:
        first, second = command.lines(2)
        assert second == "# JMP_GRPC_PASSPHRASE must hold the passphrase, too."
        path = first.removeprefix("export JUMPSTARTER_HOST=")
        with Peer(path, passphrase="open sesame") as client:
            client.call("on", name="power")
        with Peer(path) as client, pytest.raises(Exception, match="invalid or missing passphrase"):
            client.report()
        _, errors, _ = command.end(signal.SIGTERM)
        assert "sesame" not in first + second + errors


def test_beyond_loopback_it_says_which_name_to_use(tmp_path):
    with Command(tmp_path, "mock", "--listen", "0.0.0.0:0", "--allow-unprotected") as command:
        assert command.lines(3)[2] == "# On other machines put this machine's name in the place of 0.0.0.0."


def test_the_signal_also_ends_a_start_that_takes_long(tmp_path):
    (tmp_path / "slow_driver.py").write_text(
        "import time\nfrom JumpstarterLibrary.exporter import Driver\n\n\nclass Slow(Driver):\n"
        "    def reset(self):\n        print('resetting', flush=True)\n        time.sleep(1)\n"
    )
    (tmp_path / "bench.yaml").write_text(CONFIG.replace("JumpstarterLibrary.drivers.MockPower", "slow_driver.Slow"))
    with Command(tmp_path, "bench.yaml", PYTHONPATH=str(tmp_path)) as command:
        assert command.lines(1) == ["resetting"]
        code, _, _ = command.end(signal.SIGTERM)
        assert code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: target"),
        (["mok"], "did you mean 'mock'?"),
        (["mock", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["gone.yaml"], "Cannot read 'gone.yaml': No such file or directory (looked for in "),
        (["typo.yaml"], "typo.yaml:2: export.p: 'typ' is not a key of a driver entry; did you mean 'type'?"),
        (["unmade.yaml"], "unmade.yaml:2: export.p.type: Unmade cannot be made: RuntimeError: two lines"),
        (["mock", "--listen", "nowhere"], "'nowhere' is not an address to listen on: expected host:port or [IPv6]:port."),
        (["mock", "--listen", "127.0.0.1:70000"], "'127.0.0.1:70000' is not an address to listen on"),
        (["mock", "--listen", "0.0.0.0:0"], "Refused to serve on 0.0.0.0"),
        (["mock", "--tls-cert", "a"], "--tls-cert and --tls-key go together."),
        (["mock", "--tls-cert", "typo.yaml", "--tls-key", "typo.yaml"], "go with --listen"),
        (["mock", "--listen", "127.0.0.1:0", "--tls-cert", "typo.yaml", "--tls-key", "typo.yaml"], "cannot be used together"),
        (["mock", "--passphrase-file", "gone"], "Cannot read 'gone': No such file or directory."),
        (["mock", "--passphrase-file", "empty"], "The passphrase file 'empty' is empty."),
    ],
)
def test_a_fault_is_one_line_without_traceback(tmp_path, arguments, expected, capsys, monkeypatch):
    from JumpstarterLibrary.exporter.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "typo.yaml").write_text("metadata: {namespace: a, name: b}\nexport: {p: {typ: x}}\n")
    (tmp_path / "unmade.yaml").write_text("metadata: {namespace: a, name: b}\nexport: {p: {type: unmade.Unmade}}\n")
    (tmp_path / "unmade.py").write_text(
        "from JumpstarterLibrary.exporter import Driver\n\n\nclass Unmade(Driver):\n"
        "    def __init__(self):\n        raise RuntimeError('two\\nlines')\n"
    )
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert expected in captured.err
    assert captured.err.count("\n") == 1


def test_the_exit_code_of_a_fault_is_that_of_the_process(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "JumpstarterLibrary.exporter", "mok"],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'mok' cannot be served here")
