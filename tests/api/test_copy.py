"""A restored bank. What would go wrong without: it sends letters and moves money beside the bank that it was
restored from.
"""

import shutil
import subprocess

import requests

from bank import demo, florin, reopened
from forms import registers
from relay import relay


def runs(*arguments):
    told = subprocess.run([florin(), *arguments], text=True, capture_output=True)
    assert told.returncode == 0, told.stderr
    return told.stdout


def is_restored(directory):
    """Backs the bank's ledger up, and puts what is restored in its place."""
    ledger, backups = directory / "ledger", directory / "backups"
    keyrings, restored = directory / "keyrings", directory / "restored"
    signer = runs("keys", "generate", directory / "signing_key").strip()
    key = ["--key-file", directory / "ledger_key"]
    signs = ["--signing-key", directory / "signing_key"]
    runs("backup", "create", "--data", ledger, "--to", backups, *signs)
    runs("backup", "keyring", "--data", ledger, "--to", keyrings, *signs)
    backup = ["--from", backups, "--signed-by", signer, *key]
    runs("backup", "drill", *backup, "--keyring", keyrings)
    runs("restore", *backup, "--keyring", keyrings, "--to", restored)
    shutil.rmtree(ledger)
    restored.rename(ledger)


def test_a_restored_bank_sends_nothing_and_ends_nothing_until_it_is_activated():
    with demo() as server:
        directory = server.directory
        server.stop()
        server.stop = lambda: None
        # Its letter waits in the ledger: there is nobody yet who sends it.
        with reopened(directory) as waiting:
            registers(waiting, "nobody.else@example.org")
        is_restored(directory)
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
