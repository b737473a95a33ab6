"""A mail relay on this machine."""

import contextlib
import queue
import socket

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PATIENCE_SECONDS = 30
NAME, PASSWORD = b"bank", b"a relay's password"


class Mailbox:
    """Takes every mail that a relay is given."""

    def __init__(self):
        self.mails = queue.Queue()

    async def handle_DATA(self, server, session, envelope):
        self.mails.put(envelope)
        return "250 taken"

    def next(self):
        return self.mails.get(timeout=PATIENCE_SECONDS)


def knows(server, session, envelope, mechanism, given):
    return AuthResult(success=(given.login, given.password) == (NAME, PASSWORD))


@contextlib.contextmanager
def relay(**more):
    """A relay on a free port, and what comes in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="localhost", port=port, **more)
    controller.start()
    try:
        yield port, mailbox
    finally:
        controller.stop()
