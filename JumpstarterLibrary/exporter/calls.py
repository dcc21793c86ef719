"""Runs exported methods and turns what they raise into gRPC statuses (protocol §3.2, §3.3)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import sys
import threading
import types
import typing
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import grpc
from anyio import CapacityLimiter

from ..wire import names
from ..wire.protocol import CallKind
from .annotations import hints_of
from .driver import Driver

LONGEST_DETAILS = 6_000
"""Bytes of an error text as gRPC writes it into its metadata; with default settings clients take 8 KiB of that."""
THREADS = 256
"""Synchronous methods that one session runs at once."""
CLOSE_BUDGET = 5.0
"""Seconds that a generator gets to clean up after its call was cancelled."""


@dataclass
class CallRefusedError(Exception):
    """A call that ends with a gRPC status."""

    code: grpc.StatusCode
    details: str


def find_method(driver: Driver, name: str, kind: CallKind) -> Callable[..., Any]:
    """Finds an exported method in the driver's table; nothing else of the driver can be reached.

    Raises:
        CallRefusedError: `NOT_FOUND`, the method is unknown, not exported, or of another kind.
    """
    found = driver.exports.get(name)
    if found is kind:
        return typing.cast("Callable[..., Any]", getattr(driver, name))
    if found is not None:
        raise CallRefusedError(
            grpc.StatusCode.NOT_FOUND,
            f"method {name} missing marker marker_{kind.value}: it is exported as {found.value}",
        )
    near = names.near(name, driver.exports)
    has = f"{type(driver).__name__} exports {', '.join(sorted(driver.exports)) or 'nothing'}"
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; {has}"
    if not name.startswith("_") and hasattr(type(driver), name):
        text = f"method {name} missing marker marker_{kind.value}: it is not exported"
        raise CallRefusedError(grpc.StatusCode.NOT_FOUND, f"{text}{hint}")
    raise CallRefusedError(grpc.StatusCode.NOT_FOUND, f"method {name[:100]} not found on driver{hint}")


async def call(method: Callable[..., Any], arguments: list[object], limiter: CapacityLimiter) -> object:
    """Runs a unary method: coroutines in the loop, plain functions in a thread.

    Raises:
        CallRefusedError: the method raised, or the arguments do not fit.
    """
    arguments = fit(method, arguments)
    try:  # as `refusing`, which costs more than all else here
        if _is_coroutine(getattr(method, "__func__", method)):
            return await method(*arguments)
        result = await in_thread(functools.partial(method, *arguments), limiter)
        return await result if inspect.isawaitable(result) else result
    except CallRefusedError:
        raise
    except BaseException as error:
        if task_is_cancelled():
            raise
        raise as_refusal(error) from error


async def stream(method: Callable[..., Any], arguments: list[object], limiter: CapacityLimiter) -> AsyncGenerator[object, None]:
    """Iterates a streaming method; synchronous generators run in a thread, so nothing else stalls (D13).

    Raises:
        CallRefusedError: the method raised, or the arguments do not fit.
    """
    arguments = fit(method, arguments)
    with refusing():
        items = method(*arguments)
        if not inspect.isasyncgen(items):
            items = _iterate_in_threads(items, limiter)
        try:
            async for item in items:
                yield item
        finally:
            with anyio.move_on_after(CLOSE_BUDGET, shield=True):
                await items.aclose()


_END = object()


async def _iterate_in_threads(items: Generator[object, None, None], limiter: CapacityLimiter) -> AsyncGenerator[object, None]:
    running = threading.Lock()
    abandoned = threading.Event()

    def step() -> object:
        with running:
            item = _END if abandoned.is_set() else next(items, _END)
        if abandoned.is_set():
            close()  # nobody could while it was in `next`
        return item

    def close() -> None:
        if running.acquire(blocking=False):
            try:
                items.close()
            finally:
                running.release()

    finished = False
    try:
        while (item := await in_thread(step, limiter)) is not _END:
            yield item
        finished = True
    finally:
        abandoned.set()
        if not finished:
            with anyio.move_on_after(CLOSE_BUDGET, shield=True):
                await in_thread(close, limiter)  # its `finally` may block, too


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turns whatever a driver raises in the body into a refusal. Only a real cancellation passes as it is.

    Raises:
        CallRefusedError: the body raised.
    """
    try:
        yield
    except (GeneratorExit, CallRefusedError):
        raise
    except BaseException as error:
        if task_is_cancelled():
            raise
        raise as_refusal(error) from error


