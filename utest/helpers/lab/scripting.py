"""What a test can do to a running lab: leases under its hand, and faults."""

from typing import Any, Literal

from .control import Control

Front = Literal["controller", "router"]
"""What stands at an address: the controller (endpoint of the configurations) or the router."""


class Scripting:
    """The half of `Lab` that changes what the double does."""

    def __init__(self, control: Control) -> None:
        self._control = control

    # ---------------------------------------------------------------- leases under the tester's hand

    def hold(
        self,
        seconds: float | None = None,
        *,
        reason: str | None = "NotAvailable",
        message: str = "There are 1 approved exporters, (i.e. held) but all of them are already leased",
    ) -> None:
        """Assigns no exporter for some seconds, or until `unhold`; leases show Pending with this reason; None: nothing."""
        self.script("hold", seconds=seconds, reason=reason, message=message)

    def unhold(self) -> None:
        """Ends a `hold` at once."""
        self.script("unhold")

    def condition(
        self,
        type_: str,
        reason: str,
        message: str = "scripted",
        *,
        status: str = "True",
        lease: str | None = None,
        times: int = 1,
    ) -> None:
        """Sets a condition on an existing lease, or on each of the next `times` leases as soon as they are created.

        `Unsatisfiable` and `Invalid` end the lease, as does `Ready` with status False (§8.4).
        """
        self.script("condition", type=type_, status=status, reason=reason, message=message, lease=lease, times=times)

    def expire_lease(self, name: str) -> None:
        """Lets a lease expire now: Ready=False/Expired, ended, and the exporter learns that it is not leased."""
        self.script("expire_lease", name=name)

    def release_lease(self, name: str) -> None:
        """Sets the release flag, as an administrator's `DeleteLease` does: Ready=False/Released."""
        self.script("release_lease", name=name)

    def delete_lease(self, name: str) -> None:
        """Deletes the object itself, as `kubectl delete` does: it is then not found."""
        self.script("delete_lease", name=name)

    def transfer_lease(self, name: str, client: str) -> None:
        """Gives a lease to another client, as its owner can by `UpdateLease` (§8.3)."""
        self.script("transfer_lease", name=name, client=client)

    # ---------------------------------------------------------------- faults

    def refuse(
        self, method: str, code: str = "UNAVAILABLE", text: str = "scripted", *, times: int | None = 1, lost_answer: bool = False
    ) -> None:
        """Answers the next calls of a method with an error.

        Args:
            method: `Dial`, `CreateLease`, `Stream` (the router's) …
            code: name of the gRPC status.
            text: its details.
            times: how often; None for ever. `refuse(method, times=0)` forgets what was scripted for the method.
            lost_answer: the call takes effect, and only its answer is replaced.
        """
        self.script("refuse", method=method, code=code, text=text, times=times, lost_answer=lost_answer)

    def delay(self, method: str, seconds: float, *, times: int | None = None, regardless: bool = False) -> None:
        """Answers calls of a method late; `seconds=0` ends that.

        `regardless` also answers those whose caller has hung up, as a controller does that has handed the request on already.
        """
        self.script("delay", method=method, seconds=seconds, times=times, regardless=regardless)

    def network(
        self,
        front: Front,
        mode: Literal["open", "down", "silent"] = "open",
        *,
        delay: float = 0.0,
        rate: float | None = None,
    ) -> None:
        """Says what happens to the bytes of the TCP connections to an address, existing and new ones.

        Args:
            front: `controller` or `router`.
            mode: `open`; `down`: connections are reset and new ones refused; `silent`: they stay and new ones are accepted, but
                no byte passes in either direction (half-open).
            delay: seconds that each byte takes, in each direction.
            rate: bytes per second of each connection in each direction.
        """
        self.script("network", front=front, mode=mode, delay=delay, rate=rate)

    def controller_down(self) -> None:
        """Resets all connections to the controller and refuses new ones; the controller keeps its state."""
        self.network("controller", "down")

    def controller_up(self) -> None:
        """Listens again at the same port."""
        self.network("controller")

    def router_down(self) -> None:
        """Resets all tunnels and refuses new ones."""
        self.network("router", "down")

    def router_up(self) -> None:
        """Listens again at the same port."""
        self.network("router")

    def tunnels(self) -> list[dict[str, Any]]:
        """The tunnels that are open now: `subject`, `lease`, `joined` (both ends are there), `bytes`."""
        return self.script("tunnels")

    def cut_tunnels(self, code: str = "UNAVAILABLE", text: str = "scripted cut") -> int:
        """Ends all router streams with an error; new ones work. Returns how many there were."""
        return self.script("cut_tunnels", code=code, text=text)

    def shape_tunnels(self, *, frozen: bool = False, delay: float = 0.0, rate: float | None = None) -> None:
        """Says how frames pass between the two ends of each tunnel, existing and new ones.

        Args:
            frozen: none passes, though both ends are connected.
            delay: seconds that each frame takes.
            rate: bytes of payload per second in each direction.
        """
        self.script("shape_tunnels", frozen=frozen, delay=delay, rate=rate)

    def clock(self, skew: float) -> None:
        """Sets the lab's clock ahead of (or behind) the test's by seconds: times of leases and tokens. Best before any lease."""
        self.script("clock", skew=skew)

    def expire_tokens(self, name: str, kind: Literal["Client", "Exporter"] = "Client") -> None:
        """All tokens that were issued to someone until now are expired: `UNKNOWN` "… token is expired …" (§8.11)."""
        self.script("expire_tokens", name=name, kind=kind)

    def settings(self, **changes: float | str) -> dict[str, float | str]:
        """Changes times and limits; returns all. See `helpers.lab.objects.Settings`."""
        return self.script("settings", **changes)

    def script(self, command: str, **arguments: Any) -> Any:
        """Sends one command to the double; the methods above are the ones there are."""
        return self._control.ask(command, arguments)
