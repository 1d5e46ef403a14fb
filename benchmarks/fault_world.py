"""The world that faults.py runs in: a small disk of its own, a server in a bad mood, object storage on a bad wire."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cutting_proxy import CuttingProxy, cutting
from payload_server import PayloadServer, _Handler

MOODS = ("500", "html", "empty", "cut", "hang")
HANG_SECONDS = 1.5
DISK_MIB = 512
BUCKET = "prices"


class MoodyServer(PayloadServer):
    """Answers for every source, save for hosts in a bad mood."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _MoodyHandler
        self.moods: dict[str, str] = {}

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no news."""


class _MoodyHandler(_Handler):
    server: MoodyServer

    def do_GET(self) -> None:
        mood = self.server.moods.get(self.path.split("/")[1])
        if mood is None:
            super().do_GET()
            return
        if mood == "hang":
            self.server.over.wait(HANG_SECONDS)
            self.close_connection = True
            return
        body = {"html": b"<!doctype html><p>Checking your browser</p>", "empty": b""}.get(mood, b'{"data": [' * 50)
        self.send_response(500 if mood == "500" else 200)
        self.send_header("Content-Type", "text/html" if mood == "html" else "application/json")
        self.send_header("Content-Length", str(len(body) * (2 if mood == "cut" else 1)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = mood == "cut"

    do_POST = do_GET


class Disk:
    """A small file system at a folder, where there can be one; else the folder as it is."""

    def __init__(self, folder: Path, *, mounts: bool) -> None:
        self.folder, self.mounts = folder, mounts
        folder.mkdir()
        if mounts:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", folder], check=True)

    def fill(self, free_bytes: int) -> Callable[[], None]:
        """Fill it but for so many bytes; gives what empties it again."""
        ballast = self.folder / "ballast"
        seen = os.statvfs(self.folder)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, seen.f_bavail * seen.f_frsize - free_bytes))
        return ballast.unlink

    def freeze(self, part: str) -> Callable[[], None]:
        """Mount a folder of it over itself and read-only; gives what undoes it."""
        folder = self.folder / part
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        return lambda: _unmount(folder)

    def close(self) -> None:
        """Take the file system off."""
        if self.mounts:
            _unmount(self.folder)


def _unmount(folder: Path) -> None:
    for _ in range(100):
        if subprocess.run(["umount", folder], check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.05)
    subprocess.run(["umount", "--lazy", folder], check=True)


def in_own_mounts() -> bool:
    """Whether this process has mounts of its own; starts over in such a name space where the system lets it."""
    if os.environ.get("FAULTS_OWN_MOUNTS"):
        return True
    for options in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        tried = ["unshare", *options, "--propagation", "private"]
        with contextlib.suppress(OSError):  # no unshare here: the faults that need it are left out
            if subprocess.run([*tried, "true"], check=False, capture_output=True).returncode == 0:
                os.environ["FAULTS_OWN_MOUNTS"] = "1"
                os.execvp("unshare", [*tried, sys.executable, *sys.argv])
    return False


def _serve_s3(pipe: Connection) -> None:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    pipe.send(server.get_host_and_port()[1])
    pipe.recv()


@contextlib.contextmanager
def object_storage(folder: Path) -> Iterator[tuple[CuttingProxy, Any]]:
    """An S3 server in a process of its own, behind a wire that breaks on request; a client that goes past it."""
    import boto3

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_s3, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    with cutting(port) as proxy:
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}",
            "AWS_ALLOW_HTTP": "true", "XDG_STATE_HOME": str(folder / "state"),
        }  # fmt: skip
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        client.create_bucket(Bucket=BUCKET)
        yield proxy, client
    process.kill()
    process.join()


def refuse(client: Any, folder: str) -> Callable[[], None]:
    """Let nothing be uploaded whose key begins so; gives what allows it again."""
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/{folder}*",
    }  # fmt: skip
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    return lambda: client.delete_bucket_policy(Bucket=BUCKET)
