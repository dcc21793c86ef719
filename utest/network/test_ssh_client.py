"""SSH: commands, files, logins, failures and what is left behind; against Debian's `sshd` and a server that takes passwords."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from helpers.exporters import free_port
from helpers.results import eventually
from network_support import exporter_with, our_threads
from ssh_servers import SSHD, USER, serve_password, serve_sshd

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.ssh import SSHClient, ssh_client
from JumpstarterLibrary.errors import (
    ConfigurationError,
    DriverError,
    DriverTimeoutError,
    RemoteFileNotFoundError,
    TransferMismatchError,
    UsageError,
)
from JumpstarterLibrary.exporter import Driver, Session, export
from JumpstarterLibrary.journal import CallEnded

MIB = 1024 * 1024
WRAPPER = "jumpstarter_driver_ssh.driver.SSHWrapper"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHD]:
    with serve_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def tcp(port: int, more: str = "") -> str:
    return f"{{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {port}{more}}}}}"


@pytest.fixture(scope="session")
def exporters(sshd: SSHD) -> Iterator[dict[str, str]]:
    """Addresses of our exporter and of upstream's, in front of `sshd`."""
    networks = f"tcp: {tcp(sshd.port)}\nclosed: {tcp(free_port())}\n"
    wrapper = (
        f"ssh: {{type: {WRAPPER}, config: {{default_username: {USER}, ssh_identity_file: '{sshd.identity}'}},"
        f" children: {{tcp: {tcp(sshd.port)}}}}}\n"
    )
    with exporter_with("ours", networks) as ours, exporter_with("upstream", networks + wrapper) as upstreams:
        yield {"ours": ours.address, "upstream": upstreams.address}


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests that run at the same time have private files, too."""
    with tempfile.TemporaryDirectory(prefix="own-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
        monkeypatch.undo()


@pytest.fixture(params=["ours", pytest.param("upstream", marks=pytest.mark.interop)])
def device(own_temporary_folder: None, request: pytest.FixtureRequest, exporters: dict[str, str]) -> Iterator[Device]:
    before = private_folders()
    with connect(exporters[request.param], name="bench", timeout=20) as opened:
        yield opened
    assert eventually(lambda: not our_threads(), 3), our_threads()
    assert private_folders() == before, "private files are left"


@pytest.fixture
def upstream_device(exporters: dict[str, str]) -> Iterator[Device]:
    with connect(exporters["upstream"], name="bench", timeout=20) as opened:
        yield opened


def private_folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("jumpstarter-ssh-*")}


def test_output_exit_status_and_duration(device: Device, sshd: SSHD) -> None:
    client = ssh_client(device, "tcp")
    login = client.login(USER, identity=sshd.identity.read_text())

    outcome = client.execute("echo out; echo err >&2; exit 3", login)

    assert (outcome.stdout, outcome.stderr, outcome.rc) == ("out\n", "err\n", 3)
    assert 0 < outcome.duration < 20
    assert client.execute("exit 255", login).rc == 255
    assert client.execute("cat", login, input="secret of sudo\n").stdout == "secret of sudo\n"
    assert client.execute("cat; echo end", login).stdout == "end\n"
    (call, *_) = [event for event in device.journal.events(CallEnded) if event.method == "ssh"]
    assert (call.driver, call.outcome, call.detail) == ("tcp", "ok", "exit status 3")


@pytest.mark.interop
def test_the_drivers_user_and_identity_are_used_and_shown_nowhere(upstream_device: Device, sshd: SSHD) -> None:
    client = upstream_device.driver_of(SSHClient)
    assert client.path == "ssh"

    outcome = client.execute("id -un", client.login())

    assert outcome.stdout.strip() == USER
    key = sshd.identity.read_text()
    secret = key.splitlines()[2]
    events = repr(upstream_device.journal.events())
    assert "get_ssh_identity" in events
    assert secret not in events
    assert secret not in upstream_device.connection.redact(f"the key is {key}")
    assert secret not in repr(client.login())


@pytest.mark.interop
def test_directly_without_the_exporter(upstream_device: Device) -> None:
    client = upstream_device.driver_of(SSHClient)

    outcome = client.execute("echo $SSH_CONNECTION", client.login(), direct=True)

    assert outcome.stdout.startswith("127.0.0.1 ")


def test_an_encrypted_identity_takes_the_password(client: SSHClient, sshd: SSHD) -> None:
    """A real prompt of OpenSSH, answered by our helper."""
    locked = (sshd.folder / "locked").read_text()

    assert client.execute("echo in", client.login(USER, "open sesame", locked)).stdout == "in\n"
    with pytest.raises(DriverError, match="denied"):
        client.execute("echo in", client.login(USER, "closed sesame", locked))


@pytest.mark.parametrize("way", ["password", "keyboard-interactive"])
def test_a_password_in_each_way_and_in_no_place_that_others_can_see(way: str, tmp_path: Path) -> None:
    password = "p4ss w\"ord'$HOME\\n%é"
    with serve_password(password, way) as server:
        with exporter_with("ours", f"tcp: {tcp(server.port)}") as exporter, connect(exporter.address, name="bench") as device:
            client = ssh_client(device, "tcp")
            seen: set[str] = set()
            stop = threading.Event()
            watcher = threading.Thread(target=watch_processes, args=(password, seen, stop))
            watcher.start()
            try:
                outcome = client.execute("echo in; sleep 0.2; exit 4", client.login("someone", password))
            finally:
                stop.set()
                watcher.join()
            assert (outcome.stdout, outcome.rc) == ("in\n", 4)
            assert set(server.tried) == {way}
            assert "looked" in seen
            assert seen == {"looked"}
            with pytest.raises(DriverError, match=r"as 'someone' failed: .*denied.*password= and identity= right\?") as raised:
                client.execute("echo in", client.login("someone", "wrong one"))
            assert "wrong one" not in str(raised.value)
            assert password not in repr(device.journal.events())


def watch_processes(secret: str, seen: set[str], stop: threading.Event) -> None:
    """Looks for a secret in the arguments and environments of all processes, and in the files of the private folder."""
    wanted = secret.encode()
    while not stop.is_set():
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            for name in ("cmdline", "environ"):
                try:
                    if wanted in (folder / name).read_bytes():
                        seen.add(f"{folder.name}/{name}")
                except OSError:
                    continue
        for private in Path(tempfile.gettempdir()).glob("jumpstarter-ssh-*"):
            with suppress(FileNotFoundError):  # it is gone already
                seen.add("looked")
                if private.stat().st_mode & 0o077:
                    seen.add(f"{private} is open to others")
                for file in private.iterdir():
                    if file.is_file() and wanted in file.read_bytes():
                        seen.add(str(file))


def test_the_host_key_is_checked_on_request(client: SSHClient, sshd: SSHD) -> None:
    identity = sshd.identity.read_text()

    assert client.execute("echo in", client.login(USER, identity=identity, host_key=sshd.host_key)).rc == 0
    other = (sshd.folder / "identity.pub").read_text()
    with pytest.raises(DriverError, match=r"another key than host_key="):
        client.execute("echo in", client.login(USER, identity=identity, host_key=other))


def test_a_refused_login_and_a_closed_port_say_so(device: Device, sshd: SSHD) -> None:
    client = ssh_client(device, "tcp")
    stranger = client.login(USER, identity=(sshd.folder / "host").read_text())
    with pytest.raises(DriverError, match=rf"SSH to driver 'tcp' of device 'bench' as '{USER}' failed: .*denied"):
        client.execute("true", stranger)
    closed = ssh_client(device, "closed")
    with pytest.raises(DriverError, match=r"SSH to driver 'closed' .* failed: connect\(\) on driver 'closed'"):
        closed.execute("true", closed.login(USER, identity=sshd.identity.read_text()))
    with pytest.raises(UsageError, match="Give user="):
        closed.login()


def test_a_command_that_does_not_end_is_ended(client: SSHClient, sshd: SSHD) -> None:
    login = client.login(USER, identity=sshd.identity.read_text())
    begin = time.monotonic()

    with pytest.raises(DriverTimeoutError, match=r"'echo begun; sleep 5' over SSH .* did not end within 1\.5 s.*\n?.*begun"):
        client.execute("echo begun; sleep 5", login, timeout=1.5)

    assert time.monotonic() - begin < 3.5
    assert not children("ssh")


def children(name: str) -> list[str]:
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], capture_output=True, text=True, check=False)
    return [line for line in listed.stdout.split() if line == name]


def test_without_openssh_the_error_names_it(client: SSHClient, monkeypatch: pytest.MonkeyPatch, sshd: SSHD) -> None:
    login = client.login(USER, identity=sshd.identity.read_text())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"needs OpenSSH's 'ssh' .* openssh-client"):
        client.execute("true", login)


# ----------------------------------------------------------------------- files


@pytest.fixture
def client(own_temporary_folder: None, exporters: dict[str, str]) -> Iterator[SSHClient]:
    """On our exporter."""
    before = private_folders()
    with connect(exporters["ours"], name="bench", timeout=20) as device:
        yield ssh_client(device, "tcp")
    assert eventually(lambda: not our_threads(), 3), our_threads()
    assert private_folders() == before, "private files are left"


def test_files_go_there_and_back(device: Device, sshd: SSHD, tmp_path: Path) -> None:
    client, name = ssh_client(device, "tcp"), "with space & [x]*é'.bin"
    login = client.login(USER, identity=sshd.identity.read_text())
    source, there = tmp_path / name, tmp_path / "device"
    there.mkdir()
    source.write_bytes(os.urandom(3 * MIB + 1))

    assert client.put(source, f"{there}/", login) == (f"{there}/{name}", 3 * MIB + 1)
    assert [path.name for path in there.iterdir()] == [name]
    assert (there / name).read_bytes() == source.read_bytes()

    back = tmp_path / "back"
    back.mkdir()
    (there / name.replace("[x]*", "x")).write_text("what the name as a pattern would mean")
    assert client.get(f"{there}/{name}", back, login) == (back / name, 3 * MIB + 1)
    assert [path.name for path in back.iterdir()] == [name]
    assert (back / name).read_bytes() == source.read_bytes()


def test_an_empty_file(client: SSHClient, sshd: SSHD, tmp_path: Path) -> None:
    login = client.login(USER, identity=sshd.identity.read_text())
    (tmp_path / "empty").touch()
    client.put(tmp_path / "empty", f"{tmp_path}/there", login)
    assert client.get(f"{tmp_path}/there", tmp_path / "back", login)[1] == 0
    assert (tmp_path / "back").read_bytes() == b""


def test_a_device_without_an_sftp_server(tmp_path: Path) -> None:
    folder = tmp_path / "sshd"
    folder.mkdir()
    with serve_sshd(folder, sftp="/nowhere/sftp-server") as server:
        with exporter_with("ours", f"tcp: {tcp(server.port)}") as exporter, connect(exporter.address) as device:
            client = ssh_client(device, "tcp")
            login = client.login(USER, identity=server.identity.read_text())
            source = tmp_path / "a b'c"
            source.write_bytes(b"content")
            client.put(source, f"{tmp_path}/there d'e", login)
            assert client.get(f"{tmp_path}/there d'e", tmp_path / "back", login)[1] == 7
    assert (tmp_path / "back").read_bytes() == b"content"


def test_what_cannot_be_copied_leaves_nothing_behind(client: SSHClient, sshd: SSHD, tmp_path: Path) -> None:
    login = client.login(USER, identity=sshd.identity.read_text())
    source = tmp_path / "source"
    source.write_bytes(b"content")
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(ConfigurationError, match="no such file"):
        client.put(tmp_path / "missing", f"{there}/x", login)
    with pytest.raises(DriverError, match="it is a folder"):
        client.put(source, str(there), login)
    with pytest.raises(DriverError, match="No such file"):
        client.put(source, f"{there}/no/such/folder", login)
    with pytest.raises(RemoteFileNotFoundError, match="has no such file"):
        client.get(f"{there}/missing", tmp_path / "back", login)
    with pytest.raises(ConfigurationError, match="no folder"):
        client.get(str(source), tmp_path / "no" / "back", login)
    assert list(there.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "there"]


def test_a_file_that_arrives_short_never_gets_its_name(
    client: SSHClient, sshd: SSHD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `scp` that lies: it says that all went well."""
    real = subprocess.run(["sh", "-c", "command -v scp"], capture_output=True, text=True, check=True).stdout.strip()
    lying = tmp_path / "bin"
    lying.mkdir()
    (lying / "scp").write_text(
        f'#!/bin/sh\n{real} "$@"\nfor last; do :; done\nlast="${{last#*:}}"\n'
        'head -c 3 "$last" >"$last.x" && mv "$last.x" "$last"\n'
    )
    (lying / "scp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{lying}:{os.environ['PATH']}")
    login = client.login(USER, identity=sshd.identity.read_text())
    source = tmp_path / "source"
    source.write_bytes(b"content")

    with pytest.raises(TransferMismatchError, match="3 of 7 bytes arrived"):
        client.put(source, f"{tmp_path}/there", login)
    with pytest.raises(TransferMismatchError, match="3 of 7 bytes arrived"):
        client.get(str(source), tmp_path / "back", login)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "source"]


