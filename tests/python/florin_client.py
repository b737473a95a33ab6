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
SUBSCRIBE, CREDIT, UNSUBSCRIBE = 48, 49, 50

COMMIT, GET_DOCUMENTS, SCAN_DOCUMENTS, DOCUMENT_HISTORY, WRITE_DOCUMENTS = 32, 33, 34, 35, 36
INSERT_UNIQUE, DECLARE_TABLE, LIST_TABLES, DRY_RUN = 37, 38, 39, 40

ANSWERED, REFUSED, LAST_WORD, BATCH = 0, 1, 2, 3

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
    16: "position gone",
    17: "fork",
    18: "not yet",
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


OUTCOMES = ("done", "refused", "unmet", "exists_with_different_digest")
UNMET = {
    1: "too late",
    2: "document",
    3: "balance",
    4: "no account",
    5: "hold",
    6: "write",
    7: "append-only",
}


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
    WIDTHS = (16, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 1)
    incarnation: int
    epoch: int
    applied: int
    durable: int
    timestamp: int
    accounts: int
    transfers: int
    holds: int
    documents: int
    serving_since: int
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


def sized(data):
    return uint(len(data), 8) + data


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


@dataclass(frozen=True)
class Position:
    """Names a record of the log; of a document, its version. Zero names none."""

    epoch: int = 0
    lsn: int = 0

    def pack(self):
        return uint(self.epoch, 8) + uint(self.lsn, 8)

    @classmethod
    def unpack(cls, reader):
        return cls(reader.uint(8), reader.uint(8))


NONE = Position()


@dataclass
class Write:
    """A document to be written, or deleted if it has no value. No version: whatever is there;
    NONE: there must be none."""

    table: int
    key: bytes
    value: bytes | None
    version: Position | None = None
    expires: int = 0

    def pack(self):
        condition = 0 if self.version is None else 1 if self.version == NONE else 2
        value = self.value or b""
        return b"".join(
            (
                uint(2 if self.value is None else 1, 1) + uint(condition, 1),
                uint(self.table, 2) + uint(len(self.key), 2) + bytes(2),
                uint(len(value), 4) + bytes(4) + uint(self.expires, 8),
                (self.version or NONE).pack() + self.key + value,
            )
        )


@dataclass
class Event:
    topic: int
    key: bytes
    value: bytes

    def pack(self):
        lengths = uint(len(self.key), 2) + uint(len(self.value), 4)
        return uint(self.topic, 2) + lengths + self.key + self.value


def _precondition(kind, field=0, table=0, key=b"", name=bytes(16), least=0, most=0):
    head = uint(kind, 1) + uint(field, 1) + uint(table, 2) + uint(len(key), 2) + bytes(2)
    return head + name + uint(least, 16) + uint(most, 16) + key


def has_version(table, key, version):
    return _precondition(1, table=table, key=key, name=version.pack())


def has_balance(account_id, field, least, most):
    return _precondition(2, field=field, name=uint(account_id, 16), least=least, most=most)


def hold_is_pending(transfer_id):
    return _precondition(3, name=uint(transfer_id, 16))


CREDIT_AVAILABLE = 4


@dataclass
class Commit:
    id: int
    digest: bytes = bytes(32)
    actor: bytes = b""
    not_after: int = 0
    preconditions: tuple = ()
    accounts: tuple = ()
    transfers: tuple = ()
    documents: tuple = ()
    events: tuple = ()

    def pack(self):
        parts = (self.preconditions, self.accounts, self.transfers, self.documents, self.events)
        head = uint(self.id, 16) + self.digest + uint(self.not_after, 8)
        counts = b"".join(uint(len(part), 4) for part in parts)
        body = b"".join(
            [part.pack() for part in (*self.accounts, *self.transfers)]
            + list(self.preconditions)
            + [part.pack() for part in (*self.documents, *self.events)]
        )
        return head + counts + uint(len(self.actor), 2) + bytes(2) + self.actor + body


@dataclass
class Outcome:
    """What became of a commit; fields that its name does not speak of are zero or empty."""

    name: str
    what: str = ""
    status: str = ""
    index: int = 0
    position: Position = NONE
    timestamp: int = 0
    balance: int = 0
    accounts: tuple = ()
    transfers: tuple = ()
    documents: tuple = ()
    events: tuple = ()

    @classmethod
    def unpack(cls, reader):
        number, what, status, index = (reader.uint(width) for width in (1, 1, 2, 4))
        if number >= len(OUTCOMES):
            raise Malformed(f"outcome {number} of a commit")
        outcome = cls(OUTCOMES[number], index=index, position=Position.unpack(reader))
        outcome.timestamp, outcome.balance = reader.uint(8), reader.uint(16)
        accounts, transfers, documents, events = (reader.uint(4) for _ in range(4))
        outcome.accounts = tuple(reader.uint(8) for _ in range(accounts))
        outcome.transfers = tuple(reader.uint(8) for _ in range(transfers))
        outcome.documents = tuple(Position.unpack(reader) for _ in range(documents))
        outcome.events = tuple(Position.unpack(reader) for _ in range(events))
        if outcome.name == "refused":
            outcome.what = {1: "account", 2: "transfer"}[what]
            statuses = {1: ACCOUNT_STATUSES, 2: TRANSFER_STATUSES}[what]
            outcome.status = statuses[status]
        if outcome.name == "unmet":
            outcome.what = UNMET[what]
        return outcome


