"""Runs the verifier of tools/verify on files that a real server gave, and on what is left of them after every
byte was changed: what docs/FORMAT.md says must be enough, and no proof may survive a change.

FLORIN_PROOFS=DIR FLORIN_PUBLIC_KEY=FILE FLORIN_REDEEMED=FILE python3 -m unittest test_verify
"""

import os
import pathlib
import secrets
import struct
import sys
import unittest

import ed25519

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools" / "verify"))
from verify import Refused, check_redeemed, verify  # noqa: E402


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

    def test_every_file_proves_what_the_bank_said(self):
        self.assertEqual(
            sorted(self.files),
            ["commit", "consistency", "document", "head", "position", "receipt", "transfer"],
        )
        said = {name: verify(data, self.key) for name, data in self.files.items()}
        transfer = said["transfer"]["record"]
        self.assertEqual((transfer["what"], transfer["id"], transfer["amount"]), ("transfer", "77", "7700"))
        self.assertEqual((transfer["debit"], transfer["credit"]), ("1", "2"))
        self.assertEqual(said["receipt"]["record"], transfer)
        self.assertEqual(said["commit"]["record"]["what"], "commit")
        self.assertEqual(said["document"]["record"]["what"], "document_put")
        self.assertEqual(said["consistency"]["first"], said["head"])
        check_redeemed(said["receipt"], verify(self.redeemed, self.key))
        with self.assertRaises(Refused):
            check_redeemed(said["receipt"], said["document"])

    def test_whatever_is_changed_is_refused(self):
        # One of each kind: a signature takes some milliseconds here.
        for name in ("head", "receipt", "transfer", "consistency"):
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


if __name__ == "__main__":
    unittest.main()
