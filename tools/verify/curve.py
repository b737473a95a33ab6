"""Signatures of Ed25519 (RFC 8032, 5.1) with the standard library alone, as docs/FORMAT.md ("Proofs") says when one is
right. Whoever has a library that judges as strictly takes that."""
import hashlib

class Refused(Exception):
    """The file proves nothing."""

def check(holds, why):
    if not holds:
        raise Refused(why)

# A point is x, y, z, t with x/z, y/z on the curve and t = xy/z.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P)

def times(n, point):
    others = times(n >> 1, add(point, point)) if n else (0, 1, 1, 0)
    return add(others, point) if n & 1 else others

def point(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    check(y < P, "a point that is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    check((x * x - square) % P == 0 and (x or not sign), "no point of the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)

is_same = lambda a, b: (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0
BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def check_signature(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    check(s < L, "a signature that is not canonical")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    r, public = point(signature[:32]), point(key)
    check(not any(is_same(times(8, it), (0, 1, 1, 0)) for it in (r, public)), "a point of small order")
    check(is_same(times(s, BASE), add(r, times(k, public))), "the signature is wrong")
