"""A client of Florin, written from docs/PROTOCOL.md alone. Standard library only.

One request at a time over one connection: small rather than fast. Times and money are integers. It
can prove a key, but not over TLS: Python's ssl module does not give the exporter that is signed there.
"""

import socket
import struct

import ed25519
from dataclasses import dataclass, fields

MAGIC = b"FLORINDB"
VERSION = 1
PAYLOAD_BYTES_MAX = 1_048_576

FEATURE_KEY = 1
ADDRESS_LEDGER, BINDING_NONE = 1, 0
TRANSCRIPT_LABEL = b"FLORINDB client proof, version 1"
ROLES = {1: "read", 2: "write", 4: "stream", 8: "replicate", 16: "operate", 32: "audit"}

CREATE_ACCOUNTS, CREATE_TRANSFERS, LOOKUP_ACCOUNTS, LOOKUP_TRANSFERS = 1, 2, 3, 4
ACCOUNT_TRANSFERS, ACCOUNT_BALANCES, BALANCE_AS_OF = 16, 17, 18
QUERY_ACCOUNTS, QUERY_TRANSFERS, TRIAL_BALANCE, STATUS = 19, 20, 21, 22

ANSWERED, REFUSED, LAST_WORD = 0, 1, 2

KINDS = {
    1: "invalid",
    2: "unsupported operation",
    3: "too large",
    4: "busy",
    5: "deadline",
    6: "disk full",
    7: "stopped",
    8: "corrupt",
    9: "io",
    10: "unsupported version",
    11: "malformed",
    12: "clock jumped",
    13: "unauthenticated",
    14: "forbidden",
    15: "rate limited",
}

ACCOUNT_STATUSES = """created linked_event_failed linked_event_chain_open imported_event_expected
imported_event_not_expected timestamp_must_be_zero imported_event_timestamp_out_of_range
imported_event_timestamp_must_not_advance reserved_field reserved_flag id_must_not_be_zero
id_must_not_be_int_max exists_with_different_flags exists_with_different_user_data_128
exists_with_different_user_data_64 exists_with_different_user_data_32 exists_with_different_ledger
exists_with_different_code exists flags_are_mutually_exclusive debits_pending_must_be_zero
debits_posted_must_be_zero credits_pending_must_be_zero credits_posted_must_be_zero
ledger_must_not_be_zero code_must_not_be_zero imported_event_timestamp_must_not_regress""".split()

TRANSFER_STATUSES = """created linked_event_failed linked_event_chain_open imported_event_expected
imported_event_not_expected timestamp_must_be_zero imported_event_timestamp_out_of_range
imported_event_timestamp_must_not_advance reserved_flag id_must_not_be_zero id_must_not_be_int_max
exists_with_different_flags exists_with_different_pending_id exists_with_different_timeout
exists_with_different_debit_account_id exists_with_different_credit_account_id
exists_with_different_amount exists_with_different_user_data_128
exists_with_different_user_data_64 exists_with_different_user_data_32 exists_with_different_ledger
exists_with_different_code exists id_already_failed flags_are_mutually_exclusive
debit_account_id_must_not_be_zero debit_account_id_must_not_be_int_max
credit_account_id_must_not_be_zero credit_account_id_must_not_be_int_max accounts_must_be_different
pending_id_must_be_zero pending_id_must_not_be_zero pending_id_must_not_be_int_max
pending_id_must_be_different timeout_reserved_for_pending_transfer closing_transfer_must_be_pending
ledger_must_not_be_zero code_must_not_be_zero debit_account_not_found credit_account_not_found
accounts_must_have_the_same_ledger transfer_must_have_the_same_ledger_as_accounts
pending_transfer_not_found pending_transfer_not_pending
pending_transfer_has_different_debit_account_id pending_transfer_has_different_credit_account_id
pending_transfer_has_different_ledger pending_transfer_has_different_code
exceeds_pending_transfer_amount pending_transfer_has_different_amount
pending_transfer_already_posted pending_transfer_already_voided pending_transfer_expired
imported_event_timestamp_must_not_regress imported_event_timestamp_must_postdate_debit_account
imported_event_timestamp_must_postdate_credit_account imported_event_timeout_must_be_zero
debit_account_already_closed credit_account_already_closed overflows_debits_pending
overflows_credits_pending overflows_debits_posted overflows_credits_posted overflows_debits
overflows_credits overflows_timeout exceeds_credits exceeds_debits""".split()


