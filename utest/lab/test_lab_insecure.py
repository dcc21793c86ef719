"""Labs whose certificate is not verified: it is fetched first, which is a part of each request like any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from helpers.exporters import free_port
from helpers.lab import Lab
from helpers.lab.certificates import make_authority
from jumpstarter_protocol import client_pb2, client_pb2_grpc
from lab_support import SOON, Stopwatch

from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.lab.configuration import ClientConfiguration, Tls, load_configuration
from JumpstarterLibrary.lab.controller import Controller
from JumpstarterLibrary.lab.refusals import ControllerAwayError
from JumpstarterLibrary.lab.tunnel import Tunnel
from JumpstarterLibrary.lab.wish import LeaseRequest
from JumpstarterLibrary.wire.address import parse_address
from JumpstarterLibrary.wire.secrets import Hidden

REQUEST = LeaseRequest(selector="board=mock", duration=timedelta(minutes=1))


@pytest.fixture
def controller(lab: Lab) -> Iterator[Controller]:
    """One that has not asked anything yet."""
    found = Controller(load_configuration(lab.client_config("ci", tls={"insecure": True}), {}))
    yield found
    found.close()


def test_a_controller_that_is_away_at_first_is_waited_for(lab: Lab, controller: Controller) -> None:
    lab.controller_down()
    back = threading.Timer(0.7, lab.controller_up)
    back.start()

    assert controller.list_leases(SOON) == []

    back.join()


def test_a_lease_that_nobody_could_be_asked_for_was_never_asked_for(lab: Lab, controller: Controller) -> None:
    lab.controller_down()
    watch = Stopwatch()

    with pytest.raises(ControllerAwayError, match=r"^Leasing .* failed: Cannot fetch the TLS certificate of ") as raised:
        controller.create_lease("never", REQUEST, 1)

    assert raised.value.never_asked
    assert 0.4 < watch.seconds < 3


def test_a_silent_network_outlives_no_deadline_and_holds_up_nobody_else(lab: Lab, controller: Controller) -> None:
    lab.network("controller", "silent")

    def wait() -> None:
        with pytest.raises(ControllerAwayError):
            controller.list_leases(4)

    patient = threading.Thread(target=wait)
    patient.start()
    patient.join(0.3)
    watch = Stopwatch()

    with pytest.raises(ControllerAwayError):
        controller.list_leases(0.3)

    assert watch.seconds < 2
    assert patient.is_alive()
    patient.join(SOON)


def test_the_way_to_an_exporter_waits_for_its_controller_too(lab: Lab, controller: Controller) -> None:
    lab.controller_down()
    tunnel = Tunnel(controller, "lease", "bench-1", SOON)
    back = threading.Timer(0.7, lab.controller_up)
    back.start()
    try:
        assert tunnel.dial(tunnel.new_deadline(), lambda: True) is None
    finally:
        tunnel.close()
        back.join()

    assert lab.requests("Dial"), "it was given up before the controller came back"


# ------------------------------------------------------------ another certificate


class _NoLeases(client_pb2_grpc.ClientServiceServicer):
    def ListLeases(self, request: Any, context: Any) -> Any:
        return client_pb2.ListLeasesResponse()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Starts a controller without leases, each time with a certificate of its own."""
    running: list[Any] = []

    def start() -> None:
        if running:
            running.pop().stop(None).wait()
        folder = tmp_path / "certificates"
        folder.mkdir(exist_ok=True)
        make_authority(folder)
        server = grpc.server(ThreadPoolExecutor(2))
        client_pb2_grpc.add_ClientServiceServicer_to_server(_NoLeases(), server)
        pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
        server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
        server.start()
        running.append(server)

    port = free_port()
    start.port = port  # type: ignore[attr-defined]
    yield start
    for server in running:
        server.stop(None).wait()


def client(port: int) -> Controller:
    """The controller at a port of this machine, with any certificate."""
    return Controller(ClientConfiguration("lab", "ci", parse_address(f"127.0.0.1:{port}"), Hidden("opaque"), Tls(insecure=True)))


def test_a_certificate_that_the_lab_has_renewed_is_fetched_again(serve: Any) -> None:
    serve()
    controller = client(serve.port)
    try:
        assert controller.list_leases(SOON) == []
        serve()
        assert controller.list_leases(SOON) == []
    finally:
        controller.close()


def test_what_speaks_no_tls_is_not_waited_for() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    controller = client(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    watch = Stopwatch()
    try:
        with pytest.raises(ConfigurationError, match="does not speak TLS"):
            controller.list_leases(20)
    finally:
        controller.close()
        server.stop(None).wait()

    assert watch.seconds < SOON
