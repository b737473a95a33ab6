"""Runs the Python client against a real server: what docs/PROTOCOL.md says must be enough.

FLORIN_ADDRESS=HOST:PORT python3 -m unittest test_florin_client

The server may hold anything already: every test takes ids that nobody had before.
"""

import os
import secrets
import socket
import unittest

from florin_client import (
    CREATE_TRANSFERS,
    CREDIT_AVAILABLE,
    LAST_WORD,
    NONE,
    Account,
    AccountFilter,
    Client,
    Commit,
    Event,
    QueryFilter,
    Reader,
    Refused,
    Stream,
    Transfer,
    Write,
    has_balance,
    has_version,
    hold_is_pending,
)

ADDRESS = os.environ.get("FLORIN_ADDRESS")
LEDGER = 840
MAX = 2**128 - 1


def fresh_id():
    return secrets.randbits(127) | 1


class FlorinTest(unittest.TestCase):
    def setUp(self):
        if not ADDRESS:
            self.fail("FLORIN_ADDRESS says no HOST:PORT")
        self.client = Client(ADDRESS)
        self.addCleanup(self.client.close)

    def open_accounts(self, count, ledger=LEDGER):
        accounts = [Account(id=fresh_id(), ledger=ledger, code=10) for _ in range(count)]
        results = self.client.create_accounts(accounts)
        self.assertEqual([result.status for result in results], ["created"] * count)
        return [account.id for account in accounts]

    def transfer(self, debit, credit, amount, **fields):
        return Transfer(
            id=fresh_id(),
            debit_account_id=debit,
            credit_account_id=credit,
            amount=amount,
            ledger=LEDGER,
            code=1,
            **fields,
        )

    def statuses(self, *transfers):
        return [result.status for result in self.client.create_transfers(list(transfers))]

    def test_hello_names_database_and_limits(self):
        self.assertNotEqual(self.client.incarnation, 0)
        self.assertGreaterEqual(self.client.epoch, 1)
        self.assertEqual(self.client.payload_bytes_max, 1_048_576)
        self.assertEqual(self.client.events_max, 8_190)
        self.assertGreaterEqual(self.client.requests_in_flight_max, 1)

    def test_status_and_hello_name_the_same_database(self):
        status = self.client.status()
        self.assertEqual(status.incarnation, self.client.incarnation)
        self.assertEqual(status.epoch, self.client.epoch)

    def test_accounts_are_opened_once_and_read_back_whole(self):
        account = Account(
            id=fresh_id(),
            user_data_128=MAX,
            user_data_64=2**64 - 1,
            user_data_32=2**32 - 1,
            ledger=LEDGER,
            code=2**16 - 1,
            flags=Account.DEBITS_MUST_NOT_EXCEED_CREDITS | Account.HISTORY,
        )
        (first,) = self.client.create_accounts([account])
        self.assertEqual(first.status, "created")
        (again,) = self.client.create_accounts([account])
        self.assertEqual((again.status, again.timestamp), ("exists", first.timestamp))
        missing = fresh_id()
        found = self.client.lookup_accounts([account.id, missing])
        account.timestamp = first.timestamp
        self.assertEqual(found, [account, None])

    def test_a_transfer_moves_money_once(self):
        debit, credit = self.open_accounts(2)
        transfer = self.transfer(debit, credit, 2**100, user_data_128=7, user_data_64=8)
        (first,) = self.client.create_transfers([transfer])
        (again,) = self.client.create_transfers([transfer])
        self.assertEqual(first.status, "created")
        self.assertEqual((again.status, again.timestamp), ("exists", first.timestamp))
        accounts = self.client.lookup_accounts([debit, credit])
        self.assertEqual(
            [(account.debits_posted, account.credits_posted) for account in accounts],
            [(2**100, 0), (0, 2**100)],
        )
        found = self.client.lookup_transfers([transfer.id, fresh_id()])
        transfer.timestamp = first.timestamp
        self.assertEqual(found, [transfer, None])

    def fresh_key(self):
        return secrets.token_bytes(16)

    def test_a_commit_moves_money_and_writes_documents_once(self):
        debit, credit = self.open_accounts(2)
        key, transfer = self.fresh_key(), self.transfer(debit, credit, 500)
        commit = Commit(
            id=fresh_id(),
            actor=b"teller 7",
            preconditions=[has_version(16, key, NONE)],
            accounts=[Account(id=fresh_id(), ledger=LEDGER, code=10)],
            transfers=[transfer],
            documents=[Write(16, key, b"paid", version=NONE), Write(16, key + b"2", b"")],
            events=[Event(1, key, b"paid in")],
        )
        preview = self.client.dry_run(commit)
        self.assertEqual((preview.name, preview.position), ("done", NONE))
        self.assertEqual(self.client.documents([(16, key)]), [None])
        done = self.client.commit(commit)
        self.assertEqual(done.name, "done")
        self.assertEqual(self.client.commit(commit), done)
        counts = [len(part) for part in (done.accounts, done.transfers, done.documents, done.events)]
        self.assertEqual(counts, [1, 1, 2, 1])
        (found,) = self.client.lookup_transfers([transfer.id])
        self.assertEqual((found.amount, found.timestamp), (500, done.transfers[0]))
        paid, empty, missing = self.client.documents(
            [(16, key), (16, key + b"2"), (16, key + b"3")]
        )
        self.assertEqual((paid.key, paid.value, paid.version), (key, b"paid", done.documents[0]))
        self.assertEqual((empty.value, empty.version), (b"", done.documents[1]))
        self.assertIsNone(missing)
        other = self.client.commit(Commit(id=commit.id))
        self.assertEqual(
            (other.name, other.position), ("exists_with_different_digest", done.position)
        )

    def test_a_commit_that_can_not_be_leaves_nothing(self):
        limited = Account(
            id=fresh_id(), ledger=LEDGER, code=10, flags=Account.DEBITS_MUST_NOT_EXCEED_CREDITS
        )
        self.client.create_accounts([limited])
        (other,) = self.open_accounts(1)
        key = self.fresh_key()
        commit = Commit(
            id=fresh_id(),
            transfers=[self.transfer(limited.id, other, 1)],
            documents=[Write(16, key, b"paid")],
        )
        refused = self.client.commit(commit)
        self.assertEqual(
            (refused.name, refused.what, refused.index, refused.status),
            ("refused", "transfer", 0, "exceeds_credits"),
        )
        self.assertEqual(self.client.commit(commit), refused)
        self.assertEqual(self.client.documents([(16, key)]), [None])

    def test_preconditions_say_what_they_found(self):
        debit, credit = self.open_accounts(2)
        key = self.fresh_key()
        hold = self.transfer(debit, credit, 7, flags=Transfer.PENDING)
        self.assertEqual(self.statuses(hold), ["created"])
        ((_, version),) = self.client.write_documents([Write(16, key, b"1")])
        cases = [
            (has_version(16, key, NONE), "document", version, 0),
            (has_balance(credit, CREDIT_AVAILABLE, 1, MAX), "balance", NONE, 0),
            (has_balance(fresh_id(), CREDIT_AVAILABLE, 0, MAX), "no account", NONE, 0),
            (hold_is_pending(fresh_id()), "hold", NONE, 0),
        ]
        commit_id = fresh_id()
        met = hold_is_pending(hold.id)
        for precondition, what, position, balance in cases:
            unmet = self.client.commit(Commit(id=commit_id, preconditions=[met, precondition]))
            self.assertEqual(
                (unmet.name, unmet.what, unmet.index, unmet.position, unmet.balance),
                ("unmet", what, 1, position, balance),
            )
        late = self.client.commit(Commit(id=commit_id, not_after=1))
        self.assertEqual((late.name, late.what), ("unmet", "too late"))
        self.assertGreater(late.timestamp, 1)
        stale = self.client.commit(Commit(id=commit_id, documents=[Write(16, key, b"", NONE)]))
        self.assertEqual((stale.what, stale.position), ("write", version))
        # Nothing of that was binding.
        self.assertEqual(self.client.commit(Commit(id=commit_id, preconditions=[met])).name, "done")

    def test_documents_are_written_listed_and_remembered(self):
        prefix = self.fresh_key()
        keys = [prefix + bytes([last]) for last in range(5)]
        results = self.client.write_documents([Write(16, key, key[-1:]) for key in keys])
        self.assertEqual([status for status, _ in results], ["written"] * 5)
        first = results[0][1]
        results = self.client.write_documents(
            [Write(16, keys[0], b"new", first), Write(16, keys[0], b"no", first), Write(16, keys[4], None)]
        )
        self.assertEqual([status for status, _ in results], ["written", "stale", "written"])
        self.assertEqual(results[1][1], results[0][1])
        page, after = self.client.scan(16, prefix, limit=3)
        self.assertEqual([document.value for document in page], [b"new", b"\1", b"\2"])
        rest, end = self.client.scan(16, prefix, after=after, keys_only=True)
        self.assertEqual([(item.key, item.value) for item in rest], [(keys[3], None)])
        self.assertIsNone(end)
        backwards, _ = self.client.scan(16, prefix, reversed=True)
        self.assertEqual([document.key for document in backwards], keys[3::-1])
        versions, _ = self.client.history(16, keys[0])
        self.assertEqual([version.value for version in versions], [b"new", b"\0"])
        versions, _ = self.client.history(16, keys[0], before=versions[0].version)
        self.assertEqual([version.version for version in versions], [first])
        (deleted, written), _ = self.client.history(16, keys[4])
        self.assertEqual((deleted.value, written.value), (None, b"\4"))

    def test_large_documents_come_in_several_answers(self):
        prefix = self.fresh_key()
        keys = [(16, prefix + bytes([last])) for last in range(20)]
        for table, key in keys:
            self.client.write_documents([Write(table, key, key[-1:] * 65_536)])
        found = self.client.documents(keys)
        self.assertEqual([document.value[:1] for document in found], [key[-1:] for _, key in keys])

    def test_once_is_once_and_tables_keep_their_word(self):
        key = self.fresh_key()
        status, version = self.client.insert_unique(16, key)
        self.assertEqual(status, "fresh")
        self.assertEqual(self.client.insert_unique(16, key), ("seen", version))
        self.assertEqual(self.client.declare_table(17, append_only=True)[0], "written")
        self.assertEqual(self.client.tables()[17], (True, False, 0))
        ((_, version),) = self.client.write_documents([Write(17, key, b"kept")])
        results = self.client.write_documents([Write(17, key, b"new"), Write(17, key, None)])
        self.assertEqual(results, [("append-only", version)] * 2)

    def test_what_breaks_a_limit_is_refused_whole(self):
        key = self.fresh_key()
        for write in (Write(16, bytes(257), b""), Write(16, key, bytes(65_537))):
            with self.assertRaises(Refused) as caught:
                self.client.write_documents([Write(16, key, b"1"), write])
            self.assertEqual(caught.exception.kind, "too large")
        with self.assertRaises(Refused) as caught:
            self.client.commit(Commit(id=0))
        self.assertEqual(caught.exception.kind, "invalid")
        self.assertEqual(self.client.documents([(16, key)]), [None])

    def test_fault_15_the_same_id_twice_in_one_batch(self):
        debit, credit = self.open_accounts(2)
        transfer = self.transfer(debit, credit, 5)
        self.assertEqual(self.statuses(transfer, transfer), ["created", "exists"])

    def test_fault_16_an_id_used_again_for_something_else(self):
        debit, credit = self.open_accounts(2)
        transfer = self.transfer(debit, credit, 5)
        self.assertEqual(self.statuses(transfer), ["created"])
        transfer.amount = 6
        self.assertEqual(self.statuses(transfer), ["exists_with_different_amount"])

    def test_a_hold_is_posted_in_part(self):
        debit, credit = self.open_accounts(2)
        hold = self.transfer(debit, credit, 500, flags=Transfer.PENDING, timeout=3_600)
        self.assertEqual(self.statuses(hold), ["created"])
        (account,) = self.client.lookup_accounts([debit])
        self.assertEqual((account.debits_pending, account.debits_posted), (500, 0))
        post = Transfer(
            id=fresh_id(), pending_id=hold.id, amount=200, flags=Transfer.POST_PENDING_TRANSFER
        )
        self.assertEqual(self.statuses(post), ["created"])
        (account,) = self.client.lookup_accounts([debit])
        self.assertEqual((account.debits_pending, account.debits_posted), (0, 200))

    def test_history_comes_in_pages(self):
        debit, credit = self.open_accounts(2)
        amounts = list(range(1, 8))
        for amount in amounts:
            self.assertEqual(self.statuses(self.transfer(debit, credit, amount)), ["created"])
        for order in (False, True):
            seen, cursor = [], None
            while True:
                page = self.client.account_transfers(
                    AccountFilter(debit, limit=3, reversed=order, cursor=cursor)
                )
                self.assertLessEqual(len(page.items), 3)
                seen += [transfer.amount for transfer in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            self.assertEqual(seen, amounts[::-1] if order else amounts)
        balances = self.client.account_balances(AccountFilter(debit)).items
        self.assertEqual([b.debits_posted for b in balances], [1, 3, 6, 10, 15, 21, 28])
        third = balances[2]
        self.assertEqual(self.client.balance_as_of(debit, third.timestamp), third)
        self.assertEqual(
            self.client.account_transfers(AccountFilter(debit, debits=False)).items, []
        )

    def test_balance_before_the_account_was_open(self):
        (account,) = self.open_accounts(1)
        self.assertIsNone(self.client.balance_as_of(account, 1))

    def test_queries_scan_when_told_to(self):
        ledger = secrets.randbelow(2**31) + 2**31
        ids = self.open_accounts(3, ledger)
        seen, cursor = [], None
        while True:
            page = self.client.query_accounts(
                QueryFilter(ledger=ledger, scan=True, cursor=cursor)
            )
            seen += [account.id for account in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        self.assertEqual(seen, ids)

    def test_the_books_balance(self):
        debit, credit = self.open_accounts(2)
        self.assertEqual(self.statuses(self.transfer(debit, credit, 5)), ["created"])
        sums = self.client.trial_balance(LEDGER)
        self.assertEqual(sums.debits_posted, sums.credits_posted)
        self.assertEqual(sums.debits_pending, sums.credits_pending)
        self.assertGreaterEqual(sums.accounts, 2)

    def test_a_rule_that_was_broken_is_named(self):
        debit, credit = self.open_accounts(2)
        unknown = self.transfer(debit, fresh_id(), 5)
        self.assertEqual(self.statuses(unknown), ["credit_account_not_found"])
        self.assertEqual(self.statuses(unknown), ["id_already_failed"])
        itself = self.transfer(debit, debit, 5)
        self.assertEqual(self.statuses(itself), ["accounts_must_be_different"])

    def test_a_stream_tells_what_was_posted_and_goes_on_from_its_cursor(self):
        debit, credit = self.open_accounts(2)
        posted = [self.transfer(debit, credit, amount) for amount in range(1, 2_001)]
        self.assertEqual(self.statuses(*posted), ["created"] * len(posted))
        with Client(ADDRESS) as reader:
            filters = {"kinds": [Stream.KIND_TRANSFER], "accounts": [debit], "ledgers": [LEDGER]}
            stream = Stream(reader, incarnation=reader.incarnation, **filters)
            items = []
            while not stream.is_live:
                items += stream.batch()
            told = [(item.content.id, item.content.amount) for item in items]
            self.assertEqual(told, [(transfer.id, transfer.amount) for transfer in posted])
            self.assertTrue(all(item.ends_commit for item in items))
            # Live, on the same stream.
            late = self.transfer(debit, credit, 7)
            self.assertEqual(self.statuses(late), ["created"])
            found = []
            while not found:
                found = stream.batch()
            self.assertEqual([item.content.id for item in found], [late.id])
            stream.end()
            # The connection goes on, and so does a stream from any cursor.
            self.assertEqual(reader.status().incarnation, reader.incarnation)
            again = Stream(reader, after=items[-2].cursor, **filters)
            rest = []
            while len(rest) < 2:
                rest += again.batch()
            self.assertEqual([item.content.id for item in rest], [posted[-1].id, late.id])

    def test_a_cursor_of_another_history_is_refused_by_name(self):
        with Client(ADDRESS) as reader:
            begin = Stream(reader)
            first = begin.batch()[0].cursor
            begin.end()
            for cursor, name in [
                ((first[0], first[1], bytes(32)), "fork"),
                ((first[0], 2**63, first[2]), "not yet"),
            ]:
                with self.assertRaises(Refused) as refused:
                    Stream(reader, after=cursor).batch()
                self.assertEqual(refused.exception.kind, name)

    def test_an_unknown_operation_is_refused_and_the_connection_goes_on(self):
        with self.assertRaises(Refused) as refused:
            self.client.request(999, b"")
        self.assertEqual(refused.exception.kind, "unsupported operation")
        self.client.status()

    def test_a_batch_that_is_too_large_is_refused_whole(self):
        with self.assertRaises(Refused) as refused:
            self.client.request(CREATE_TRANSFERS, bytes(128 * 8_191))
        self.assertEqual(refused.exception.kind, "too large")
        self.client.status()

    def test_a_ragged_batch_closes_the_connection_with_a_last_word(self):
        with self.assertRaises(Refused) as refused:
            self.client.request(CREATE_TRANSFERS, bytes(100))
        self.assertEqual(refused.exception.kind, "malformed")
        self.assertIn("offset", refused.exception.message)
        with self.assertRaises(OSError):
            self.client.receive_frame()
        with Client(ADDRESS) as another:
            another.status()

    def test_an_oversized_frame_closes_the_connection_with_a_last_word(self):
        self.client.socket.sendall(b"\xff\xff\xff\xff")
        reader = Reader(self.client.receive_frame())
        self.assertEqual((reader.uint(8), reader.uint(2), reader.uint(1)), (0, 0, LAST_WORD))

    def test_a_stranger_is_told_where_he_is(self):
        host, port = ADDRESS.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), 10) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertIn(b"FLORINDB", stranger.recv(4_096))


if __name__ == "__main__":
    unittest.main()