async def in_thread(function: Callable[[], object], limiter: CapacityLimiter) -> object:
    """Runs a function in a worker thread. Whatever it raises, even `StopIteration` or `SystemExit`, comes out here.

    A cancelled call does not wait for its thread: threads cannot be stopped, so it runs to its end, unheard.
    """
    failure: list[BaseException] = []

    def guarded() -> object:
        try:
            return function()
        except BaseException as error:  # noqa: BLE001 - futures hang on some of these; the caller raises it again
            failure.append(error)
            return None

    result = await anyio.to_thread.run_sync(guarded, abandon_on_cancel=True, limiter=limiter)
    if failure:
        raise as_refusal(failure[0]) from failure[0]
    return result


def task_is_cancelled() -> bool:
    """Whether the running task was really cancelled; a driver may also raise `CancelledError` itself (D15)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def as_refusal(error: BaseException) -> CallRefusedError:
    """Maps an exception to the status that upstream's exporter sends for it (protocol §3.3)."""
    if isinstance(error, CallRefusedError):
        return error
    code = grpc.StatusCode.UNKNOWN
    if isinstance(error, NotImplementedError):
        code = grpc.StatusCode.UNIMPLEMENTED
    elif isinstance(error, ValueError):
        code = grpc.StatusCode.INVALID_ARGUMENT
    elif isinstance(error, TimeoutError):
        code = grpc.StatusCode.DEADLINE_EXCEEDED
    text = _text_of(error)
    if not text or (code is grpc.StatusCode.UNKNOWN and (isinstance(error, KeyError) or len(text.split()) == 1)):
        # A key, a number or a single word says nothing by itself.
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return CallRefusedError(code, text)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error that cannot even say its text is still an error of the driver's
        return ""


def shorten(text: str) -> str:
    """Cuts a text to what fits into an error, with a note, and replaces what UTF-8 cannot carry."""
    text = text.encode(errors="replace").decode()
    size = 0
    for index, character in enumerate(text[: LONGEST_DETAILS + 1]):
        # gRPC writes all but printable ASCII as %XX, one for each byte.
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > LONGEST_DETAILS:
            return f"{text[:index]} [… {len(text) - index} characters cut]"
    return text


def fit(method: Callable[..., Any], arguments: list[object]) -> list[object]:
    """Checks the number of arguments, and turns integral floats back into `int` where the method says `int`.

    Raises:
        CallRefusedError: `INVALID_ARGUMENT`, the method takes more or fewer arguments.
    """
    signature, integers, rest = _shape(getattr(method, "__func__", method), bound=hasattr(method, "__self__"))
    if not arguments and not signature.parameters:
        return arguments
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise CallRefusedError(
            grpc.StatusCode.INVALID_ARGUMENT, f"{method.__name__}(): {error}; {len(arguments)} given"
        ) from None
    return [
        int(value) if isinstance(value, float) and value.is_integer() and (index in integers or index >= rest) else value
        for index, value in enumerate(arguments)
    ]


@functools.lru_cache(maxsize=1024)
def _is_coroutine(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function)


@functools.lru_cache(maxsize=1024)
def _shape(function: Callable[..., Any], *, bound: bool) -> tuple[inspect.Signature, frozenset[int], int]:
    """Returns a method's signature, which of its arguments are integers, and from which one on all are."""
    signature = inspect.signature(function)
    signature = signature.replace(parameters=list(signature.parameters.values())[1 if bound else 0 :])
    hints = hints_of(function)
    integers = frozenset(index for index, name in enumerate(signature.parameters) if _wants_int(hints.get(name)))
    rest = (i for i, each in enumerate(signature.parameters.values()) if each.kind is each.VAR_POSITIONAL and i in integers)
    return signature, integers, next(rest, sys.maxsize)


def _wants_int(hint: object) -> bool:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = set(typing.get_args(hint))
        return int in kinds and float not in kinds
    return hint is int
