"""Mail that goes through a real relay. What would go wrong without: letters that a relay refuses, that can be read
on the way, or whose links lead nowhere.
"""

import re
import socket
import ssl
from email import message_from_bytes, policy

import pytest

from bank import demo, reopened
from forms import registers
from relay import NAME, PASSWORD, PATIENCE_SECONDS, knows, relay


@pytest.fixture(scope="module")
def directory():
    """What a demo has left: a bank to serve again, with keys and certificates."""
    with demo() as server:
        # Before the directory goes, so that the ledger is nobody's.
        server.stop()
        server.stop = lambda: None
        yield server.directory


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_letter_comes_through_a_relay_over_tls_and_its_link_leads_on(directory, monkeypatch):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "tls.pem", directory / "tls_key.pem")
    secret = directory / "relay"
    secret.write_bytes(NAME + b":" + PASSWORD + b"\n")
    asks = {"ssl_context": context, "authenticator": knows, "auth_required": True}
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "ca.pem"))
    with relay(**asks, auth_require_tls=False) as (port, mailbox):
        flags = ["--smtp", f"smtps://localhost:{port}", "--smtp-credentials", str(secret)]
        with reopened(directory, *flags, "--mail-from", "post@bank.example") as server:
            browser = registers(server, "nobody.else@example.org")
            envelope = mailbox.next()
            assert envelope.mail_from == "post@bank.example"
            assert envelope.rcpt_tos == ["nobody.else@example.org"]
            mail = message_from_bytes(envelope.content, policy=policy.default)
            link = re.search(r"https://localhost:\d+/register/confirm\?token=\S+", mail.get_content())
            assert browser.get(link[0]).status_code == 200
            assert mailbox.mails.empty(), "one letter is enough"


def test_nothing_is_told_to_a_relay_that_nobody_vouches_for(directory, monkeypatch):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "tls.pem", directory / "tls_key.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with socket.create_server(("localhost", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        flags = ["--smtp", f"smtps://localhost:{listener.getsockname()[1]}"]
        with reopened(directory, *flags, "--mail-from", "post@bank.example") as server:
            registers(server, "somebody@example.org")
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE_SECONDS)
            # It hears whose certificate this is, and hangs up.
            with connection, pytest.raises(ssl.SSLError, match="(?i)unknown.?ca|bad.?certificate"):
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
