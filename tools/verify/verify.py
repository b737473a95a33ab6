"""Verifies what a bank on Florin proves: receipts, inclusion, consistency, balances, heads of one or more signers.

    python3 verify.py PUBLIC_KEY_FILE FILE [PROOF_THAT_REDEEMS_THE_RECEIPT | WHAT_THE_BALANCE_MUST_COUNT]

Written from docs/FORMAT.md ("Proofs") alone, with the standard library and curve.py alone: it shares no line with the
bank. Ends with 0 and prints what is proved, or with 1. A co-signed head is of all keys, one a line.
"""
import hashlib, json, re, struct, sys
from curve import Refused, check, check_signature

# The tree (RFC 9162, 2.1).
sha256 = lambda data: hashlib.sha256(data).digest()
node = lambda left, right: sha256(b"\1" + left + right)

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
    said, at = record(leaf), place(leaf)
    root = walk(index, of["leaves"] - 1, sha256(b"\0" + leaf), cut(path))[1]
    check(index < of["leaves"] and root == of["root"], "it does not lead to the root")
    check(at["lsn"] < of["lsn"] and at["epoch"] <= of["epoch"] and at["time"] <= of["time"], "it is behind its head")
    return dict(head=of, index=index, leaf=leaf, record=said)

def consistency(data, key):
    (magic, version, hashes), rest = split(data, "8sII")
    check((magic, version) == (b"FLORINCP", 1), "no consistency proof of version 1")
    check(hashes <= 64 and len(rest) == 480 + 32 * hashes, "a proof of another length")
    first, second = head(rest[:240], key), head(rest[240:480], key)
    check_bank(first, second)
    check_consistency(first, second, cut(rest[480:]))
    return dict(first=first, second=second)

def capture(leaf):
    (*start, version, zero, accounts, root), _ = split(leaf[32:48] + leaf[56:], "HHIQIIQ32s")
    position = int.from_bytes(leaf[48:56], "big")
    is_one = (leaf[24], *start, version, zero) == (17, 6, 8, 48, 0, 1, 0)
    check(is_one and position <= place(leaf)["lsn"], "no record of all balances before it")
    return dict(position=position, accounts=accounts, root=root)

def balance(data, key):
    (magic, version, proof_bytes, account, count, state_bytes), rest = split(data, "8sII16sII")
    check((magic, version) == (b"FLORINBP", 1) and count <= 2 and state_bytes in (0, 80), "no such balance proof")
    proof, rest, account, places = inclusion(rest[:proof_bytes], key), rest[proof_bytes:], whole(account), []
    said = dict(head=proof["head"], account=str(account), last_posting=None, **capture(proof["leaf"]))
    for _ in range(count):
        (index, hashes, zero, id, state), rest = split(rest, "QII16s32s")
        path, rest = rest[: 32 * hashes], rest[32 * hashes :]
        check(index < said["accounts"] and zero == 0 and len(path) == 32 * hashes <= 2048, "a place that can't be")
        root = walk(index, said["accounts"] - 1, sha256(b"\0FLORINBL" + id + state), cut(path))[1]
        check(root == said["root"], "it does not lead to the root that is on record")
        places.append((index, whole(id), state))
    check(len(rest) == state_bytes, "a proof of another length")
    if rest:
        *balances, ledger, zero, last = split(rest, "16s16s16s16sIIQ")[0]
        check([it[1:] for it in places] == [(account, sha256(rest))], "the balance of another account")
        check(zero == 0 and last < said["position"] and (last or not any(rest[:64])), "a balance that can't be")
        names = "debits_pending debits_posted credits_pending credits_posted".split()
        return said | dict(zip(names, map(str, map(whole, balances))), ledger=ledger, last_posting=last)
    below, above = ([index for index, id, _ in places if (id < account) == side and id != account] for side in (1, 0))
    at = below[0] + 1 if below else 0
    is_between = above == [at][: said["accounts"] - at] and len(below) < 2 and [it[0] for it in places] == below + above
    check(is_between and (places or said["root"] == sha256(b"")), "no neighbours of an account that is not there")
    return said

def verify(data, key):
    kinds = {b"TH": head, b"CH": cosigned, b"RC": receipt, b"IP": inclusion, b"CP": consistency, b"BP": balance}
    check(len(data) <= FILE_BYTES_MAX and data[:6] == b"FLORIN" and data[6:8] in kinds, "no file that proves anything")
    return kinds[data[6:8]](data, key)

def check_counted(said, other):
    check("leaf" in other, "a balance counts records, and nothing else")
    leaf, of = other["leaf"], other.get("head") or other | place(other["leaf"])
    check_bank(said["head"], of)
    sides = {2: [leaf[32:48]], 4: [leaf[48:64], leaf[64:80]], 6: [leaf[48:64], leaf[64:80]]}.get(leaf[24], [])
    is_of_it = said["account"] in [str(whole(it)) for it in sides] and said["head"]["life"] == of["life"]
    check(is_of_it, "the record is no posting on that account, or of another life of the database")
    check(place(leaf)["lsn"] < said["position"], "the record lies behind the balance, which can't count it")
    is_counted = said["last_posting"] is not None and (leaf[24] == 2 or place(leaf)["lsn"] <= said["last_posting"])
    check(is_counted, "the balance leaves out this record, which lies before it: the bank's word is broken")

def check_redeemed(promised, proof):
    check("chain" in promised and "leaf" in promised and "index" in proof, "inclusion proofs redeem receipts, only")
    check(promised["leaf"] == proof["leaf"], "the proof is of something else")
    check_bank(promised | place(promised["leaf"]), proof["head"])
    ends, end = [[it["lsn"], it["chain"]] for it in (proof["head"], promised)]
    check(end[0] < ends[0] or end == ends, "the head ends before the promise, or in another history")

def main(key_file, file, redeeming=None):
    read = lambda path: open(path, "rb").read(FILE_BYTES_MAX + 1)
    is_key = re.fullmatch(rb"\s*([\da-fA-F]{64}\s*)+", read(key_file))
    check(is_key, f"a key is 64 hexadecimal digits, which {key_file} has not")
    said = verify(read(file), key := bytes.fromhex(read(key_file).decode()))
    if redeeming:
        (check_counted if "account" in said else check_redeemed)(said, verify(read(redeeming), key))
    print(json.dumps(said, default=lambda binary: binary.hex()))

if __name__ == "__main__":
    try:
        main(*sys.argv[1:]) if len(sys.argv) in (3, 4) else sys.exit(__doc__)
    except (Refused, OSError) as refused:
        sys.exit(f"it proves nothing: {refused}")
