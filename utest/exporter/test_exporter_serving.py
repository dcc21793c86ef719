"""Unix sockets, TCP ports, TLS and the passphrase."""

from __future__ import annotations

import socket
import stat
import subprocess
from pathlib import Path

import grpc
import pytest
from exporter_peer import Peer, Stream
from helpers.programs import needs

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.exporter import ServerTls, Session


@pytest.fixture
def session():
    with Session(root_device=MockPower()) as session:
        yield session


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ServerTls:
    openssl = needs("openssl")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-out", folder / "cert",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return ServerTls((folder / "cert").read_bytes(), (folder / "key").read_bytes())


class TestUnixSocket:
    def test_only_this_user_may_enter_the_folder_and_it_goes_with_the_session(self, session):
        with session.serve_unix() as path:
            folder = Path(path).parent
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert folder.name.startswith("jumpstarter-")
            assert Path(path).is_socket()
        assert not folder.exists()

    def test_it_lies_in_the_runtime_folder_of_the_user(self, session, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with session.serve_unix() as path:
            assert Path(path).is_relative_to(tmp_path)

    @pytest.mark.parametrize("base", ["/does/not/exist", "relative/missing"])
    def test_a_runtime_folder_that_is_not_there_is_passed_over(self, session, monkeypatch, base):
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
        with session.serve_unix() as path, Peer(path) as client:
            assert client.call("on") is None

    def test_a_folder_too_long_for_a_socket_is_passed_over(self, session, tmp_path, monkeypatch):
        deep = tmp_path / ("ä" * 60)
        deep.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
        with session.serve_unix() as path, Peer(path) as client:
            assert client.call("on") is None

    def test_several_sockets_serve_one_session(self, session):
        with session.serve_unix() as one, session.serve_unix() as two, Peer(one) as first, Peer(two) as second:
            assert first.report().uuid == second.report().uuid

    def test_after_the_end_nobody_is_served(self, session):
        with session.serve_unix() as path, Peer(path) as client:
            client.call("on")
        with Peer(path) as client, pytest.raises(grpc.RpcError) as caught:
            client.call("on")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


class TestTcp:
    def test_loopback_is_served_without_protection(self, session):
        with session.serve_tcp() as address, Peer(address) as client:
            assert address.startswith("127.0.0.1:")
            assert client.call("on") is None

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.org", "127.0.0.1.example.org"])
    @pytest.mark.parametrize("given", ["nothing", "passphrase", "tls"])
    def test_beyond_loopback_both_tls_and_passphrase_are_needed(self, session, tls, host, given):
        options = {"nothing": {}, "passphrase": {"passphrase": "p"}, "tls": {"tls": tls}}[given]
        with pytest.raises(ConfigurationError, match="Refused to serve"), session.serve_tcp(host, 0, **options):
            pass

    def test_with_both_it_serves_beyond_loopback(self, session, tls):
        with session.serve_tcp("0.0.0.0", tls=tls, passphrase="p") as address:
            assert address.startswith("0.0.0.0:")

    def test_without_protection_if_asked_for_by_name(self, session):
        with session.serve_tcp("0.0.0.0", allow_unprotected=True) as address:
            port = address.rpartition(":")[2]
            with Peer(f"127.0.0.1:{port}") as client:
                assert client.call("on") is None

    def test_a_port_in_use_is_a_configuration_error(self, session):
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="Cannot listen on"):
            with session.serve_tcp(port=taken.getsockname()[1]):
                pass


class TestTls:
    def test_a_client_that_trusts_the_certificate_is_served(self, session, tls):
        credentials = grpc.ssl_channel_credentials(tls.certificate)
        with session.serve_tcp("127.0.0.1", tls=tls) as address, Peer(address, credentials=credentials) as client:
            assert client.call("on") is None

    def test_a_plaintext_client_is_not(self, session, tls):
        with session.serve_tcp("127.0.0.1", tls=tls) as address, Peer(address) as client:
            with pytest.raises(grpc.RpcError) as caught:
                client.call("on")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    @pytest.mark.parametrize("broken", ["certificate", "private_key", "swapped"])
    def test_a_certificate_that_cannot_be_used_is_a_configuration_error(self, session, tls, broken):
        parts = {"certificate": tls.certificate, "private_key": tls.private_key}
        if broken == "swapped":
            parts = {"certificate": tls.private_key, "private_key": tls.certificate[:100]}
        else:
            parts[broken] = b"nonsense"
        with pytest.raises(ConfigurationError, match="certificate and key cannot be used"):
            with session.serve_tcp(tls=ServerTls(**parts)):
                pass

    def test_the_key_is_not_in_the_repr(self, tls):
        assert "PRIVATE" not in repr(tls)


class TestPassphrase:
    def test_with_the_right_one_everything_works(self, session):
        with session.serve_unix(passphrase="open sesame") as path, Peer(path, passphrase="open sesame") as client:
            assert client.call("on") is None
            assert len(client.items("read")) == 2

    @pytest.mark.parametrize("wrong", [None, "", "wrong", "open sesam", "open sesame!"])
    def test_without_it_every_rpc_is_refused(self, session, wrong):
        with session.serve_unix(passphrase="open sesame") as path, Peer(path, passphrase=wrong) as client:
            log = client.logs()
            stream = Stream(client, {"kind": "driver", "uuid": "x"})
            for rpc in (client.report, client.status, lambda: next(log), stream.receive, client.uuid):
                with pytest.raises(grpc.RpcError) as caught:
                    rpc()
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
                assert caught.value.details() == "invalid or missing passphrase"
            stream.half_close()

    def test_two_of_them_are_refused(self, session):
        with session.serve_unix(passphrase="right") as path, Peer(path, passphrase="right") as client:
            client.metadata *= 2
            with pytest.raises(grpc.RpcError):
                client.report()

    @pytest.mark.parametrize("bad", ["", "   ", "zwölf", "two\nlines"])
    def test_one_that_cannot_be_sent_or_protects_nothing_is_refused(self, session, bad):
        with pytest.raises(ConfigurationError, match="printable ASCII"), session.serve_unix(passphrase=bad):
            pass
        with pytest.raises(ConfigurationError, match="printable ASCII"), session.serve_tcp(passphrase=bad):
            pass

    def test_an_unknown_method_is_unimplemented_and_nothing_else(self, session):
        with session.serve_unix(passphrase="p") as path, Peer(path) as client:
            call = client.channel.unary_unary("/jumpstarter.v1.ExporterService/Nothing")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
