"""Proves a key to a real server that lets in nobody without one.

FLORIN_ADDRESS=HOST:PORT FLORIN_KEY=FILE.pem python3 -m unittest test_proof

The key may read ledger 840, and nothing else.
"""

import base64
import os
import secrets
import unittest

import ed25519
from florin_client import Account, Client, Refused

ADDRESS = os.environ.get("FLORIN_ADDRESS")


def seed_of(path):
    """The seed in a private key file: PKCS #8 in PEM."""
    with open(path, encoding="ascii") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("-----")]
    return base64.b64decode("".join(lines))[16:48]


class ProofTest(unittest.TestCase):
    def setUp(self):
        if not ADDRESS:
            self.fail("FLORIN_ADDRESS says no HOST:PORT")
        self.key = seed_of(os.environ["FLORIN_KEY"])

    def test_signatures_are_those_of_rfc_8032(self):
        seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
        self.assertEqual(
            ed25519.sign(seed, b"\x72").hex(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )

    def test_a_known_key_comes_in_and_may_do_what_its_roles_say(self):
        with Client(ADDRESS, key=self.key) as client:
            self.assertEqual((client.key_name, client.roles), ("python", {"read"}))
            client.trial_balance(840)
            for forbidden in (
                lambda: client.trial_balance(978),
                lambda: client.create_accounts([Account(id=1, ledger=840, code=1)]),
            ):
                with self.assertRaises(Refused) as refused:
                    forbidden()
                self.assertEqual(refused.exception.kind, "forbidden")

    def test_nobody_else_comes_in(self):
        for key in (None, secrets.token_bytes(32)):
            with self.assertRaises(Refused) as refused:
                Client(ADDRESS, key=key)
            self.assertEqual(refused.exception.kind, "unauthenticated")


if __name__ == "__main__":
    unittest.main()
