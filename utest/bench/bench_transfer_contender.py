"""A client in a process of its own that transfers a file when it is told to; `python … KIND HOST FILE [FRAME]`.

KIND is `ours`, `upstream` or `raw`, and what it does comes over standard input: `flash 3` gives the seconds of three transfers.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

KIND, HOST, FILE = sys.argv[1:4]
FRAME = int(sys.argv[4]) if len(sys.argv) > 4 else 2**20
SIZE = Path(FILE).stat().st_size
"""Bytes of a dump."""
COPY = Path(FILE).with_suffix(".copy")


def ours(command: str) -> None:
    from JumpstarterLibrary.client.images import open_source
    from JumpstarterLibrary.client.resources import HANDLE, download, upload

    if command == "flash":
        flasher = device.tree.children.get("flasher")
        upload(device.client_for(flasher) if flasher else device.root, "flash", open_source(FILE), (HANDLE, None))
    elif command == "dump":
        transfer = download(device.root, "dump", COPY, (HANDLE, SIZE))
        assert transfer.size == SIZE
    elif command == "unpack":
        for _ in open_source(FILE).blocks():
            pass
    else:
        files = device["files"]
        descriptor = files.call("open", "image", "wb" if command == "write" else "rb")
        if command == "write":
            upload(files, "file_write", open_source(FILE), (descriptor, HANDLE))
        else:
            download(files, "file_read", COPY, (descriptor, HANDLE))
        files.call("file_close", descriptor)


def upstream(command: str) -> None:
    if command == "flash":
        client.flasher.flash(FILE)
    elif command == "write":
        client.files.write_from_path("image", FILE)
    else:
        client.files.read_into_path("image", str(COPY))


def raw(command: str) -> None:
    """Frames and nothing else: no digest, no file at the end of a dump. Of a store only reading, the file is there."""
    from google.protobuf.json_format import MessageToDict, ParseDict
    from google.protobuf.struct_pb2 import Value
    from jumpstarter_protocol import jumpstarter_pb2, router_pb2

    ready, over = threading.Event(), threading.Event()

    def frames():
        ready.wait()
        if command == "flash":
            with Path(FILE).open("rb", buffering=0) as file:
                while data := file.read(FRAME):
                    yield router_pb2.StreamRequest(payload=data)
            yield router_pb2.StreamRequest(frame_type=7)
        else:
            over.wait()

    uuid = files if command == "read" else flasher
    stream = router.Stream(frames(), metadata=(("request", json.dumps({"kind": "resource", "uuid": uuid})),))
    handle = json.loads(dict(stream.initial_metadata())["resource"])
    ready.set()

    def request(method: str, *arguments: object) -> object:
        values = [ParseDict(argument, Value()) for argument in arguments]
        return jumpstarter_pb2.DriverCallRequest(uuid=uuid, method=method, args=values)

    if command == "read":
        descriptor = MessageToDict(exporter.DriverCall(request("open", "image", "rb")).result)
        call = exporter.DriverCall.future(request("file_read", descriptor, handle))
    else:
        call = exporter.DriverCall.future(request(command, handle, SIZE if command == "dump" else None))
    if command != "flash":
        for frame in stream:
            if frame.frame_type == 7:
                break
    call.result()
    if command == "read":
        exporter.DriverCall(request("file_close", descriptor))
    over.set()
    stream.cancel()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(act) -> None:
    for line in sys.stdin:
        command, count = line.split()
        if command == "peak":
            answer: object = peak()
        else:
            answer = []
            for _ in range(int(count)):
                begin = time.perf_counter()
                act(command)
                answer.append(time.perf_counter() - begin)
        print("ANSWER", json.dumps(answer), flush=True)


if KIND == "ours":
    from JumpstarterLibrary.client import connect

    with connect(HOST) as device:
        serve(ours)
elif KIND == "upstream":
    from jumpstarter.utils.env import env

    os.environ |= {"JUMPSTARTER_HOST": HOST, "JMP_DRIVERS_ALLOW": "UNSAFE"}
    with env() as client:
        serve(upstream)
else:
    import grpc
    from google.protobuf.empty_pb2 import Empty
    from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2_grpc

    with grpc.insecure_channel(f"unix:{HOST}") as channel:
        exporter = jumpstarter_pb2_grpc.ExporterServiceStub(channel)
        router = router_pb2_grpc.RouterServiceStub(channel)
        rows = exporter.GetReport(Empty()).reports
        named = {row.labels.get("jumpstarter.dev/name"): row.uuid for row in rows}
        flasher, files = named.get("flasher", rows[0].uuid), named.get("files")
        serve(raw)