class Refused(Exception):
    """The server refused, and nothing happened."""

    def __init__(self, kind, message):
        super().__init__(f"{KINDS.get(kind, kind)}: {message}")
        self.kind = KINDS.get(kind, kind)
        self.message = message


class Unknown(Exception):
    """The request may or may not have taken effect: send it again with the same ids."""


class Malformed(Exception):
    """The server sent what the protocol does not allow."""


class Reader:
    """Takes fields off the front of bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if len(self.data) - self.at < count:
            raise Malformed(f"{count} bytes wanted at offset {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self, count):
        return int.from_bytes(self.take(count), "little")

    def zero(self, count):
        if any(self.take(count)):
            raise Malformed(f"reserved bytes before offset {self.at} are not zero")

    def flag(self):
        value = self.uint(1)
        if value > 1:
            raise Malformed(f"{value} at offset {self.at - 1} is neither 0 nor 1")
        return value == 1

    def end(self):
        if self.at != len(self.data):
            raise Malformed(f"{len(self.data) - self.at} bytes left over")


def uint(value, count):
    return value.to_bytes(count, "little")


class Layout:
    """A record whose fields, in order, are as wide as WIDTHS says."""

    WIDTHS = ()

    @classmethod
    def size(cls):
        return sum(cls.WIDTHS)

    def pack(self):
        values = (getattr(self, field.name) for field in fields(self))
        return b"".join(uint(value, width) for value, width in zip(values, self.WIDTHS))

    @classmethod
    def unpack(cls, reader):
        return cls(*(reader.uint(width) for width in cls.WIDTHS))


@dataclass
class Account(Layout):
    WIDTHS = (16, 16, 16, 16, 16, 16, 8, 4, 4, 4, 2, 2, 8)
    id: int = 0
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    reserved: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0

    LINKED = 1
    DEBITS_MUST_NOT_EXCEED_CREDITS = 2
    CREDITS_MUST_NOT_EXCEED_DEBITS = 4
    HISTORY = 8
    IMPORTED = 16
    CLOSED = 32


@dataclass
class Transfer(Layout):
    WIDTHS = (16, 16, 16, 16, 16, 16, 8, 4, 4, 4, 2, 2, 8)
    id: int = 0
    debit_account_id: int = 0
    credit_account_id: int = 0
    amount: int = 0
    pending_id: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    timeout: int = 0
    ledger: int = 0
    code: int = 0
    flags: int = 0
    timestamp: int = 0

    LINKED = 1
    PENDING = 2
    POST_PENDING_TRANSFER = 4
    VOID_PENDING_TRANSFER = 8
    BALANCING_DEBIT = 16
    BALANCING_CREDIT = 32
    CLOSING_DEBIT = 64
    CLOSING_CREDIT = 128
    IMPORTED = 256


@dataclass
class Balance(Layout):
    WIDTHS = (8, 16, 16, 16, 16)
    timestamp: int
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int


@dataclass
class TrialBalance(Layout):
    WIDTHS = (16, 16, 16, 16, 8)
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int
    accounts: int


@dataclass
class Status(Layout):
    WIDTHS = (16, 8, 8, 8, 8, 8, 8, 8, 8, 1)
    incarnation: int
    epoch: int
    applied: int
    durable: int
    timestamp: int
    accounts: int
    transfers: int
    holds: int
    checkpoint: int
    disk_full: int


@dataclass
class Result:
    status: str
    timestamp: int


@dataclass
class Page:
    items: list
    next_cursor: int | None


def optional(value, width):
    return b"\0" if value is None else b"\1" + uint(value, width)


@dataclass
class AccountFilter:
    account_id: int
    timestamp_min: int = 0
    timestamp_max: int = 0
    code: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    debits: bool = True
    credits: bool = True
    reversed: bool = False
    limit: int = 100
    cursor: int | None = None

    def pack(self):
        widths = (16, 8, 8, 2, 16, 8, 4, 1, 1, 1, 4)
        values = [getattr(self, field.name) for field in fields(self)]
        packed = b"".join(uint(int(value), width) for value, width in zip(values, widths))
        return packed + optional(self.cursor, 16)


@dataclass
class QueryFilter:
    ledger: int = 0
    code: int = 0
    user_data_128: int = 0
    user_data_64: int = 0
    user_data_32: int = 0
    timestamp_min: int = 0
    timestamp_max: int = 0
    reversed: bool = False
    limit: int = 100
    cursor: int | None = None
    scan: bool = False

    def pack(self):
        widths = (4, 2, 16, 8, 4, 8, 8, 1, 4)
        values = [getattr(self, field.name) for field in fields(self)]
        packed = b"".join(uint(int(value), width) for value, width in zip(values, widths))
        return packed + optional(self.cursor, 16) + uint(int(self.scan), 1)


class Client:
    """A connection to a server at "HOST:PORT", with the seed of a key if the server asks for one."""

    def __init__(self, address, name="florin_client.py", timeout=10.0, key=None):
        host, port = address.rsplit(":", 1)
        self.timeout = timeout
        self.next_id = 1
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.key_name, self.roles = None, None
        self._say_hello(name.encode()[:64], key)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def create_accounts(self, accounts):
        body = b"".join(account.pack() for account in accounts)
        reply = self.request(CREATE_ACCOUNTS, body)
        return self._results(reply, len(accounts), ACCOUNT_STATUSES)

    def create_transfers(self, transfers):
        body = b"".join(transfer.pack() for transfer in transfers)
        reply = self.request(CREATE_TRANSFERS, body)
        return self._results(reply, len(transfers), TRANSFER_STATUSES)

    def lookup_accounts(self, ids):
        return self._lookup(LOOKUP_ACCOUNTS, ids, Account)

    def lookup_transfers(self, ids):
        return self._lookup(LOOKUP_TRANSFERS, ids, Transfer)

    def account_transfers(self, account_filter):
        return self._page(ACCOUNT_TRANSFERS, account_filter, Transfer)

    def account_balances(self, account_filter):
        return self._page(ACCOUNT_BALANCES, account_filter, Balance)

    def query_accounts(self, query_filter):
        return self._page(QUERY_ACCOUNTS, query_filter, Account)

    def query_transfers(self, query_filter):
        return self._page(QUERY_TRANSFERS, query_filter, Transfer)

    def balance_as_of(self, account_id, timestamp):
        reader = Reader(self.request(BALANCE_AS_OF, uint(account_id, 16) + uint(timestamp, 8)))
        balance = Balance.unpack(reader) if reader.flag() else None
        reader.end()
        return balance

    def trial_balance(self, ledger):
        return self._one(TRIAL_BALANCE, uint(ledger, 4), TrialBalance)

    def status(self):
        return self._one(STATUS, b"", Status)

    def request(self, operation, body, deadline_ms=0):
        """Sends one request and returns the body of its answer."""
        request_id = self.next_id
        self.next_id += 1
        header = struct.pack("<QHHI", request_id, operation, 0, deadline_ms)
        try:
            self.send_frame(header + body)
            payload = self.receive_frame()
        except OSError as error:
            raise Unknown(f"the connection broke: {error}") from error
        reader = Reader(payload)
        reply_id, reply_operation, outcome = reader.uint(8), reader.uint(2), reader.uint(1)
        reader.zero(1 + 4)
        if outcome == LAST_WORD:
            raise self._refusal(reader)
        if (reply_id, reply_operation) != (request_id, operation):
            raise Malformed(f"a reply to request {reply_id}, which was not made")
        if outcome == REFUSED:
            raise self._refusal(reader)
        if outcome != ANSWERED:
            raise Malformed(f"outcome {outcome}")
        return payload[16:]

    def send_frame(self, payload):
        self.socket.sendall(uint(len(payload), 4) + payload)

    def receive_frame(self):
        length = int.from_bytes(self._receive(4), "little")
        if length > PAYLOAD_BYTES_MAX:
            raise Malformed(f"a frame of {length} bytes")
        return self._receive(length)

    def _receive(self, count):
        chunks = []
        while count:
            chunk = self.socket.recv(min(count, 1 << 16))
            if not chunk:
                raise ConnectionError("the server closed the connection")
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)

    def _say_hello(self, name, key):
        features = 0 if key is None else FEATURE_KEY
        hello = MAGIC + struct.pack("<HHIH6x", VERSION, VERSION, features, len(name)) + name
        self.send_frame(hello)
        server_hello = self.receive_frame()
        reader = Reader(server_hello)
        if reader.take(8) != MAGIC:
            raise Malformed("that is no server of Florin")
        server_min, server_max, version = reader.uint(2), reader.uint(2), reader.uint(2)
        kind = reader.uint(1)
        reader.take(1)
        self.features = reader.uint(4)
        self.payload_bytes_max = reader.uint(4)
        self.events_max = reader.uint(4)
        self.requests_in_flight_max = reader.uint(4)
        self.incarnation = reader.uint(16)
        self.epoch = reader.uint(8)
        message_bytes = reader.uint(2)
        reader.take(6)
        if version == 0:
            self.close()
            raise Refused(kind, reader.take(message_bytes).decode())
        if version != VERSION:
            raise Malformed(f"version {version} of {server_min} to {server_max} was not offered")
        if key is None:
            return
        if not self.features & FEATURE_KEY:
            self.close()
            raise Malformed("the server asks for no key")
        self._prove(key, hello, server_hello)

    def _prove(self, key, hello, server_hello):
        reader = Reader(self.receive_frame())
        nonce, role, binding = reader.take(32), reader.uint(1), reader.uint(1)
        if (role, binding) != (ADDRESS_LEDGER, BINDING_NONE):
            raise Malformed(f"address role {role} with binding {binding}")
        transcript = TRANSCRIPT_LABEL + struct.pack(
            "<HBBII", VERSION, role, binding, len(hello), len(server_hello)
        )
        transcript += uint(self.incarnation, 16) + nonce + bytes(32) + hello + server_hello
        self.send_frame(ed25519.public_key(key) + ed25519.sign(key, transcript))
        reader = Reader(self.receive_frame())
        kind, _, roles, text_bytes = (reader.uint(count) for count in (1, 1, 2, 2))
        reader.take(10)
        text = reader.take(text_bytes).decode()
        if kind:
            self.close()
            raise Refused(kind, text)
        self.key_name = text
        self.roles = {name for bit, name in ROLES.items() if roles & bit}

    @staticmethod
    def _refusal(reader):
        kind, effect = reader.uint(1), reader.uint(1)
        message = reader.take(reader.uint(8)).decode()
        reader.end()
        return Unknown(message) if effect else Refused(kind, message)

    @staticmethod
    def _results(body, count, statuses):
        reader = Reader(body)
        results = []
        for _ in range(count):
            status = reader.uint(4)
            reader.zero(4)
            if status >= len(statuses):
                raise Malformed(f"status {status}")
            results.append(Result(statuses[status], reader.uint(8)))
        reader.end()
        return results

    def _lookup(self, operation, ids, layout):
        reader = Reader(self.request(operation, b"".join(uint(id_, 16) for id_ in ids)))
        found = []
        for _ in ids:
            item = reader.take(layout.size())
            found.append(layout.unpack(Reader(item)) if any(item) else None)
        reader.end()
        return found

    def _page(self, operation, page_filter, layout):
        reader = Reader(self.request(operation, page_filter.pack()))
        cursor = reader.uint(16)
        has_next = reader.flag()
        reader.zero(15)
        items = []
        while reader.at < len(reader.data):
            items.append(layout.unpack(reader))
        return Page(items, cursor if has_next else None)

    def _one(self, operation, body, layout):
        reader = Reader(self.request(operation, body))
        value = layout.unpack(reader)
        reader.end()
        return value
