"""A forwarded port in a process of its own: prints the port and forwards until its standard input ends.

Run as `python bench_forwarder.py KIND HOST`; KIND is `ours` or `upstream`, HOST the exporter, which has a network `tcp`.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Forwards."""
    kind, host = sys.argv[1:]
    if kind == "ours":
        from JumpstarterLibrary.client import connect
        from JumpstarterLibrary.client.forward import forward_port

        with connect(host) as device, forward_port(device.tcp) as forwarding:
            print(forwarding.port, flush=True)
            sys.stdin.read()
        return
    from jumpstarter.utils.env import env
    from jumpstarter_driver_network.adapters import TcpPortforwardAdapter

    os.environ |= {"JUMPSTARTER_HOST": host, "JMP_DRIVERS_ALLOW": "UNSAFE", "JUMPSTARTER_GRPC_INSECURE": "1"}
    with env() as client, TcpPortforwardAdapter(client=client.tcp) as address:
        print(address[1], flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
