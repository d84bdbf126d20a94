"""An S3 server for tests (moto), on 127.0.0.1, in a process of its own, which ends with the test's.

In its own process because pyarrow's clean-up may hold Python's lock while it waits for an answer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bucket"
CLIENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""What a client must have in its environment; nothing of the person's own account."""


@contextmanager
def running() -> Iterator[str]:
    """`127.0.0.1:PORT` of a server that has an empty BUCKET."""
    command = [sys.executable, "-m", "tests.helpers.s3_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **CLIENT}, text=True, **pipes) as process:
        address = process.stdout.readline().strip()
        assert address, "the S3 server did not start"
        yield address


def main() -> None:
    """Prints the address and serves until standard input ends."""
    from moto.server import ThreadedMotoServer
    from pyarrow import fs

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"127.0.0.1:{server.get_host_and_port()[1]}"
    fs.S3FileSystem(endpoint_override=address, scheme="http", allow_bucket_creation=True).create_dir(BUCKET)
    print(address, flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
