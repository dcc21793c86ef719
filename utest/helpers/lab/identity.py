"""Who is calling: bearer token and identity metadata (§1.1, §8.11)."""

from datetime import UTC, datetime
from typing import Any

import grpc

from . import tokens
from .journal import refuse
from .objects import Client, Exporter
from .world import World

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def bearer(context: Any) -> str:
    """The token of a call.

    Raises:
        RefusedError: there is none, or several, or something else.
    """
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not values:
        refuse("missing authorization header", grpc.StatusCode.UNAUTHENTICATED)
    if len(values) > 1:
        refuse("multiple authorization headers", INVALID)
    if values[0][:7].lower() != "bearer ":
        refuse("malformed authorization header", INVALID)
    return str(values[0][7:])


def kind_of(context: Any) -> str:
    """What the caller says that it is; empty if it says nothing."""
    return dict(context.invocation_metadata() or ()).get("jumpstarter-kind", "")


def client(world: World, context: Any, namespace: str | None = None) -> Client:
    """The client that calls.

    Args:
        world: where it has to be known.
        context: of the call.
        namespace: the one in the resource name, which has to be the caller's.
    """
    found = _authenticate(world, context, "Client", world.clients)
    if namespace is not None and namespace != found.namespace:
        refuse("namespace mismatch", grpc.StatusCode.PERMISSION_DENIED)
    return found


def exporter(world: World, context: Any) -> Exporter:
    """The exporter that calls."""
    return _authenticate(world, context, "Exporter", world.exporters)


def _authenticate(world: World, context: Any, kind: str, holders: dict[str, Any]) -> Any:
    subject = _verify(world, bearer(context))
    values = {key: _single(context, key) for key in ("jumpstarter-kind", "jumpstarter-namespace", "jumpstarter-name")}
    if values["jumpstarter-kind"] != kind:
        refuse("object kind mismatch", INVALID)
    namespace, name = values["jumpstarter-namespace"], values["jumpstarter-name"]
    place = f"{kind.lower()} {namespace}/{name}"
    holder = holders.get(name) if namespace == world.namespace else None
    if holder is None:
        refuse(f'{place}: {kind.lower()}s.jumpstarter.dev "{name}" not found')
    if world.subject(holder) != subject:
        refuse(f"permission denied for {place}", grpc.StatusCode.PERMISSION_DENIED)
    return holder


def _verify(world: World, token: str) -> str:
    try:
        claims = tokens.read(token, world.identity_key)
    except tokens.BadTokenError:
        refuse("failed to authenticate token")
    expiry = min(claims["exp"], world.expired_subjects.get(claims["sub"], float("inf")))
    withdrawn = claims["iat"] <= world.expired_subjects.get(claims["sub"], float("-inf"))
    if claims["exp"] <= world.now() or withdrawn:
        moment = datetime.fromtimestamp(expiry, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        refuse(f"oidc: verify token: oidc: token is expired (Token Expiry: {moment})")
    return str(claims["sub"])


def _single(context: Any, key: str) -> str:
    values = [value for name, value in context.invocation_metadata() or () if name == key]
    if not values:
        refuse(f"missing metadata: {key}", INVALID)
    if len(values) > 1:
        refuse(f"multiple metadata: {key}", INVALID)
    return str(values[0])
