"""Tokens whose renewal takes long, or goes wrong in ways that nobody has thought of."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from helpers.lab import Lab
from helpers.results import eventually
from issuers import Issuer, made, token_of, written
from lab_support import SOON, Stopwatch

from JumpstarterLibrary.errors import TokenError
from JumpstarterLibrary.lab import tokens
from JumpstarterLibrary.lab.configuration import load_configuration
from JumpstarterLibrary.lab.controller import Controller
from JumpstarterLibrary.lab.refusals import ControllerAwayError

# ------------------------------------------------------------------- deadlines

LATE = "could not be renewed within 300 ms"


def test_an_issuer_that_is_slow_outlives_no_deadline_and_its_answer_is_not_lost(tmp_path: Path, issuer: Issuer) -> None:
    issuer.answer = {"access_token": (new := made(exp=time.time() + 600)), "refresh_token": "refresh-2"}
    issuer.answers.clear()
    path = written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1")
    token, errors, watch = token_of(path), list[TokenError](), Stopwatch()

    def renew() -> None:
        with pytest.raises(TokenError, match=LATE) as raised:
            token.renew(0.3)
        errors.append(raised.value)

    threads = [threading.Thread(target=renew) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert (len(errors), watch.seconds < 3) == (3, True)
    issuer.answers.set()

    assert eventually(lambda: token.reveal() == new, SOON)
    assert eventually(lambda: load_configuration(path, {}).token.reveal() == new, SOON)
    assert len(issuer.asked) == 1


def test_another_process_that_renews_the_token_outlives_no_deadline(tmp_path: Path, issuer: Issuer) -> None:
    issuer.answer = {"access_token": (new := made(exp=time.time() + 600))}
    token = token_of(written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1"))
    other, watch = os.open(tmp_path, os.O_RDONLY), Stopwatch()
    fcntl.flock(other, fcntl.LOCK_EX)

    with pytest.raises(TokenError, match=LATE):
        token.renew(0.3)
    assert watch.seconds < 3
    os.close(other)

    assert token.renew(SOON)
    assert token.reveal() == new


def test_a_request_is_over_in_time_though_the_issuer_is_slow(lab: Lab, issuer: Issuer) -> None:
    lab.add_client("slow")
    expired = lab.token("slow", expires_in=-10, issuer=issuer.address)
    path = lab.client_config("slow", expired, refresh_token="refresh-1")
    issuer.answer = {"access_token": lab.token("slow")}
    issuer.answers.clear()
    controller = Controller(load_configuration(path, {}), token=token_of(path))
    try:
        watch = Stopwatch()
        with pytest.raises(ControllerAwayError, match=r"refuses the token\. The token could not be renewed within"):
            controller.list_leases(1)
        assert watch.seconds < 4
        issuer.answers.set()

        assert controller.list_leases(SOON) == []
    finally:
        controller.close()


# -------------------------------------------------------- issuers that are none


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + 200 * b"A: b\r\n", b""]
)
def test_what_speaks_no_http_is_an_error_in_words(tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        token = token_of(written(tmp_path, made(iss=address, exp=0), refresh_token="refresh-1"))
        with pytest.raises(TokenError, match=r"Cannot renew the token: .* refused, or could not be asked \("):
            token.renew()
        thread.join()


@pytest.mark.parametrize("address", ["https://issuer.example/a realm", "https://[", "https://issuer.example:port"])
def test_an_issuer_whose_address_is_none_is_an_error_in_words(tmp_path: Path, address: str) -> None:
    token = token_of(written(tmp_path, made(iss=address, exp=0), refresh_token="refresh-1"))

    with pytest.raises(TokenError, match="Cannot renew the token"):
        token.renew()


def test_the_background_survives_what_nobody_has_thought_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CHECK_INTERVAL_NEAR_END", 0.01)
    warnings: list[str] = []
    turns: list[int] = []
    token = token_of(written(tmp_path, made(exp=time.time() + 60)), warn=warnings.append)

    def broken(*_: object) -> bool:
        turns.append(1)
        raise RuntimeError("out of the blue, with " + token.reveal())

    monkeypatch.setattr(token, "renew", broken)
    token.watch()
    try:
        assert eventually(lambda: len(turns) > 3, SOON)
    finally:
        token.close()

    assert len(warnings) == 1
    assert "Looking after the token failed: RuntimeError('out of the blue, with <secret>')" in warnings[0]
