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
    LAST_WORD,
    Account,
    AccountFilter,
    Client,
    QueryFilter,
    Reader,
    Refused,
    Stream,
    Transfer,
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