def test_a_passwordless_folder_is_private_while_it_lasts(client: SSHClient, sshd: SSHD, tmp_path: Path) -> None:
    """The identity lies in a file only while it is needed, for this user only."""
    login = client.login(USER, identity=sshd.identity.read_text())
    modes: set[tuple[str, int]] = set()
    done = threading.Event()
    act: Callable[[], object] = lambda: client.execute("sleep 0.3", login)  # noqa: E731

    def look() -> None:
        while not done.is_set():
            for private in Path(tempfile.gettempdir()).glob("jumpstarter-ssh-*"):
                for path in (private, private / "identity"):
                    with suppress(FileNotFoundError):
                        modes.add((path.name[:8], path.stat().st_mode & 0o777))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        act()
    finally:
        done.set()
        thread.join()
    assert modes == {("jumpstar", 0o700), ("identity", 0o600)}


class SilentSSH(Driver):
    """Answers no question about who logs in."""

    @classmethod
    def client(cls) -> str:
        return next(iter(sorted(SSHClient.tags)))

    @export
    async def get_default_username(self) -> str:
        await anyio.sleep(30)
        return ""


def test_a_deadline_covers_what_the_driver_is_asked() -> None:
    with Session(root_device=SilentSSH()) as session, session.serve_unix() as path, connect(path, timeout=20) as device:
        client = device.driver_of(SSHClient)
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            client.login(deadline=client.deadline(0.3))
        assert time.monotonic() - begin < 10