@dataclass
class Document:
    key: bytes
    version: Position
    timestamp: int
    expires: int
    value: bytes | None

    @classmethod
    def unpack(cls, reader):
        what = reader.uint(1)
        reader.zero(1)
        key_bytes, value_bytes = reader.uint(2), reader.uint(4)
        timestamp, expires = reader.uint(8), reader.uint(8)
        version = Position.unpack(reader)
        key, value = reader.take(key_bytes), reader.take(value_bytes)
        if what == 0:
            return None
        return cls(key, version, timestamp, expires, value if what == 1 else None)


@dataclass
class Item:
    """One thing that happened. `content` is an Account, a Transfer, or bytes of another kind."""

    cursor: tuple
    time: int
    ends_commit: bool
    kind: int
    content: object


class Stream:
    """The log from a position on. Batches are granted again as they are taken."""

    KIND_ACCOUNT, KIND_TRANSFER = 2, 4
    CREDIT_BYTES = 131_072
    HEAD_BYTES = 72

    def __init__(self, client, after=None, kinds=(), accounts=(), ledgers=(), incarnation=0):
        epoch, lsn, block_hash = after or (0, 0, bytes(32))
        start = 0 if after is None else 2
        body = (
            uint(incarnation, 16)
            + uint(epoch, 8)
            + uint(lsn, 8)
            + block_hash
            + uint(0, 8)
            + uint(self.CREDIT_BYTES, 4)
            + uint(sum(1 << kind for kind in kinds), 4)
            + uint(start, 1)
            + uint(0, 1)
            + uint(len(accounts), 2)
            + uint(len(ledgers), 2)
            + uint(0, 2 + 2 + 6)
            + b"".join(uint(account, 16) for account in accounts)
            + b"".join(uint(ledger, 4) for ledger in ledgers)
        )
        self.client = client
        self.request_id = client.send_request(SUBSCRIBE, body)
        self.owed_bytes = 0
        self.cursor = None
        self.is_live = False

    def batch(self):
        """The items of the next batch, perhaps none."""
        if self.owed_bytes:
            credit = uint(self.request_id, 8) + uint(self.owed_bytes, 4) + uint(0, 4)
            self.client.send_request(CREDIT, credit)
            self.owed_bytes = 0
        while True:
            reply_id, operation, outcome, body = self.client.receive_reply()
            if (operation, outcome) == (CREDIT, ANSWERED):
                continue
            if (reply_id, operation, outcome) != (self.request_id, SUBSCRIBE, BATCH):
                raise Malformed(f"outcome {outcome} of request {reply_id}")
            self.owed_bytes = len(body) - self.HEAD_BYTES
            return self._items(Reader(body))

    def end(self):
        """Ends the stream, and throws away what still comes."""
        ending = self.client.send_request(UNSUBSCRIBE, uint(self.request_id, 8))
        unanswered = {self.request_id, ending}
        while unanswered:
            reply_id, _, outcome, _ = self.client.receive_reply()
            if outcome == ANSWERED:
                unanswered.discard(reply_id)

    def _items(self, reader):
        self.cursor = (reader.uint(8), reader.uint(8), reader.take(32))
        reader.uint(8 + 8)
        items_count = reader.uint(4)
        self.is_live = reader.uint(4) == 1
        items = []
        while reader.at < len(reader.data):
            epoch, block_hash = reader.uint(8), reader.take(32)
            section_bytes, section_items = reader.uint(4), reader.uint(4)
            section_end = reader.at - 48 + section_bytes
            for _ in range(section_items):
                item_bytes, kind, ends_commit = reader.uint(4), reader.uint(1), reader.flag()
                reader.zero(2)
                lsn, time = reader.uint(8), reader.uint(8)
                content = Reader(reader.take(item_bytes - 24))
                layout = {self.KIND_ACCOUNT: Account, self.KIND_TRANSFER: Transfer}.get(kind)
                content = layout.unpack(content) if layout else content.data
                cursor = (epoch, lsn, block_hash)
                items.append(Item(cursor, time, ends_commit, kind, content))
            if reader.at != section_end:
                raise Malformed(f"a section ends at {reader.at}, not at {section_end}")
        if len(items) != items_count:
            raise Malformed(f"{len(items)} items, not {items_count}")
        return items


