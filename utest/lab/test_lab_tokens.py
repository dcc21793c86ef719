"""Tokens: read without trusting them, renewed from the file or by the issuer, and never shown."""

from __future__ import annotations

import json
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from issuers import Issuer, made, token_of, written

from JumpstarterLibrary.errors import TokenError
from JumpstarterLibrary.lab import token_file, tokens
from JumpstarterLibrary.lab.configuration import load_configuration
from JumpstarterLibrary.lab.tokens import Token
from JumpstarterLibrary.wire.secrets import Redactor


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.!!!.c", "", made(sub="x"), made(exp="soon"), made(exp=True)])
def test_a_token_that_does_not_say_when_it_expires_is_no_error(token: str) -> None:
    assert tokens.expiry_of(token) is None  # D51


def test_a_token_says_until_when_it_is_valid(tmp_path: Path) -> None:
    valid = token_of(written(tmp_path, made(exp=time.time() + 3700)))
    assert "is valid until 20" in valid.describe()
    assert "61 min" in valid.describe()

    assert "expired at 20" in token_of(written(tmp_path, made(exp=time.time() - 90))).describe()
    assert "does not say until when" in token_of(written(tmp_path, "opaque")).describe()


def test_the_issuer_gives_a_newer_token_for_the_refresh_token(tmp_path: Path, issuer: Issuer) -> None:
    new = made(exp=time.time() + 600)
    issuer.answer = {"access_token": new, "refresh_token": "refresh-2"}
    redact = Redactor()
    path = written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1")
    token = token_of(path, redact=redact)

    assert token.renew()

    assert token.reveal() == new
    assert issuer.asked == [
        {
            "grant_type": ["refresh_token"],
            "client_id": ["jumpstarter-cli"],
            "scope": ["openid profile offline_access"],
            "refresh_token": ["refresh-1"],
        }
    ]
    assert redact(f"{new} refresh-1 refresh-2") == "<secret> <secret> <secret>"


def test_the_file_is_read_again_first(tmp_path: Path, issuer: Issuer) -> None:
    token = token_of(written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1"))
    newer = made(exp=time.time() + 6000)
    written(tmp_path, newer)

    assert token.renew()

    assert token.reveal() == newer
    assert issuer.asked == []


def test_a_refusing_issuer_is_an_error_without_secrets(tmp_path: Path, issuer: Issuer) -> None:
    issuer.status, issuer.answer = 400, {"error": "invalid_grant", "error_description": "Session not active"}
    token = token_of(written(tmp_path, made(iss=issuer.address, exp=0), refresh_token="refresh-1"))

    with pytest.raises(TokenError, match="HTTP 400, Session not active") as raised:
        token.renew()

    assert "refresh-1" not in str(raised.value)


BLOCK = """\
# Written by jmp login.
apiVersion: jumpstarter.dev/v1alpha1
kind: ClientConfig
metadata: {{namespace: lab, name: ci}}
endpoint: lab:443
token: {token}  # until tomorrow
refresh_token: refresh-1
shell:
  use_profiles: true
later:
  token: not ours
"""
FORMS = {
    "block": BLOCK,
    "folded": BLOCK.replace("token: {token}  # until tomorrow", "token: >-\n  {token}"),
    "literal": BLOCK.replace("token: {token}  # until tomorrow", "token: |\n  {token}"),
    "quoted": BLOCK.replace("{token}  #", "'{token}'  #"),
    "no refresh token": BLOCK.replace("refresh_token: refresh-1\n", ""),
    "folded, no refresh token": BLOCK.replace("refresh_token: refresh-1\n", "").replace(
        "token: {token}  # until tomorrow", "token: >-\n  {token}"
    ),
    "flow": '{{"metadata": {{"namespace": "lab", "name": "ci"}}, "endpoint": "lab:443", "token": "{token}", "later": 1}}',
}


@pytest.mark.parametrize("form", FORMS)
def test_new_tokens_are_written_back_and_nothing_else_changes(tmp_path: Path, form: str) -> None:
    path = tmp_path / "ci.yaml"
    path.write_text(FORMS[form].format(token="old.token.x"))
    path.chmod(0o644)
    before = yaml.safe_load(path.read_text())

    assert token_file.write_back(path, "old.token.x", "new.token.x", "refresh-2")

    text = path.read_text()
    assert yaml.safe_load(text) == {**before, "token": "new.token.x", "refresh_token": "refresh-2"}
    assert ("# Written by jmp login." in text) is (form != "flow")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["ci.yaml"]


def test_a_renewed_token_is_in_the_file_for_the_next_run(tmp_path: Path, issuer: Issuer) -> None:
    new = made(exp=time.time() + 600)
    issuer.answer = {"access_token": new, "refresh_token": "refresh-2"}
    path = written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1", unknown="kept")

    assert token_of(path).renew()

    found = load_configuration(path, {})
    assert (found.token.reveal(), found.refresh_token.reveal()) == (new, "refresh-2")
    assert json.loads(path.read_text())["unknown"] == "kept"
    assert not token_of(path).renew(), "the file has nothing newer than itself, and the new token names no issuer"


def test_a_file_in_which_somebody_has_logged_in_again_is_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "somebody.elses.token", refresh_token="theirs")
    before = path.read_text()

    assert not token_file.write_back(path, "old.token.x", "new.token.x", "refresh-2")

    assert path.read_text() == before


