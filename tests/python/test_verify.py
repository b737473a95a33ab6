"""Runs the verifier of tools/verify on files that a real server gave, and on what is left of them after every
byte was changed: what docs/FORMAT.md says must be enough, and no proof may survive a change.

FLORIN_PROOFS=DIR FLORIN_PUBLIC_KEY=FILE FLORIN_REDEEMED=FILE python3 -m unittest test_verify
"""

import hashlib
import os
import pathlib
import secrets
import struct
import subprocess
import sys
import tempfile
import unittest

import ed25519

VERIFIER = pathlib.Path(__file__).parents[2] / "tools" / "verify" / "verify.py"
sys.path.insert(0, str(VERIFIER.parent))
from verify import Refused, check_counted, check_redeemed, record, verify  # noqa: E402


class VerifyTest(unittest.TestCase):
    def setUp(self):
        files = pathlib.Path(os.environ["FLORIN_PROOFS"])
        self.files = {file.name: file.read_bytes() for file in files.iterdir()}
        self.redeemed = pathlib.Path(os.environ["FLORIN_REDEEMED"]).read_bytes()
        self.key = bytes.fromhex(pathlib.Path(os.environ["FLORIN_PUBLIC_KEY"]).read_text().strip())

    def refuses(self, data, key=None):
        try:
            said = verify(data, key or self.key)
        except Refused:
            return
        self.fail(f"{data.hex()} proves {said}")

    def refuses_to(self, ask, *arguments):
        with self.assertRaises(Refused, msg=arguments):
            ask(*arguments)

    def test_every_file_proves_what_the_bank_said(self):
        kinds = "absence balance commit consistency document head position receipt transfer"
        self.assertEqual(sorted(self.files), kinds.split())
        said = {name: verify(data, self.key) for name, data in self.files.items()}
        transfer = said["transfer"]["record"]
        self.assertEqual((transfer["what"], transfer["id"], transfer["amount"]), ("transfer", "77", "7700"))
        self.assertEqual((transfer["debit"], transfer["credit"]), ("1", "2"))
        self.assertEqual((transfer["ledger"], transfer["code"], transfer["flags"]), ("978", "7", []))
        self.assertEqual(said["receipt"]["record"], transfer)
        self.assertEqual(said["commit"]["record"]["what"], "commit")
        self.assertEqual(said["document"]["record"]["what"], "document_put")
        self.assertEqual(said["consistency"]["first"], said["head"])
        check_redeemed(said["receipt"], verify(self.redeemed, self.key))
        balance, absence = said["balance"], said["absence"]
        self.assertEqual((balance["account"], absence["account"]), ("2", "3"))
        self.assertEqual(balance["credits_posted"], "4615000")
        self.assertEqual((absence["last_posting"], absence["root"]), (None, balance["root"]))
        for counted in ("receipt", "transfer", "position"):
            check_counted(balance, said[counted])
            self.refuses_to(check_counted, absence, said[counted])
        for other in ("document", "commit", "head", "consistency", "balance"):
            self.refuses_to(check_counted, balance, said[other])
        with self.assertRaises(Refused):
            check_redeemed(said["receipt"], said["document"])

    def test_whatever_is_changed_is_refused(self):
        # One of each kind: a signature takes some milliseconds here.
        for name in ("head", "receipt", "transfer", "consistency", "balance"):
            data = self.files[name]
            with self.subTest(file=name):
                for at in range(len(data)):
                    changed = bytearray(data)
                    changed[at] ^= 1 << at % 8
                    self.refuses(bytes(changed))

    def test_whatever_is_cut_or_goes_on_is_refused(self):
        for data in self.files.values():
            for length in range(0, len(data), 16):
                self.refuses(data[:length])
            self.refuses(data + b"\0")
            self.refuses(b"\0" + data)
            for at in range(0, len(data) - 64, 32):
                swapped = data[:at] + data[at + 32 : at + 64] + data[at : at + 32] + data[at + 64 :]
                if swapped != data:
                    self.refuses(swapped)

    def test_no_other_key_is_believed(self):
        stranger = secrets.token_bytes(32)
        for data in self.files.values():
            self.refuses(data, ed25519.public_key(stranger))

    def test_a_record_that_was_never_in_the_tree_is_refused(self):
        """Even by the bank itself: another amount under the path of a real one, another place."""
        data = self.files["transfer"]
        index = struct.unpack("<Q", data[16:24])[0]
        for other in (index - 1, index + 1, index ^ 4, 0, 2**63):
            self.refuses(data[:16] + struct.pack("<Q", other) + data[24:])
        amount = len(data) - 128 + 48
        self.refuses(data[:amount] + (7701).to_bytes(16, "little") + data[amount + 16 :])


