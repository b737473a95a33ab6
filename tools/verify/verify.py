"""Verifies what a bank on Florin proves: receipts, inclusion proofs, consistency proofs, signed heads.

    python3 verify.py PUBLIC_KEY_FILE FILE [PROOF_THAT_REDEEMS_THE_RECEIPT]

Written from docs/FORMAT.md ("Proofs") alone, with the standard library alone. Ends with 0 and prints what is
proved, or with 1 and the reason why it proves nothing. Meant to be read: it shares no line with the bank.
"""

import hashlib
import json
import struct
import sys

class Refused(Exception):
    """The file proves nothing."""

def check(holds, why):
    if not holds:
        raise Refused(why)

# Ed25519 (RFC 8032, 5.1): a point is x, y, z, t with x/z, y/z on the curve and t = xy/z.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P)

def times(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total

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

BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def check_signature(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    check(s < L, "a signature that is not canonical")
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    k = int.from_bytes(digest, "little") % L
    a, b = times(s, BASE), add(point(signature[:32]), times(k, point(key)))
    same = (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0
    check(same, "the signature is wrong")

# The tree (RFC 9162, 2.1).
def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()

def root_of_inclusion(leaf, index, size, path):
    check(index < size, "an index that is not in the tree")
    fn, sn, hashed = index, size - 1, leaf
    for beside in path:
        check(sn, "a path that is too long")
        if fn & 1 or fn == sn:
            hashed = node(beside, hashed)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            hashed = node(hashed, beside)
        fn, sn = fn >> 1, sn >> 1
    check(sn == 0, "a path that is too short")
    return hashed

def check_consistency(first, second, path):
    check(first["leaves"] <= second["leaves"], "the first head is not the older one")
    if first["leaves"] == second["leaves"]:
        check(not path and first["root"] == second["root"], "two trees of one size")
        return
    if first["leaves"] & (first["leaves"] - 1) == 0:
        path = [first["root"], *path]
    check(path, "a path that is too short")
    fn, sn = first["leaves"] - 1, second["leaves"] - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for beside in path[1:]:
        check(sn, "a path that is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(beside, fr), node(beside, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, beside)
        fn, sn = fn >> 1, sn >> 1
    check(sn == 0, "a path that is too short")
    check((fr, sr) == (first["root"], second["root"]), "one tree is not the beginning of the other")

# The files (docs/FORMAT.md, "Proofs").
def split(data, layout):
    size = struct.calcsize("<" + layout)
    check(size <= len(data), "the file ends too soon")
    return struct.unpack("<" + layout, data[:size]), data[size:]

def head(data, key):
    check(len(data) == 224, "a head has 224 bytes")
    (magic, version, zero, database, epoch, leaves, lsn, time, chain, root), _ = split(data, "8sII16sQQQQ32s32s")
    check((magic, version, zero) == (b"FLORINTH", 1, 0), "no head of version 1")
    check(1 <= leaves <= 2**60, "a size that can't be")
    check(data[128:160] == key, "signed by another key")
    check_signature(key, data[:128], data[160:])
    return dict(database=database, epoch=epoch, leaves=leaves, lsn=lsn, time=time, chain=chain, root=root)

KINDS = {1: "epoch", 2: "account", 4: "transfer", 6: "expiry", 7: "failed", 16: "refusal", 17: "document_put"}
KINDS |= {18: "document_deleted", 19: "commit", 20: "event", 22: "document_expired"}
FIXED = {1: 32, 2: 128, 4: 128, 6: 80, 7: 24}
LENGTHS = {16: (64, "H", 58), 17: (16, "HI", 2), 18: (16, "HI", 2), 19: (56, "H", 48), 20: (16, "HI", 2), 22: (16, "HI", 2)}

def record(leaf):
    (epoch, lsn, time, kind, zero), content = split(leaf, "QQQB7s")
    check(kind in KINDS and zero == bytes(7), "no record")
    expected = FIXED.get(kind)
    if expected is None:
        start, layout, at = LENGTHS[kind]
        expected = start + sum(split(content[at:], layout)[0])
    check(len(content) == expected, "a record of another length")
    said = dict(what=KINDS[kind], position=f"{epoch}:{lsn}", time=time)
    if kind == 4:
        (identity, debit, credit, amount), _ = split(content, "16s16s16s16s")
        whole = lambda number: str(int.from_bytes(number, "little"))
        said |= dict(id=whole(identity), debit=whole(debit), credit=whole(credit), amount=whole(amount))
    return said

def receipt(data, key):
    fixed, rest = split(data, "8sII16sQ32sII32s")
    magic, version, leaf_bytes, database, lsn, chain, durable, zero, signer = fixed
    check((magic, version, durable, zero) == (b"FLORINRC", 1, 1, 0), "no receipt of version 1")
    check(signer == key, "signed by another key")
    check(len(rest) == leaf_bytes + 64, "a receipt of another length")
    check_signature(key, data[:-64], data[-64:])
    return dict(database=database, lsn=lsn, chain=chain, leaf=rest[:-64], record=record(rest[:-64]))

def inclusion(data, key):
    (magic, version, leaf_bytes, index, hashes, zero), rest = split(data, "8sIIQII")
    check((magic, version, zero) == (b"FLORINIP", 1, 0), "no inclusion proof of version 1")
    check(hashes <= 64 and len(rest) == 224 + 32 * hashes + leaf_bytes, "a proof of another length")
    of, path, leaf = head(rest[:224], key), rest[224 : 224 + 32 * hashes], rest[224 + 32 * hashes :]
    path = [path[at : at + 32] for at in range(0, len(path), 32)]
    hashed = hashlib.sha256(b"\0" + leaf).digest()
    root = root_of_inclusion(hashed, index, of["leaves"], path)
    check(root == of["root"], "the record does not lead to the root that was signed")
    return dict(head=of, index=index, leaf=leaf, record=record(leaf), database=of["database"])

def consistency(data, key):
    (magic, version, hashes), rest = split(data, "8sII")
    check((magic, version) == (b"FLORINCP", 1), "no consistency proof of version 1")
    check(hashes <= 64 and len(rest) == 448 + 32 * hashes, "a proof of another length")
    first, second, path = head(rest[:224], key), head(rest[224:448], key), rest[448:]
    check(first["database"] == second["database"], "two databases")
    rises = all(first[field] <= second[field] for field in ("epoch", "lsn", "time"))
    check(rises, "the newer head lies before the older one")
    check_consistency(first, second, [path[at : at + 32] for at in range(0, len(path), 32)])
    return dict(first=first, second=second)

def verify(data, key):
    """What a file proves to whoever trusts a public key of 32 bytes."""
    kinds = {b"FLORINTH": head, b"FLORINRC": receipt, b"FLORINIP": inclusion, b"FLORINCP": consistency}
    check(data[:8] in kinds, "no file that proves anything")
    return kinds[data[:8]](data, key)

def check_redeemed(promised, proof):
    check(promised["database"] == proof["database"], "the receipt is another database's")
    check(promised["leaf"] == proof["leaf"], "the proof is of something else")
    same_end = proof["head"]["lsn"] == promised["lsn"]
    check(not same_end or proof["head"]["chain"] == promised["chain"], "another history ends there")

def main(key_file, file, redeeming=None):
    with open(key_file, encoding="ascii") as opened:
        key = bytes.fromhex(opened.read().strip())
    with open(file, "rb") as opened:
        said = verify(opened.read(), key)
    if redeeming:
        with open(redeeming, "rb") as opened:
            check_redeemed(said, verify(opened.read(), key))
    print(json.dumps(said, default=lambda binary: binary.hex()))

if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refused as refused:
        sys.exit(f"it proves nothing: {refused}")