def test_a_token_of_the_environment_is_written_nowhere(tmp_path: Path, issuer: Issuer) -> None:
    old, new = made(iss=issuer.address, exp=time.time() + 60), made(exp=time.time() + 600)
    issuer.answer = {"access_token": new, "refresh_token": "refresh-2"}
    path = tmp_path / "ci.yaml"
    path.write_text(json.dumps({"metadata": {"namespace": "lab", "name": "ci"}, "endpoint": "lab:443"}))
    before = path.read_text()

    assert Token(load_configuration(path, {"JMP_TOKEN": old, "JMP_REFRESH_TOKEN": "refresh-1"})).renew()

    assert path.read_text() == before


def test_a_file_that_cannot_be_written_is_a_warning_without_secrets(tmp_path: Path, issuer: Issuer, monkeypatch: Any) -> None:
    issuer.answer = {"access_token": (new := made(exp=time.time() + 600)), "refresh_token": "refresh-2"}
    path = written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1")
    monkeypatch.setattr(token_file.os, "access", lambda *_: False)  # root may write everything
    warnings: list[str] = []

    token = token_of(path, warn=warnings.append)
    assert token.renew()

    assert token.reveal() == new
    (warning,) = warnings
    assert "could not be written" in warning
    assert new not in warning
    assert "refresh-2" not in warning


def test_processes_that_share_a_file_renew_its_token_once(tmp_path: Path, issuer: Issuer) -> None:
    issuer.answer = {"access_token": (new := made(exp=time.time() + 600)), "refresh_token": "refresh-2"}
    path = written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1")
    shared = [token_of(path) for _ in range(4)]  # each takes the lock by a descriptor of its own, as processes do
    threads = [threading.Thread(target=token.renew) for token in shared]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [token.reveal() for token in shared] == [new] * 4
    assert len(issuer.asked) == 1


@pytest.mark.parametrize("issuer_address", ["http://issuer.example/realm", "ftp://issuer.example", "file:///etc/passwd"])
def test_the_refresh_token_goes_nowhere_but_over_https(tmp_path: Path, issuer_address: str) -> None:
    token = token_of(written(tmp_path, made(iss=issuer_address, exp=0), refresh_token="refresh-1"))

    with pytest.raises(TokenError, match="not reached by https"):
        token.renew()


def test_a_token_is_renewed_in_the_background(tmp_path: Path, issuer: Issuer) -> None:
    new = made(exp=time.time() + 6000)
    issuer.answer = {"access_token": new}
    token = token_of(written(tmp_path, made(iss=issuer.address, exp=time.time() + 60), refresh_token="refresh-1"))
    token.watch()
    end = time.monotonic() + 10
    while token.reveal() != new and time.monotonic() < end:
        time.sleep(0.02)
    token.close()

    assert token.reveal() == new


def test_a_token_that_cannot_be_renewed_is_warned_of_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CHECK_INTERVAL_NEAR_END", 0.01)
    warnings: list[str] = []
    warned = threading.Event()
    token = token_of(written(tmp_path, made(exp=time.time() + 60)), warn=lambda text: (warnings.append(text), warned.set()))
    token.watch()
    assert warned.wait(10)
    time.sleep(0.1)
    token.close()

    assert len(warnings) == 1
    assert "Log in again: jmp login" in warnings[0]
