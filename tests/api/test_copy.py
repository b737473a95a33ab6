"""A restored copy of a bank. What would go wrong without: it sends letters and moves money beside the bank that it
was copied from.
"""

import json
import re
import subprocess

import requests

from bank import demo, florin, reopened
from forms import registers
from relay import relay

TABLE = 80


def marks_as_copy(directory):
    """Makes the ledger look like a restored copy: as if the bank had been active in another incarnation."""
    place = {"table": TABLE, "key": "bank"}
    found = asks(directory, {"get_documents": [place]})["documents"][0]
    stored = re.sub(rb"[0-9a-f]{32}", b"0" * 32, bytes.fromhex(found["value_hex"]))
    write = place | {"value_hex": stored.hex(), "version": found["version"]}
    written = asks(directory, {"write_documents": [write]})
    assert written["results"][0]["status"] == "written"


def asks(directory, operation):
    flags = ["--data", directory / "ledger", "--key-file", directory / "ledger_key"]
    line = json.dumps(operation) + "\n"
    told = subprocess.run([florin(), "exec", *flags], input=line, text=True, capture_output=True)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_a_copy_sends_nothing_and_ends_nothing_until_it_is_activated():
    with demo() as server:
        directory = server.directory
        server.stop()
        server.stop = lambda: None
        # Its letter waits in the ledger: there is nobody yet who sends it.
        with reopened(directory) as waiting:
            registers(waiting, "nobody.else@example.org")
        marks_as_copy(directory)
        with relay() as (port, mailbox):
            activates(directory, f"smtp://localhost:{port}", mailbox)


def activates(directory, smtp, mailbox):
    sends = ["--smtp", smtp, "--mail-from", "post@bank.example"]
    with reopened(directory, *sends) as copy:
        for path in ["/login", "/health/ready", "/v1/openapi.json"]:
            answer = requests.get(copy.said["browser_url"] + path, verify=copy.authority)
            assert answer.status_code == 503
    assert mailbox.mails.empty()
    flags = ["--key-file", directory / "ledger_key", "--root-key-file", directory / "root_key"]
    activate = [florin(), "bank", "activate", "--data", directory / "ledger", *flags]
    said = subprocess.run(activate, text=True, capture_output=True)
    assert said.returncode == 0 and said.stdout.startswith("it is active;"), said
    again = subprocess.run(activate, text=True, capture_output=True)
    assert again.stdout == "it is active already\n", again
    with reopened(directory, *sends) as bank:
        answer = requests.get(bank.said["browser_url"] + "/login", verify=bank.authority)
        assert answer.status_code == 200
        # The letter was there all the time, and nobody has sent it before.
        assert mailbox.next().rcpt_tos == ["nobody.else@example.org"]
        assert mailbox.mails.empty()
