"""An app of a bank, written from docs/API.md and the RFCs alone: it logs a customer in and proves with
every request that it has its key (RFC 9449)."""

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from requests.auth import AuthBase

STEP_SECONDS = 30


def text(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def code(secret, step):
    """The code of a step (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.digest(key, struct.pack(">Q", step), "sha1")
    place = mac[-1] & 15
    number = struct.unpack(">I", mac[place : place + 4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


class Authenticator:
    """Shows codes, none of them twice: no bank takes one again."""

    def __init__(self, secret):
        self.secret = secret
        # Banks take the code of the step before, too.
        self.next_step = int(time.time()) // STEP_SECONDS - 1

    def code(self):
        # And the code of the step after.
        assert self.next_step <= int(time.time()) // STEP_SECONDS + 1, "three codes are all there are"
        step, self.next_step = self.next_step, self.next_step + 1
        return code(self.secret, step)


class App(AuthBase):
    """An app with a key of its own, and the tokens of whoever is logged in."""

    def __init__(self, server, person):
        self.url, self.authority = server.said["api_url"], server.authority
        self.person, self.authenticator = person, Authenticator(person["totp_secret"])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.access_token, self.refresh_token = None, None

    def __call__(self, request):
        """Signs a request as it is sent."""
        return self.sign(request, [])

    def without(self, names):
        """Signs requests and leaves these headers out."""
        return lambda request: self.sign(request, names)

    def sign(self, request, left_out):
        url = request.url.split("?")[0].split("#")[0]
        headers = {"DPoP": self.proof(request.method, url)}
        if self.access_token:
            headers["Authorization"] = f"DPoP {self.access_token}"
        request.headers.update({n: value for n, value in headers.items() if n not in left_out})
        return request

    def proof(self, method, url):
        numbers = self.key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256"}
        jwk |= {"x": text(numbers.x.to_bytes(32)), "y": text(numbers.y.to_bytes(32))}
        claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_hex(16)}
        if self.access_token:
            claims["ath"] = text(hashlib.sha256(self.access_token.encode()).digest())
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
        signed = ".".join(text(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{text(r.to_bytes(32) + s.to_bytes(32))}"

    def ask(self, method, path, **more):
        return requests.request(
            method, self.url + path, auth=self, verify=self.authority, timeout=30, **more
        )

    def takes(self, answer):
        """Goes on with the tokens of an answer."""
        self.access_token, self.refresh_token = answer["access_token"], answer["refresh_token"]

    def log_in(self):
        words = {"email": self.person["email"], "password": self.person["password"]}
        begun = self.ask("POST", "/auth/login", json=words)
        assert begun.status_code == 200, begun.text
        words = {"attempt": begun.json()["attempt"], "code": self.authenticator.code()}
        ended = self.ask("POST", "/auth/login/verify", json=words)
        assert ended.status_code == 200, ended.text
        self.takes(ended.json())
        return self
