"""A bank to test, in a process of its own: `florin demo`, or `florin bank` over what a demo has left."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
from email import message_from_bytes, policy

START_SECONDS = 60
STOP_SECONDS = 20
# Tests ask more of one customer in a minute than any app would.
REQUESTS_PER_MINUTE = 1_000_000


PATIENCE_SECONDS = 30


def florin():
    path = os.environ.get("FLORIN")
    assert path, "FLORIN says no path of the binary"
    return path


class Running:
    """A server that has said where it listens, as one line of JSON."""

    def __init__(self, *arguments):
        command = [florin(), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # Reading would wait for ever for one that never says it.
        watch = threading.Timer(START_SECONDS, self.process.kill)
        watch.start()
        line = self.process.stdout.readline()
        watch.cancel()
        assert line, f"{command} ended, or did not start within {START_SECONDS} s"
        self.said = json.loads(line)

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process.stdout.close()
        assert code == 0, f"it ended with {code}"


@contextlib.contextmanager
def running(*arguments):
    server = Running(*arguments)
    try:
        yield server
    finally:
        server.stop()


def token_of(server, address):
    """What the link of the letter carries that comes to an address; the letter is taken away."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for file in sorted(pathlib.Path(server.said["mail"]).glob("*.eml")):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            if address in str(mail["To"]):
                link = re.search(r"token=(\S+)", mail.get_content())
                file.unlink()
                if link:
                    return link[1]
    raise AssertionError(f"no letter with a link to {address} came")


@contextlib.contextmanager
def demo():
    """A demo: what it said, its certificate authority in a file, and its directory."""
    with tempfile.TemporaryDirectory(prefix="florin-api-") as scratch:
        directory = pathlib.Path(scratch) / "bank"
        limit = str(REQUESTS_PER_MINUTE)
        flags = ["--json", "--port", "0", "--data", str(directory), "--requests-per-minute", limit]
        with running("demo", *flags) as server:
            server.directory = directory
            server.authority = str(directory / "ca.pem")
            yield server


@contextlib.contextmanager
def reopened(directory, *more):
    """The bank of a demo that has ended, served again."""
    flags = [
        "--data", directory / "ledger",
        "--key-file", directory / "ledger_key",
        "--root-key-file", directory / "root_key",
        "--tls-cert", directory / "tls.pem",
        "--tls-key", directory / "tls_key.pem",
        "--listen", "127.0.0.1:0",
    ]
    with running("bank", "--json", *map(str, flags), *more) as server:
        server.authority = str(directory / "ca.pem")
        yield server
