"""Verifies what a bank on Florin proves: receipts, inclusion proofs, consistency proofs, heads of one or more signers.

    python3 verify.py PUBLIC_KEY_FILE FILE [PROOF_THAT_REDEEMS_THE_RECEIPT]

Written from docs/FORMAT.md ("Proofs") alone, with the standard library alone: it shares no line with the bank. Ends
with 0 and prints what is proved, or with 1 and why it proves nothing. A co-signed head is of all keys, one a line.
"""
import hashlib, json, re, struct, sys

class Refused(Exception):
    """The file proves nothing."""

def check(holds, why):
    if not holds:
        raise Refused(why)

# Ed25519 (RFC 8032, 5.1): a point is x, y, z, t with x/z, y/z on the curve and t = xy/z.
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

# The tree (RFC 9162, 2.1).
node = lambda left, right: hashlib.sha256(b"\1" + left + right).digest()

def walk(fn, sn, seed, path):
    fr = sr = seed
    for beside in path:
        check(sn, "a path that is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(beside, fr), node(beside, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, beside)
        fn, sn = fn >> 1, sn >> 1
    check(sn == 0, "a path that is too short")
    return fr, sr

def check_consistency(first, second, path):
    if first["leaves"] == second["leaves"]:
        return check(not path and first == second, "two heads of one size that differ")
    rises = first["leaves"] < second["leaves"] and first["lsn"] < second["lsn"]
    check(rises and first["epoch"] <= second["epoch"] and first["time"] <= second["time"], "the newer lies before")
    path = path if first["leaves"] & (first["leaves"] - 1) else [first["root"], *path]
    check(path, "a path that is too short")
    fn, sn = first["leaves"] - 1, second["leaves"] - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    check(walk(fn, sn, path[0], path[1:]) == (first["root"], second["root"]), "one is not the beginning of the other")

# The files (docs/FORMAT.md, "Proofs").
FILE_BYTES_MAX, LEAF_BYTES_MAX = 1 << 20, 65_880

def split(data, layout):
    size = struct.calcsize("<" + layout)
    check(size <= len(data), "the file ends too soon")
    return struct.unpack("<" + layout, data[:size]), data[size:]
whole = lambda number: int.from_bytes(number, "little")
name = lambda incarnation: f"{whole(incarnation):032x}"
cut = lambda path: [path[at : at + 32] for at in range(0, len(path), 32)]
place = lambda leaf: dict(zip(("epoch", "lsn", "time"), split(leaf, "QQQ")[0]))

def head(data, key):
    fields, rest = split(data, "8sII16s16sQQQQ32s32s32s64s")
    magic, version, zero, birth, life, _, leaves, *_, signer, signature = fields
    is_head = (magic, version, zero, rest) == (b"FLORINTH", 1, 0, b"") and 1 <= leaves <= 2**60
    check(is_head and signer == key, "no head, or by another key")
    check_signature(key, data[:144], signature)
    return dict(zip("epoch leaves lsn time chain root".split(), fields[5:]), database=name(birth), life=name(life))

def cosigned(data, keys):
    (magic, version, signers), rest = split(data, "8sII")
    check((magic, version, len(rest)) == (b"FLORINCH", 1, 144 + 96 * signers) and 2 <= signers <= 32, "no such head")
    signed = [rest[at : at + 96] for at in range(144, len(rest), 96)]
    check([it[:32] for it in signed] == sorted(set(cut(keys))), "signed by others than these keys, or not by all")
    return dict(head=[head(rest[:144] + it, it[:32]) for it in signed][0], keys=[it[:32] for it in signed])

def check_bank(one, other):
    check(one["database"] == other["database"], "two databases")
    same = max(one["epoch"] - 1, 0) >> 40 == max(other["epoch"] - 1, 0) >> 40
    check(same == (one["life"] == other["life"]), "two lives of the database that exclude each other")

KINDS = {1: "epoch", 2: "account", 4: "transfer", 6: "expiry", 7: "failed", 11: "life", 16: "refusal"}
KINDS |= {17: "document_put", 18: "document_deleted", 19: "commit", 20: "event", 22: "document_expired"}
LENGTHS = {kind: (length, "", 0) for kind, length in {1: 32, 2: 128, 4: 128, 6: 80, 7: 24, 11: 48}.items()}
LENGTHS |= {16: (64, "H", 58), 19: (56, "H", 48)} | {kind: (16, "HI", 2) for kind in (17, 18, 20, 22)}
ZEROS = {1: slice(8, 16), 2: slice(16, 80), 6: slice(78, 80), 7: slice(20, 24), 16: slice(60, 64)}
ZEROS |= {18: slice(4, 16), 19: slice(50, 56), 20: slice(8, 16), 22: slice(4, 8)}
STATUSES = {1: 27, 2: 68, 11: 27, 12: 68} | {reason: 1 for reason in range(3, 11)}  # of each reason, so many
FLAGS = "linked pending post_pending_transfer void_pending_transfer balancing_debit balancing_credit closing_debit"
FLAGS = [*FLAGS.split(), "closing_credit", "imported", *(f"reserved_{bit}" for bit in range(9, 16))]

def record(leaf):
    (epoch, lsn, time, kind, zero), content = split(leaf, "QQQB7s")
    check(len(leaf) <= LEAF_BYTES_MAX and kind in KINDS and zero == bytes(7), "no record")
    length, layout, at = LENGTHS[kind]
    check(len(content) == length + sum(split(content[at:], layout)[0]), "a record of another length")
    zeros = content[ZEROS.get(kind, slice(0))] + content[108 : 112 if kind == 2 else 108]
    check(not any(zeros), "bytes that are not zero")
    check((kind != 7 or whole(content[16:20]) < 68) and (kind != 11 or any(content[:8])), "a number that can't be")
    check(kind != 16 or content[57] < STATUSES.get(content[56], 0), "an unknown reason")
    said = dict(what=KINDS[kind], position=f"{epoch}:{lsn}", time=time)
    if kind == 4:
        names = "id debit credit amount pending_id user_data_128 user_data_64 user_data_32 timeout ledger code".split()
        fields, flags = split(content, "16s16s16s16s16s16sQIIIH")[0], split(content[118:], "H")[0][0]
        said |= {field: str(whole(it) if isinstance(it, bytes) else it) for field, it in zip(names, fields)}
        said["flags"] = [flag for bit, flag in enumerate(FLAGS) if flags >> bit & 1]
    if kind == 11:
        (number, restored_to, life, previous), _ = split(content, "QQ16s16s")
        said |= dict(number=number, restored_to=restored_to, life=name(life), previous=name(previous))
    return said if kind in (4, 11) else said | dict(content=content)

def receipt(data, key):
    fields, rest = split(data, "8sII16s16sQ32sIHH32s")
    magic, version, leaf_bytes, birth, life, lsn, chain, durable, standbys, demanded, signer = fields
    check((magic, version, durable, signer) == (b"FLORINRC", 1, 1, key), "no receipt, or by another key")
    check(len(rest) == leaf_bytes + 64, "a receipt of another length")
    check_signature(key, data[:-64], data[-64:])
    leaf, on = rest[:-64], dict(standbys=standbys, standbys_demanded=demanded)
    check(place(leaf)["lsn"] < lsn, "the record lies behind its frame")
    return dict(database=name(birth), life=name(life), lsn=lsn, chain=chain, leaf=leaf, record=record(leaf), durable=on)

def inclusion(data, key):
    (magic, version, leaf_bytes, index, hashes, zero), rest = split(data, "8sIIQII")
    check((magic, version, zero) == (b"FLORINIP", 1, 0), "no inclusion proof of version 1")
    check(hashes <= 64 and len(rest) == 240 + 32 * hashes + leaf_bytes, "a proof of another length")
    of, path, leaf = head(rest[:240], key), rest[240 : 240 + 32 * hashes], rest[240 + 32 * hashes :]
    said, at, hashed = record(leaf), place(leaf), hashlib.sha256(b"\0" + leaf).digest()
    root = walk(index, of["leaves"] - 1, hashed, cut(path))[1]
    check(index < of["leaves"] and root == of["root"], "it does not lead to the root")
    check(at["lsn"] < of["lsn"] and at["epoch"] <= of["epoch"] and at["time"] <= of["time"], "it is behind its head")
    return dict(head=of, index=index, leaf=leaf, record=said)

def consistency(data, key):
    (magic, version, hashes), rest = split(data, "8sII")
    check((magic, version) == (b"FLORINCP", 1), "no consistency proof of version 1")
    check(hashes <= 64 and len(rest) == 480 + 32 * hashes, "a proof of another length")
    first, second, path = head(rest[:240], key), head(rest[240:480], key), rest[480:]
    check_bank(first, second)
    check_consistency(first, second, cut(path))
    return dict(first=first, second=second)

def verify(data, key):
    kinds = {b"TH": head, b"CH": cosigned, b"RC": receipt, b"IP": inclusion, b"CP": consistency}
    check(len(data) <= FILE_BYTES_MAX and data[:6] == b"FLORIN" and data[6:8] in kinds, "no file that proves anything")
    return kinds[data[6:8]](data, key)

def check_redeemed(promised, proof):
    check("chain" in promised and "leaf" in promised and "index" in proof, "inclusion proofs redeem receipts, no others")
    check(promised["leaf"] == proof["leaf"], "the proof is of something else")
    check_bank(promised | place(promised["leaf"]), proof["head"])
    ends, end = [[it["lsn"], it["chain"]] for it in (proof["head"], promised)]
    check(end[0] < ends[0] or end == ends, "the head ends before the promise, or in another history")

def main(key_file, file, redeeming=None):
    read = lambda path: open(path, "rb").read(FILE_BYTES_MAX + 1)
    key = read(key_file).strip()
    check(re.fullmatch(rb"([\da-fA-F]{64}\s*)+", key), f"a key is 64 hexadecimal digits, which {key_file} has not")
    key = bytes.fromhex(key.decode())
    said = verify(read(file), key)
    if redeeming:
        check_redeemed(said, verify(read(redeeming), key))
    print(json.dumps(said, default=lambda binary: binary.hex()))

if __name__ == "__main__":
    try:
        main(*sys.argv[1:]) if len(sys.argv) in (3, 4) else sys.exit(__doc__)
    except (Refused, OSError) as refused:
        sys.exit(f"it proves nothing: {refused}")
