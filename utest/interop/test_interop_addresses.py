"""Where a session is: the forms of JUMPSTARTER_HOST, with and without proxies in the environment."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from helpers.exporters import free_port
from interop_support import Upstream, power_on
from jumpstarter_protocol import jumpstarter_pb2_grpc

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.errors import ConfigurationError, ConnectionFailedError, PassphraseError
from JumpstarterLibrary.exporter import Session

pytestmark = pytest.mark.interop


class TestSockets:
    @pytest.mark.parametrize("prefix", ["", "unix:", "unix://"])
    def test_path(self, unix: str, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
        assert power_on(prefix + unix, monkeypatch) == unix

    @pytest.mark.parametrize(
        "name", ["socket:1234", "1234", "a b", "100%", "%41", "a#b", "a?b=c", "[::1]:80", "sökcet", "x:y:z", "a+b;c", "s\\k"]
    )
    @pytest.mark.parametrize("prefix", ["", "unix:", "unix://"])
    def test_awkward_names(self, unix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, prefix: str) -> None:
        link = tmp_path / name
        link.symlink_to(unix)
        assert power_on(f"{prefix}{link}", monkeypatch) == str(link)

    @pytest.mark.parametrize("form", ["unix:run/socket:1234", "unix:./run/socket:1234", "./run/socket"])
    def test_relative_path(self, unix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        (tmp_path / "run").mkdir()
        for name in ("socket", "socket:1234"):
            (tmp_path / "run" / name).symlink_to(unix)
        monkeypatch.chdir(tmp_path)
        assert power_on(form, monkeypatch).startswith(str(tmp_path / "run" / "socket"))

    def test_upstream_takes_our_path(self, unix: str, upstream: Upstream) -> None:
        assert upstream(unix, "client.on()") == {}

    @pytest.mark.parametrize("name", ["a b", "%41", "a#b?c"])
    def test_served_in_a_folder_with_an_awkward_name(
        self, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        with session.serve_unix() as path:
            assert Path(path).is_socket()
            assert path.startswith(f"{folder}/jumpstarter-")
            assert power_on(path, monkeypatch) == path

    def test_comma(self, unix: str, tmp_path: Path) -> None:
        (tmp_path / "a,b").symlink_to(unix)
        with pytest.raises(ConfigurationError, match="has a comma"):
            connect(str(tmp_path / "a,b"), timeout=5).__enter__()

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ConnectionFailedError, match="there is no socket"):
            connect(str(tmp_path / "socket:1234"), timeout=5).__enter__()

    def test_nobody_listens(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "socket"))
        begin = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="Does the socket exist, and does the exporter"):
            connect(str(tmp_path / "socket"), timeout=5).__enter__()
        assert time.monotonic() - begin < 1

    def test_too_long(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="bytes; Linux takes 107"):
            connect(str(tmp_path / ("x" * 120)), timeout=5).__enter__()


class TestTcp:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_host_and_port(self, tcp: int, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        assert power_on(f"{host}:{tcp}", monkeypatch) == f"{host}:{tcp}"

    def test_ipv6(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        with session.serve_tcp("::1") as address:
            assert address.startswith("[::1]:")
            assert power_on(address, monkeypatch) == address

    @pytest.mark.parametrize("text", ["localhost", "localhost:0", "localhost:65536", "::1:80", "http://localhost:80", "unix:"])
    def test_no_address(self, text: str) -> None:
        with pytest.raises(ConfigurationError, match="is not an address"):
            connect(text, timeout=5).__enter__()

    def test_nobody_listens(self) -> None:
        begin = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="Is the exporter running, and are host and port right"):
            connect(f"127.0.0.1:{free_port()}", timeout=5).__enter__()
        assert time.monotonic() - begin < 1


@pytest.mark.usefixtures("dead_proxy")
class TestProxies:
    def test_would_matter(self, tcp: int) -> None:
        """So that the tests beside this one prove something."""
        with grpc.insecure_channel(f"127.0.0.1:{tcp}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            with pytest.raises(grpc.RpcError):
                jumpstarter_pb2_grpc.ExporterServiceStub(channel).GetReport(Empty(), timeout=5)

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_not_used_for_loopback(self, tcp: int, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        power_on(f"{host}:{tcp}", monkeypatch)

    @pytest.mark.parametrize("prefix", ["", "unix:"])
    def test_not_used_for_sockets(self, unix: str, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
        power_on(prefix + unix, monkeypatch)


def test_passphrase_on_a_socket(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream's client does not send it there (D27); ours does."""
    with session.serve_unix(passphrase="open sesame") as path:
        monkeypatch.setenv("JMP_GRPC_PASSPHRASE", "open sesame")
        power_on(path, monkeypatch)
        monkeypatch.delenv("JMP_GRPC_PASSPHRASE")
        with pytest.raises(PassphraseError):
            connect(path, timeout=5).__enter__()
        assert oct(Path(path).parent.stat().st_mode & 0o777) == "0o700"
