"""Everything that arrives at the double, and what a test has scripted about answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message


class RefusedError(Exception):
    """An RPC ends with this status."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def refuse(text: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> NoReturn:
    """Ends an RPC. Most errors of the controller are Go errors without a status and arrive as UNKNOWN (§8.6)."""
    raise RefusedError(code, text)


class Caller:
    """A call's context, of which one can still tell who called when the caller has hung up."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._metadata = tuple(context.invocation_metadata() or ())

    def invocation_metadata(self) -> tuple[Any, ...]:
        """As the context's own."""
        return self._metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class Journal:
    """Records requests in order and replaces or delays answers."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._refusals: dict[str, list[dict[str, Any]]] = {}
        self._delays: dict[str, dict[str, Any]] = {}
        self._working: set[asyncio.Future[Any]] = set()
        """Answers that are made whether somebody waits for them or not."""

    def refuse(self, method: str, code: str, text: str, times: int | None, lost_answer: bool) -> None:
        """Scripts refusals, see `Lab.refuse`."""
        if times == 0:
            self._refusals.pop(method, None)
            return
        rule = {"code": grpc.StatusCode[code], "text": text, "times": times, "lost_answer": lost_answer}
        self._refusals.setdefault(method, []).append(rule)

    def delay(self, method: str, seconds: float, times: int | None, regardless: bool) -> None:
        """Scripts late answers, see `Lab.delay`."""
        self._delays[method] = {"seconds": seconds, "times": times, "regardless": regardless}

    def note(self, method: str, context: Any, request: Message | None) -> dict[str, Any]:
        """Records a request; its answer is filled in later."""
        metadata = dict(context.invocation_metadata() or ())
        entry = {
            "method": method,
            "kind": metadata.get("jumpstarter-kind"),
            "name": metadata.get("jumpstarter-name"),
            "namespace": metadata.get("jumpstarter-namespace"),
            "time": time.time(),
            "request": MessageToDict(request, preserving_proto_field_name=True) if request is not None else {},
            "code": None,
            "text": "",
        }
        self.requests.append(entry)
        return entry

    async def unary(self, method: str, request: Message, context: Any, answer: Callable[[], Awaitable[Any]]) -> Any:
        """Answers a unary RPC as scripted, else with `answer`."""
        entry = self.note(method, context, request)

        async def late() -> Any:
            await self._wait(method)
            rule = self._rule(method)
            result = await answer() if rule is None or rule["lost_answer"] else None
            if rule is not None:
                refuse(rule["text"], rule["code"])
            return result

        try:
            if self._delays.get(method, {}).get("regardless"):
                work = asyncio.ensure_future(late())
                self._working.add(work)
                work.add_done_callback(self._working.discard)
                result = await asyncio.shield(work)
            else:
                result = await late()
        except RefusedError as refusal:
            entry["code"], entry["text"] = refusal.code.name, refusal.text
            await context.abort(refusal.code, refusal.text)
        except asyncio.CancelledError:
            entry["code"] = "CANCELLED"
            raise
        entry["code"] = "OK"
        return result

    async def stream(
        self, method: str, request: Message | None, context: Any, answers: Callable[[], AsyncIterator[Any]]
    ) -> AsyncIterator[Any]:
        """Answers a streaming RPC as scripted, else with `answers`."""
        entry = self.note(method, context, request)
        try:
            await self._wait(method)
            rule = self._rule(method)
            if rule is not None:
                refuse(rule["text"], rule["code"])
            async for answer in answers():
                yield answer
        except RefusedError as refusal:
            entry["code"], entry["text"] = refusal.code.name, refusal.text
            await context.abort(refusal.code, refusal.text)
        except (asyncio.CancelledError, GeneratorExit):
            entry["code"] = "CANCELLED"
            raise
        entry["code"] = "OK"

    async def _wait(self, method: str) -> None:
        rule = self._delays.get(method)
        if rule is None or rule["times"] == 0:
            return
        if rule["times"] is not None:
            rule["times"] -= 1
        await asyncio.sleep(rule["seconds"])

    def _rule(self, method: str) -> dict[str, Any] | None:
        rules = self._refusals.get(method, [])
        if not rules:
            return None
        rule = rules[0]
        if rule["times"] is not None:
            rule["times"] -= 1
            if rule["times"] == 0:
                rules.pop(0)
        return rule
