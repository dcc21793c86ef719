"""Bearer tokens: when they expire, read without trusting them, and how they are renewed (protocol §8.11)."""

from __future__ import annotations

import base64
import contextlib
import http.client
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
from ..wire.deadline import Deadline, in_words
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
"""Seconds for each operation on the connection to the issuer."""
RENEW_TIMEOUT = 40.0
"""Seconds to wait for a new token: for other processes that renew it, and for two questions to the issuer."""
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


class TokenLateError(TokenError):
    """Nobody knows in time whether there is a newer token; there may be one a moment later."""


class _Renewal(threading.Thread):
    """Asks for one newer token, in a thread of its own: an issuer gives it only once, also if nobody waits for it any more."""

    def __init__(self, renew: Callable[[], bool]) -> None:
        super().__init__(name="jumpstarter-token-renewal", daemon=True)
        self.over = SoundEvent()
        self._renew = renew
        self._found = False
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._found = self._renew()
        except Exception as error:  # noqa: BLE001 - whoever waits for it has to hear it
            self._error = error
        finally:
            self.over.set()

    def result(self) -> bool:
        if isinstance(self._error, TokenError):
            raise TokenError(str(self._error))  # of each that waits its own
        if self._error is not None:
            raise self._error
        return self._found


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
        self._renewal: _Renewal | None = None
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

    def renew(self, timeout: float = RENEW_TIMEOUT) -> bool:
        """Gets a newer token from the issuer, or from the file if somebody has renewed it there. Returns whether there is one.

        It is asked for once, however many threads wait, and goes on when the time is over: the answer is there for the next.

        Args:
            timeout: seconds to wait at most, for all of it.

        Raises:
            TokenLateError: it takes longer than that.
            TokenError: the issuer refused, or could not be asked.
        """
        deadline = Deadline(timeout)
        with self._lock:  # never held while another process or the issuer is waited for
            if self._from_file():
                return True
            if self._refresh is None or not claims_of(self.reveal()).get("iss"):
                return False
            renewal = self._renewal
            # One whose start was interrupted is not alive, and never was.
            if renewal is None or renewal.over.is_set() or not renewal.is_alive():
                renewal = self._renewal = _Renewal(self._renew_alone)
                renewal.start()
        if not renewal.over.wait(deadline.remaining):
            raise TokenLateError(f"The token could not be renewed within {in_words(timeout)}; its issuer is still being asked.")
        return renewal.result()

    def _renew_alone(self) -> bool:
        with alone(self._configuration.path):
            with self._lock:
                # Another process may have renewed it while we waited for our turn.
                if self._from_file():
                    return True
                issuer, refresh = claims_of(self.reveal()).get("iss"), self._refresh
            return refresh is not None and self._from_issuer(str(issuer), refresh)

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
        try:
            _check_address(issuer, where)
            described = _ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            address = str(described.get("token_endpoint", ""))
            _check_address(address, f"the token endpoint of {where}")
            asked = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "scope": SCOPES, "refresh_token": refresh.reveal()}
            answer = _ask(address, urllib.parse.urlencode(asked).encode())
        except (OSError, ValueError, http.client.HTTPException) as error:  # the last: what answers speaks no proper HTTP
            raise TokenError(f"Cannot renew the token: {where} refused, or could not be asked ({_reason(error)}).") from None
        if not (token := answer.get("access_token")):
            raise TokenError(f"Cannot renew the token: {where} answered without a token.")
        old = self.reveal()
        with self._lock:
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
        pause: float | None = CHECK_INTERVAL_NEAR_END
        while pause is not None:
            try:
                pause = self._look_after()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next turn may do better
                with contextlib.suppress(Exception):
                    self._tell(self._redact(f"looking after the token failed: {error!r}. It is tried again."))
            if self._stopped.wait(pause):
                return

    def _look_after(self) -> float | None:
        """Renews the token if it is time, or warns. Returns the seconds until the next look; None if there is none."""
        if (left := self.remaining) is None:
            return None
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
        return CHECK_INTERVAL_NEAR_END if (self.remaining or 0) < WARN_BELOW else CHECK_INTERVAL

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