SEED = bytes([7] * 32)
KEY = ed25519.public_key(SEED)


def leaf(kind, content, epoch=3, lsn=4_000, time=50):
    return struct.pack("<QQQB7x", epoch, lsn, time, kind) + content


def signed_head(size=1, root=bytes(32), epoch=3, lsn=5_000, time=60, chain=bytes(32), life=2, birth=1):
    names = birth.to_bytes(16, "little") + life.to_bytes(16, "little")
    head = b"FLORINTH" + struct.pack("<II", 1, 0) + names + struct.pack("<QQQQ", epoch, size, lsn, time) + chain + root
    return head + KEY + ed25519.sign(SEED, head)


def cosigned(seeds, head=None):
    """What so many have signed, keys ascending."""
    head = head or signed_head()[:144]
    words = [ed25519.public_key(seed) + ed25519.sign(seed, head) for seed in seeds]
    return b"FLORINCH" + struct.pack("<II", 1, len(words)) + head + b"".join(sorted(words))


def leaf_hash(data):
    return hashlib.sha256(b"\0" + data).digest()


def inclusion(data, **head):
    """Of the only leaf of a tree."""
    signed = signed_head(root=leaf_hash(data), **head)
    return b"FLORINIP" + struct.pack("<IIQII", 1, len(data), 0, 0, 0) + signed


def receipt(data, lsn=5_000, life=2, chain=bytes(32), standbys=(0, 0)):
    names = (1).to_bytes(16, "little") + life.to_bytes(16, "little")
    said = b"FLORINRC" + struct.pack("<II", 1, len(data)) + names + struct.pack("<Q", lsn) + chain
    said += struct.pack("<IHH", 1, *standbys) + KEY + data
    return said + ed25519.sign(SEED, said)


def consistency(first, second, path=()):
    return b"FLORINCP" + struct.pack("<II", 1, len(path)) + first + second + b"".join(path)


def state(last, posted=None, zero=0):
    posted = (7 if last else 0) if posted is None else posted
    return bytes(48) + posted.to_bytes(16, "little") + struct.pack("<IIQ", 978, zero, last)


def balance(accounts, account, places=None, shown=None, root=None, kind=17, table=6, position=3_500, expires=0, **value):
    """Of an account as it was at 3,500 among others, recorded at 4,000; `places` are those that are shown."""
    ids = sorted(accounts)
    named = lambda id: b"FLORINBL" + id.to_bytes(16, "little")
    hashes = [leaf_hash(named(id) + hashlib.sha256(accounts[id]).digest()) for id in ids]
    node = lambda left, right: hashlib.sha256(b"\1" + left + right).digest()
    paths = {0: [], 1: [[]], 2: [[1], [0]], 3: [[1, 2], [0, 2], [(0, 1)]]}[len(ids)]
    hash_at = lambda at: node(hashes[at[0]], hashes[at[1]]) if isinstance(at, tuple) else hashes[at]
    roots = {0: lambda: hashlib.sha256().digest(), 1: lambda: hashes[0], 2: lambda: node(*hashes)}
    made = roots.get(len(ids), lambda: node(hash_at((0, 1)), hashes[2]))()
    said = struct.pack("<IIQ", value.get("version", 1), value.get("zero", 0), len(ids)) + (root or made)
    said += value.get("value", b"")
    content = struct.pack("<HHIQ", table, 8, len(said), expires) + struct.pack(">Q", position) + said
    data = leaf(kind, content)
    proof = inclusion(data) + data
    if places is None:
        below, above = [id for id in ids if id < account], [id for id in ids if id > account]
        places = [account] if account in accounts else below[-1:] + above[:1]
    if shown is None:
        shown = accounts[account] if account in accounts and places == [account] else b""
    out = b"FLORINBP" + struct.pack("<II", 1, len(proof)) + account.to_bytes(16, "little")
    out += struct.pack("<II", len(places), len(shown)) + proof
    for id in places:
        digest = hashlib.sha256(shown if id == account and shown else accounts[id]).digest()
        path = [hash_at(at) for at in paths[ids.index(id)]]
        out += struct.pack("<QII", ids.index(id), len(path), 0) + id.to_bytes(16, "little") + digest + b"".join(path)
    return out + shown


