"""Bearer tokens: when they expire, read without trusting them, and how they are renewed (protocol §8.11)."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ..errors import ConfigurationError, TokenError
from ..wire.deadline import in_words
from ..wire.interruptible import SoundEvent
from ..wire.secrets import Hidden, Redactor
from .configuration import ClientConfiguration, load_configuration
from .token_file import alone, write_back

CLIENT_ID = "jumpstarter-cli"
SCOPES = "openid profile offline_access"
WARN_BELOW = 300.0
"""Seconds left below which people are warned."""
RENEW_BELOW = 120.0
"""Seconds left below which a token is renewed."""
CHECK_INTERVAL = 30.0
CHECK_INTERVAL_NEAR_END = 5.0
ISSUER_TIMEOUT = 10.0
LARGEST_ANSWER = 1024 * 1024


def claims_of(token: str) -> dict[str, Any]:
    """Returns what a token says of itself, unverified; nothing if it is opaque."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    with contextlib.suppress(ValueError):
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        if isinstance(claims, dict):
            return claims
    return {}


def expiry_of(token: str) -> float | None:
    """Returns when a token expires by its own account, in seconds of the epoch; None if it does not say."""
    end = claims_of(token).get("exp")
    return float(end) if isinstance(end, (int, float)) and not isinstance(end, bool) else None


class Token:
    """The token of one configuration, renewed in the background where that is possible.

    Args:
        configuration: whose token.
        redact: learns every token, so that none shows up anywhere.
        warn: told, from a background thread, when the token is about to expire and cannot be renewed.
    """

    def __init__(
        self,
        configuration: ClientConfiguration,
        redact: Redactor | None = None,
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._configuration = configuration
        self._redact = Redactor() if redact is None else redact
        self._warn = warn
        self._token = configuration.token
        self._refresh = configuration.refresh_token
        self._lock = threading.Lock()
        self._stopped = SoundEvent()
        self._warned = False
        self._thread: threading.Thread | None = None
        self._redact.add(self._token.reveal())
        self._redact.add(self._refresh.reveal() if self._refresh else None)

    def reveal(self) -> str:
        """Returns the token itself, for the wire only."""
        return self._token.reveal()

    @property
    def remaining(self) -> float | None:
        """Seconds until it expires by its own account and our clock; None if it does not say."""
        end = expiry_of(self.reveal())
        return None if end is None else end - time.time()

    def describe(self) -> str:
        """Says until when it is valid, by its own account."""
        end, left = expiry_of(self.reveal()), self.remaining
        if end is None or left is None:
            return "the token does not say until when it is valid"
        moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if left <= 0:
            return f"the token expired at {moment}, {in_words(-left)} ago"
        return f"the token is valid until {moment}, {in_words(left)} from now"

    def watch(self) -> None:
        """Looks after the token in the background, until `close`. Tokens that do not say when they expire need no care."""
        if self.remaining is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="jumpstarter-token", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the background thread; a request to the issuer that is under way is left to its own end."""
        self._stopped.set()

    def renew(self) -> bool:
        """Gets a newer token from the issuer, or from the file if somebody has renewed it there. Returns whether there is one.

        Raises:
            TokenError: the issuer refused, or could not be asked.
        """
        with self._lock:
            if self._from_file():
                return True
            if self._refresh is None or not (issuer := claims_of(self.reveal()).get("iss")):
                return False
            with alone(self._configuration.path):
                # Another process may have renewed it while we waited for our turn.
                return self._from_file() or self._from_issuer(str(issuer), self._refresh)

    def _from_file(self) -> bool:
        if self._configuration.path is None:
            return False
        try:
            found = load_configuration(self._configuration.path)
        except ConfigurationError:
            return False
        token = found.token.reveal()
        if token == self.reveal() or (expiry_of(token) or float("inf")) <= (expiry_of(self.reveal()) or 0):
            return False
        self._take(token, found.refresh_token.reveal() if found.refresh_token else None)
        return True

    def _from_issuer(self, issuer: str, refresh: Hidden) -> bool:
        where = f"the token's issuer {issuer}"
        _check_address(issuer, where)
        try:
            described = _ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            address = str(described.get("token_endpoint", ""))
            _check_address(address, f"the token endpoint of {where}")
            asked = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "scope": SCOPES, "refresh_token": refresh.reveal()}
            answer = _ask(address, urllib.parse.urlencode(asked).encode())
        except (OSError, ValueError) as error:
            raise TokenError(f"Cannot renew the token: {where} refused, or could not be asked ({_reason(error)}).") from None
        if not (token := answer.get("access_token")):
            raise TokenError(f"Cannot renew the token: {where} answered without a token.")
        old = self.reveal()
        self._take(str(token), answer.get("refresh_token"))
        self._write_back(old, str(token), answer.get("refresh_token"))
        return True

    def _write_back(self, old: str, token: str, refresh: str | None) -> None:
        path = self._configuration.path
        if path is None:
            return
        try:
            write_back(path, old, token, refresh)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._warn(
                f"The token was renewed, but the new one could not be written to {path} ({reason}). "
                "The next run may have to log in."
            )

    def _take(self, token: str, refresh: str | None) -> None:
        self._redact.add(token)
        self._redact.add(refresh)
        self._token = Hidden(token)
        if refresh:
            self._refresh = Hidden(refresh)
        self._warned = False

    def _run(self) -> None:
        while (left := self.remaining) is not None:
            if left < RENEW_BELOW:
                reason = "there is no refresh token"
                try:
                    renewed = self.renew()
                except TokenError as error:
                    renewed, reason = False, str(error)
                if not renewed:
                    self._tell(f"{self.describe()} and cannot be renewed: {reason}. Log in again: jmp login.")
            elif left < WARN_BELOW and self._refresh is None:
                self._tell(f"{self.describe()}. Log in again in time: jmp login.")
            near = (self.remaining or 0) < WARN_BELOW
            if self._stopped.wait(CHECK_INTERVAL_NEAR_END if near else CHECK_INTERVAL):
                return

    def _tell(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(text[0].upper() + text[1:])


def _check_address(address: str, what: str) -> None:
    parts = urllib.parse.urlsplit(address)
    # The address comes out of a token that nobody has verified, and the refresh token is sent there.
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        raise TokenError(f"Cannot renew the token: {what} is not reached by https.")


def _ask(address: str, form: bytes | None = None) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    request = urllib.request.Request(address, data=form, headers=headers)  # noqa: S310 - checked by _check_address
    with urllib.request.urlopen(request, timeout=ISSUER_TIMEOUT) as answer:  # noqa: S310
        found = json.loads(answer.read(LARGEST_ANSWER))
    return found if isinstance(found, dict) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        told = ""
        with contextlib.suppress(Exception):  # the body is only for the message
            told = str(json.loads(error.read(LARGEST_ANSWER)).get("error_description") or "")
        error.close()
        return f"HTTP {error.code}{', ' + told if told else ''}"
    return str(getattr(error, "reason", None) or error)