class Client:
    """A connection to a server at "HOST:PORT", with the seed of a key if the server asks for one."""

    def __init__(self, address, name="florin_client.py", timeout=10.0, key=None):
        host, port = address.rsplit(":", 1)
        self.timeout = timeout
        self.next_id = 1
        # The newest (epoch, lsn) that a reply named.
        self.position = (0, 0)
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

    def commit(self, commit):
        return self._one(COMMIT, commit.pack(), Outcome)

    def dry_run(self, commit):
        return self._one(DRY_RUN, commit.pack(), Outcome)

    def documents(self, keys):
        """One entry per (table, key), asking again for what did not fit an answer."""
        found = []
        while len(found) < len(keys):
            rest = keys[len(found) :]
            body = b"".join(uint(table, 2) + uint(len(key), 2) + key for table, key in rest)
            _, _, documents = self._found(self.request(GET_DOCUMENTS, body))
            if not documents:
                raise Malformed("no document and no end")
            found += documents
        return found

    def scan(self, table, prefix=b"", after=None, reversed=False, keys_only=False, limit=100):
        """A page of documents, and the key to go on after, if there may be more."""
        behind = b"\0" if after is None else b"\1" + sized(after)
        flags = uint(int(reversed), 1) + uint(int(keys_only), 1)
        body = uint(table, 2) + sized(prefix) + behind + flags + uint(limit, 4)
        more, following, documents = self._found(self.request(SCAN_DOCUMENTS, body))
        return documents, following if more else None

    def history(self, table, key, before=NONE, limit=100):
        """Versions of a document, newest first, and whether there may be more."""
        body = uint(table, 2) + sized(key) + before.pack() + uint(limit, 4)
        more, _, documents = self._found(self.request(DOCUMENT_HISTORY, body))
        return documents, more

    def write_documents(self, writes):
        body = uint(len(writes), 4) + b"".join(write.pack() for write in writes)
        statuses = ("written", "stale", "append-only", "no room")
        return self._written(self.request(WRITE_DOCUMENTS, body), len(writes), statuses)

    def insert_unique(self, table, key, expires=0):
        body = uint(table, 2) + sized(key) + uint(expires, 8)
        reply = self.request(INSERT_UNIQUE, body)
        return self._written(reply, 1, ("fresh", "seen", "no room"))[0]

    def declare_table(self, table, append_only=False, volatile=False, time_to_live=0):
        flags = int(append_only) + 2 * int(volatile)
        body = uint(table, 2) + uint(flags, 1) + bytes(1) + uint(time_to_live, 4)
        return self._written(self.request(DECLARE_TABLE, body), 1, ("written",))[0]

    def tables(self):
        """Of every table that was declared: (append_only, volatile, time_to_live)."""
        reader = Reader(self.request(LIST_TABLES, b""))
        tables = {}
        while reader.at < len(reader.data):
            table, flags = reader.uint(2), reader.uint(1)
            reader.zero(1)
            tables[table] = (bool(flags & 1), bool(flags & 2), reader.uint(4))
        return tables

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
        lsn, epoch = reader.uint(8), reader.uint(8)
        self.position = max(self.position, (epoch, lsn))
        if outcome == LAST_WORD:
            raise self._refusal(reader)
        if (reply_id, reply_operation) != (request_id, operation):
            raise Malformed(f"a reply to request {reply_id}, which was not made")
        if outcome == REFUSED:
            raise self._refusal(reader)
        if outcome != ANSWERED:
            raise Malformed(f"outcome {outcome}")
        return payload[32:]

    def send_request(self, operation, body):
        """Sends one request without waiting; returns its id."""
        request_id = self.next_id
        self.next_id += 1
        self.send_frame(struct.pack("<QHHI", request_id, operation, 0, 0) + body)
        return request_id

    def receive_reply(self):
        """The next reply: id, operation, outcome, body."""
        reader = Reader(self.receive_frame())
        reply_id, operation, outcome = reader.uint(8), reader.uint(2), reader.uint(1)
        reader.zero(1 + 4)
        reader.take(16)
        if outcome in (REFUSED, LAST_WORD):
            raise self._refusal(reader)
        return reply_id, operation, outcome, reader.data[reader.at :]

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

    @staticmethod
    def _found(body):
        reader = Reader(body)
        more = reader.flag()
        reader.zero(1)
        next_bytes = reader.uint(2)
        reader.zero(4)
        following = reader.take(next_bytes)
        documents = []
        while reader.at < len(body):
            documents.append(Document.unpack(reader))
        return more, following, documents

    @staticmethod
    def _written(body, count, statuses):
        reader = Reader(body)
        results = []
        for _ in range(count):
            status = reader.uint(1)
            reader.zero(7)
            if status >= len(statuses):
                raise Malformed(f"status {status}")
            results.append((statuses[status], Position.unpack(reader)))
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