class RulesTest(unittest.TestCase):
    """What docs/FORMAT.md refuses although it is signed: the same cases as proof/tests/tampering.rs."""

    def refuses(self, ask, *arguments):
        with self.assertRaises(Refused, msg=arguments):
            ask(*arguments)

    def test_it_is_short_enough_to_be_read(self):
        self.assertLessEqual(len(VERIFIER.read_text().splitlines()), 200)
        self.assertLessEqual(len((VERIFIER.parent / "curve.py").read_text().splitlines()), 50)

    def test_leaves_have_one_encoding(self):
        zeros = {1: 32, 2: 128, 4: 128, 6: 80, 7: 24, 16: 64, 19: 56}
        reserved = {1: (8, 15), 2: (16, 32, 48, 79, 108), 6: (78, 79), 7: (20, 23), 16: (60, 63, 57), 19: (50, 55)}
        for kind, length in zeros.items():
            content = bytearray(length)
            if kind == 16:
                content[56] = 3
            record(leaf(kind, content))
            self.refuses(record, leaf(kind, content[1:]))
            self.refuses(record, leaf(kind, content + b"\0"))
            for at in reserved.get(kind, ()):
                changed = bytearray(content)
                changed[at] = 1
                self.refuses(record, leaf(kind, changed))
        for kind, at, value, length in ((7, 16, 68, 24), (16, 56, 13, 64), (16, 56, 0, 64)):
            content = bytearray(length)
            content[at] = value
            self.refuses(record, leaf(kind, content))
        self.refuses(record, leaf(11, bytes(48)))
        record(leaf(11, b"\1" + bytes(47)))
        for kind in (0, 3, 5, 8, 9, 10, 12, 21, 23):
            self.refuses(record, leaf(kind, bytes(32)))
        for kind, value, time in ((17, True, True), (18, False, False), (20, True, False), (22, False, True)):
            keyed = lambda value, time: struct.pack("<HHIQ", 5, 1, len(value), time) + b"k" + value
            record(leaf(kind, keyed(b"", 0)))
            for is_one, content in ((value, keyed(b"v", 0)), (time, keyed(b"", 1))):
                record(leaf(kind, content)) if is_one else self.refuses(record, leaf(kind, content))
        longest = struct.pack("<HHIQ", 5, 1, 65_880 - 32 - 17, 0) + bytes(65_880 - 32 - 16)
        record(leaf(17, longest))
        longer = struct.pack("<HHIQ", 5, 1, 65_881 - 32 - 17, 0) + bytes(65_881 - 32 - 16)
        self.refuses(record, leaf(17, longer))

    def test_holds_voids_and_payments_are_told_apart(self):
        content = bytearray(128)
        content[64:80] = (9).to_bytes(16, "little")
        content[112:120] = struct.pack("<IHH", 978, 7, 1 << 3 | 1)
        said = record(leaf(4, content))
        self.assertEqual(said["flags"], ["linked", "void_pending_transfer"])
        self.assertEqual((said["pending_id"], said["ledger"], said["code"]), ("9", "978", "7"))
        content[118:120] = struct.pack("<H", 2)
        self.assertEqual(record(leaf(4, content))["flags"], ["pending"])

    def test_what_contradicts_itself_is_refused(self):
        data = leaf(4, bytes(128))
        ask = lambda **head: verify(inclusion(data, **head) + data, KEY)
        self.assertEqual(ask()["head"]["database"], f"{1:032x}")
        ask(lsn=4_001, epoch=3, time=50)
        for head in (dict(lsn=4_000), dict(epoch=2), dict(time=49)):
            with self.assertRaises(Refused):
                ask(**head)
        self.refuses(verify, receipt(data, lsn=4_000), KEY)
        promised = verify(receipt(data, standbys=(1, 2)), KEY)
        self.assertEqual(promised["durable"], dict(standbys=1, standbys_demanded=2))
        check_redeemed(promised, ask())
        self.refuses(check_redeemed, promised, ask(lsn=4_999))
        self.refuses(check_redeemed, promised, ask(chain=bytes([1] * 32)))
        self.refuses(check_redeemed, promised, ask(birth=2))
        self.refuses(check_redeemed, promised, ask(life=3))
        check_redeemed(promised, ask(life=3, epoch=3 + 2**40, lsn=6_000))
        self.refuses(check_redeemed, promised, ask(life=2, epoch=3 + 2**40, lsn=6_000))
        self.refuses(check_redeemed, promised, promised)
        self.refuses(check_redeemed, ask(), promised)
        self.refuses(check_redeemed, verify(signed_head(), KEY), ask())

    def test_heads_that_contradict_each_other_are_not_consistent(self):
        one, two = leaf_hash(b"1"), leaf_hash(b"2")
        root = hashlib.sha256(b"\1" + one + two).digest()
        first = signed_head(root=one)
        both = lambda path=(two,), **second: verify(consistency(first, signed_head(**second), path), KEY)
        grown = dict(size=2, root=root, lsn=5_001)
        both(**grown)
        both((), root=one)
        both(**grown, life=3, epoch=3 + 2**40)
        for change in (dict(lsn=5_000), dict(time=59), dict(epoch=2), dict(birth=3), dict(life=3)):
            with self.assertRaises(Refused, msg=change):
                both(**grown | change)
        with self.assertRaises(Refused):
            both(**grown, epoch=3 + 2**40)
        for change in (dict(lsn=5_001), dict(time=61), dict(epoch=4), dict(chain=bytes([1] * 32))):
            with self.assertRaises(Refused, msg=change):
                both((), **dict(root=one) | change)

    def test_a_head_is_cosigned_by_all_who_are_demanded_and_by_nobody_else(self):
        """The same cases as proof/tests/tampering.rs, where as many keys are demanded as are trusted."""
        seeds = [bytes([number] * 32) for number in (7, 1, 2)]
        keys = [ed25519.public_key(seed) for seed in seeds]
        data = cosigned(seeds)
        said = verify(data, b"".join(keys))
        self.assertEqual(said["keys"], sorted(keys))
        self.assertEqual(said["head"], verify(signed_head(), KEY))
        verify(data, b"".join(reversed(keys)))
        for others in (keys[:2], keys[1:], [], [*keys, ed25519.public_key(bytes([3] * 32))]):
            self.refuses(verify, data, b"".join(others))
        words = [data[at : at + 96] for at in range(160, len(data), 96)]
        with_words = lambda words: data[:12] + struct.pack("<I", len(words)) + data[16:160] + b"".join(words)
        self.assertEqual(with_words(words), data)
        for order in ((1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 1), (0, 1, 1), (2, 2, 2)):
            changed = [words[at] for at in order]
            self.refuses(verify, with_words(changed), b"".join(keys))
            self.refuses(verify, with_words(changed), b"".join(word[:32] for word in changed))
        swapped = [words[0][:32] + words[1][32:], words[1][:32] + words[0][32:], words[2]]
        self.refuses(verify, with_words(swapped), b"".join(keys))
        verify(with_words(words[:2]), b"".join(word[:32] for word in words[:2]))
        self.refuses(verify, with_words(words[:1]), words[0][:32])
        self.refuses(verify, data[:160] + b"".join(words[:2]), b"".join(keys))
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            self.refuses(verify, bytes(changed), b"".join(keys))
        for length in range(0, len(data), 16):
            self.refuses(verify, data[:length], b"".join(keys))
        self.refuses(verify, data + b"\0", b"".join(keys))
        # Other files have one signer: several keys are no key of theirs.
        self.refuses(verify, signed_head(), KEY + keys[1])

    def test_a_balance_without_the_last_posting_is_refused(self):
        """The same cases as proof/tests/balances.rs."""
        last = leaf(4, struct.pack("<QQQQ", 77, 0, 10, 0) + (20).to_bytes(16, "little") + bytes(80), lsn=3_000)
        honest = {10: state(2_000), 20: state(3_000), 30: state(0)}
        said = verify(balance(honest, 20), KEY)
        self.assertEqual((said["credits_posted"], said["last_posting"], said["position"]), ("7", 3_000, 3_500))
        check_counted(said, verify(inclusion(last) + last, KEY))
        check_counted(said, verify(receipt(last), KEY))
        # Under the root that is on record: another balance, another account's.
        self.refuses(verify, balance(honest, 20, shown=state(2_900)), KEY)
        self.refuses(verify, balance(honest, 20, shown=honest[10]), KEY)
        # Under a root that the bank has put on record for it.
        liar = verify(balance({**honest, 20: state(2_900)}, 20), KEY)
        gone = verify(balance({10: honest[10], 30: honest[30]}, 20), KEY)
        for lie in (liar, gone):
            self.refuses(check_counted, lie, verify(inclusion(last) + last, KEY))
            self.refuses(check_counted, lie, verify(receipt(last), KEY))
        check_counted(liar, verify(inclusion(early := last[:8] + struct.pack("<Q", 2_900) + last[16:]) + early, KEY))
        for head in (dict(birth=2), dict(life=3), dict(life=3, epoch=3 + 2**40)):
            self.refuses(check_counted, said, verify(inclusion(last, **head) + last, KEY))
        late = last[:8] + struct.pack("<Q", 3_500) + last[16:]
        self.refuses(check_counted, said, verify(inclusion(late) + late, KEY))
        # Balances that can't be.
        self.refuses(verify, balance({10: state(0, posted=7)}, 10), KEY)
        self.refuses(verify, balance({10: state(3_500)}, 10), KEY)
        self.refuses(verify, balance({10: state(3_000, zero=1)}, 10), KEY)

    def test_an_account_that_is_there_is_never_shown_to_be_absent(self):
        accounts = {number: state(2_000) for number in (10, 20, 30)}
        for account, places in ((5, [10]), (15, [10, 20]), (25, [20, 30]), (35, [30])):
            self.assertIsNone(verify(balance(accounts, account, places), KEY)["last_posting"])
        for account in (5, 10, 15, 20, 25, 30, 35):
            for places in ([], [10], [20], [30], [10, 20], [20, 10], [20, 30], [30, 20], [10, 30], [10, 10]):
                if (account, places) not in ((5, [10]), (15, [10, 20]), (25, [20, 30]), (35, [30])):
                    with self.subTest(account=account, places=places):
                        self.refuses(verify, balance(accounts, account, places, shown=b""), KEY)
        verify(balance({}, 7, []), KEY)
        self.refuses(verify, balance({}, 7, [], root=bytes(32)), KEY)

    def test_nothing_but_a_record_of_balances_is_one(self):
        verify(balance({10: state(2_000)}, 10), KEY)
        for record in (
            dict(kind=20),
            dict(table=16),
            dict(position=4_001),
            dict(expires=1),
            dict(version=2),
            dict(zero=1),
            dict(value=b"\0"),
        ):
            with self.subTest(record=record):
                self.refuses(verify, balance({10: state(2_000)}, 10, **record), KEY)

    def test_points_of_small_order_sign_nothing(self):
        neutral = (1).to_bytes(32, "little")
        unsigned = signed_head()[:144]
        self.refuses(verify, unsigned + neutral + neutral + bytes(32), neutral)

    def test_other_files_get_a_message(self):
        with tempfile.TemporaryDirectory() as room:
            room = pathlib.Path(room)
            (room / "key").write_text(KEY.hex())
            (room / "bad").write_bytes(b"\xff no key")
            (room / "head").write_bytes(signed_head())
            both = [SEED, bytes([1] * 32)]
            (room / "both").write_text("".join(f"{ed25519.public_key(seed).hex()}\n" for seed in both))
            (room / "cosigned").write_bytes(cosigned(both))
            (room / "long").write_bytes(b"FLORINRC" + bytes(1 << 20))
            run = lambda *files: subprocess.run(
                [sys.executable, VERIFIER, *(room / file for file in files)], capture_output=True, text=True
            )
            self.assertEqual(run("key", "head").returncode, 0)
            self.assertEqual(run("both", "cosigned").returncode, 0)
            for files, said in (
                (("bad", "head"), "64 hexadecimal digits"),
                (("key", "long"), "no file that proves anything"),
                (("key", "none"), "No such file"),
                (("key", "head", "head"), "redeem"),
                (("key", "cosigned"), "others than these keys"),
                (("both", "head"), "by another key"),
                (("key",), "PUBLIC_KEY_FILE"),
            ):
                ended = run(*files)
                self.assertEqual(ended.returncode, 1, files)
                self.assertIn(said, ended.stderr)
                self.assertNotIn("Traceback", ended.stderr)


if __name__ == "__main__":
    unittest.main()
