"""Backups in an object store, as an operator makes and uses them: over the network that fails, beside others who write
there. What would go wrong without: a backup that is not there on the day that it is needed, or one that took another's
place.
"""

import collections
import json
import os
import subprocess

import pytest
from werkzeug.serving import make_ssl_devcert

from store import PAGE, object_store

START = 1_700_000_000 * 10**9
KEYS = {"AWS_ACCESS_KEY_ID": "bank", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


def florin(*arguments, stdin=None, **environment):
    """Runs the program with the variables that are given, and none of whoever runs the tests."""
    path = os.environ.get("FLORIN")
    assert path, "FLORIN says no path of the binary"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [path, *map(str, arguments)]
    return subprocess.run(command, input=stdin, text=True, capture_output=True, env=kept | environment)


def ask(data, start, *operations):
    """What the ledger answers. Each sitting begins a segment of its log."""
    lines = "".join(json.dumps(operation) + "\n" for operation in operations)
    told = florin("exec", "--data", data, "--clock-start", start, stdin=lines)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


@pytest.fixture(scope="module")
def store():
    with object_store() as store:
        yield store


class Bank:
    """A ledger, and where its backups lie."""

    def __init__(self, store, directory):
        self.store, self.data = store, directory / "data"
        self.bucket = store.bucket()
        self.place = f"s3://{self.bucket}/of/bank"
        self.environment = KEYS | {"AWS_ENDPOINT_URL": store.url}
        self.signing, self.directory = directory / "signing.pem", directory
        self.signer = florin("keys", "generate", self.signing).stdout.strip()
        self.seal = ["--in-the-clear"]
        self.hours = 0
        accounts = [{"id": str(number), "ledger": 978, "code": 1} for number in (1, 2)]
        ask(self.data, START, {"create_accounts": accounts})
        for _ in range(3):
            self.goes_on()

    def goes_on(self):
        self.hours += 1
        transfers = [
            {"id": str(self.hours * 1000 + number), "debit_account_id": "1", "credit_account_id": "2",
             "amount": "7", "ledger": 978, "code": 1}
            for number in range(100)
        ]
        ask(self.data, START + self.hours * 3600 * 10**9, {"create_transfers": transfers})

    def accounts(self, data=None):
        late = START + 10**6 * 10**9
        return ask(data or self.data, late, {"lookup_accounts": ["1", "2"]})[0]["accounts"]

    def runs(self, *arguments, **environment):
        return florin(*arguments, **(self.environment | environment))

    def back_up(self, place=None):
        signs = ["--signing-key", self.signing, *self.seal, "--json"]
        return self.runs("backup", "create", "--data", self.data, "--to", place or self.place, *signs)

    def backed_up(self, place=None):
        told = self.back_up(place)
        assert told.returncode == 0, (told.stdout, told.stderr)
        return json.loads(told.stdout)

    def reads(self, *command, place=None):
        return self.runs(*command, "--from", place or self.place, "--signed-by", self.signer)

    def holds(self, place=None):
        """Whether the newest backup does."""
        told = self.reads("backup", "verify", place=place)
        assert told.returncode in (0, 1), told.stderr
        return told.returncode == 0

    def objects(self):
        """The keys of the objects that segments are in, by number of the segment."""
        found = {}
        for key in self.store.keys(self.bucket):
            if "/manifests/" not in key:
                found[int(key.split("/")[-2])] = key
        return found

    def manifests(self):
        return [key for key in self.store.keys(self.bucket) if "/manifests/" in key]


@pytest.fixture
def bank(store, tmp_path):
    return Bank(store, tmp_path)


def test_a_bank_goes_to_a_bucket_and_comes_back(bank, tmp_path):
    first = bank.backed_up()
    assert first["stored_objects"] == first["objects"] == 4 and first["kept_objects"] == 0
    bank.goes_on()
    second = bank.backed_up()
    assert (second["objects"], second["stored_objects"], second["kept_objects"]) == (5, 1, 3)
    listed = bank.reads("backup", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [json.loads(line)["name"] for line in listed.stdout.splitlines()] == [first["name"], second["name"]]
    assert bank.holds()
    drilled = bank.reads("backup", "drill", "--json")
    assert drilled.returncode == 0 and json.loads(drilled.stdout)["holds"], drilled
    restored = bank.reads("restore", "--to", tmp_path / "restored")
    assert restored.returncode == 0, restored.stderr
    assert bank.accounts(tmp_path / "restored") == bank.accounts()
    assert bank.accounts()[0]["debits_posted"] == str(4 * 100 * 7)
    # What only the older one names goes with it.
    pruned = bank.reads("backup", "prune", "--keep", "1")
    assert pruned.returncode == 0, pruned.stderr
    assert len(bank.manifests()) == 1 and len(bank.store.keys(bank.bucket)) == 1 + 5
    assert all(key.startswith("of/bank/") for key in bank.store.keys(bank.bucket))
    assert bank.holds()


def test_a_store_is_believed_by_its_certificate(bank, tmp_path):
    certificate = make_ssl_devcert(str(tmp_path / "store"), host="localhost")
    other = make_ssl_devcert(str(tmp_path / "other"), host="localhost")
    with object_store(certificate) as sealed:
        # Both servers have the same buckets.
        bank.environment |= {"AWS_ENDPOINT_URL": sealed.url, "AWS_CA_BUNDLE": certificate[0]}
        assert bank.backed_up()["objects"] == 4
        assert bank.holds()
        told = bank.runs("backup", "list", "--from", bank.place, "--signed-by", bank.signer, AWS_CA_BUNDLE=other[0])
        assert told.returncode == 3 and "is not trusted" in told.stderr, told
        named = sealed.url.replace("localhost", "127.0.0.1")
        told = bank.runs("backup", "list", "--from", bank.place, "--signed-by", bank.signer, AWS_ENDPOINT_URL=named)
        assert told.returncode == 3 and "is not trusted" in told.stderr, told


def test_a_damaged_log_is_repaired_from_a_bucket(bank):
    bank.backed_up()
    before = bank.accounts()
    segment = sorted((bank.data / "log").iterdir())[1]
    content = bytearray(segment.read_bytes())
    content[5000] ^= 1
    segment.write_bytes(content)
    signed = ["--signed-by", bank.signer]
    told = bank.runs("repair", "--data", bank.data, "--from-backup", bank.place, *signed)
    assert told.returncode == 0 and "segment 1: " in told.stdout, told
    assert bank.accounts() == before


def test_what_was_altered_swapped_or_removed_is_named(bank):
    bank.backed_up()
    kept = {key: bank.store.get(bank.bucket, key) for key in bank.objects().values()}
    first, second = bank.objects()[0], bank.objects()[1]
    altered = bytearray(kept[first])
    altered[len(altered) // 2] ^= 1

    def is_found(*keys):
        told = bank.reads("backup", "verify")
        assert told.returncode == 1, told
        for key in keys:
            assert key.removeprefix("of/bank/") in told.stdout + told.stderr
        restored = bank.reads("restore", "--to", bank.directory / "never")
        assert restored.returncode == 1, restored
        opened = florin("verify", "--data", bank.directory / "never")
        assert opened.returncode != 0
        subprocess.run(["rm", "-r", bank.directory / "never"], check=True)
        for key, content in kept.items():
            bank.store.put(bank.bucket, key, content)

    bank.store.put(bank.bucket, first, bytes(altered))
    is_found(first)
    bank.store.put(bank.bucket, first, kept[second])
    bank.store.put(bank.bucket, second, kept[first])
    is_found(first, second)
    bank.store.put(bank.bucket, first, kept[first] + b"more")
    is_found(first)
    bank.store.delete(bank.bucket, second)
    is_found(second)
    assert bank.holds()


def test_nothing_takes_the_place_of_what_is_there(bank):
    bank.backed_up()
    key = bank.objects()[2]
    other = bank.store.bucket()
    bank.store.put(other, key, b"another's")
    told = bank.back_up(f"s3://{other}/of/bank")
    assert told.returncode == 1 and "is not what its name says: remove it" in told.stderr, told
    assert bank.store.get(other, key) == b"another's"
    assert not [key for key in bank.store.keys(other) if "/manifests/" in key]


def at_first(*moods):
    """Whatever is asked gets a mood the first time, each in turn, and an answer the second."""
    seen = collections.Counter()

    def mood(request):
        question = (request.method, request.path, request.query)
        seen[question] += 1
        seen["moods"] += seen[question] % 2
        return moods[seen["moods"] % len(moods)](request) if seen[question] % 2 else None

    return mood


def test_what_passes_by_itself_does(bank, tmp_path):
    def slow_down(request):
        return lambda: request.refused("503 Slow Down", "SlowDown")

    def conflicts(request):
        return lambda: request.refused("409 Conflict", "ConditionalRequestConflict")

    def halved(request):
        return request.cut if request.method == "GET" else request.lost

    moods = [slow_down, lambda it: it.lost, lambda it: it.done_and_lost, conflicts, halved]
    with bank.store.in_mood(at_first(*moods)) as asked:
        created = bank.backed_up()
        assert created["objects"] == 4
        assert bank.holds()
        restored = bank.reads("restore", "--to", tmp_path / "restored")
        assert restored.returncode == 0, restored.stderr
    assert 20 < len(asked)
    assert bank.accounts(tmp_path / "restored") == bank.accounts()
    assert len(bank.manifests()) == 1 and len(bank.objects()) == 4


def test_an_answer_that_is_lost_is_no_foreign_object(bank):
    """The creation was done, and is asked for again: the copy is this very one."""
    places = []

    def mood(request):
        if request.method == "PUT" and request.path not in places:
            places.append(request.path)
            return request.done_and_lost
        return None

    with bank.store.in_mood(mood):
        created = bank.backed_up()
    assert created["stored_objects"] == 4 and len(places) == 5
    assert bank.holds()


def test_a_read_goes_on_where_it_was_cut(bank):
    bank.backed_up()
    ranges = []

    def mood(request):
        if request.method == "GET" and "list-type" not in request.query:
            ranges.append(request.range)
            return request.cut if request.range is None else None
        return None

    with bank.store.in_mood(mood):
        assert bank.holds()
    # The manifest is read twice, each of four segments once.
    assert ranges.count(None) == 6 and len(ranges) == 12


def test_an_interrupted_backup_is_made_again(bank):
    objects = []

    def mood(request):
        if request.method == "PUT":
            objects.append(request.path)
            if 2 < len(objects):
                return lambda: request.refused("403 Forbidden", "AccessDenied")
        return None

    with bank.store.in_mood(mood):
        told = bank.back_up()
    assert told.returncode == 3 and "let the access key list, get, put" in told.stderr, told
    assert len(bank.objects()) == 2 and not bank.manifests()
    again = bank.backed_up()
    # What is there is read back, and not stored twice.
    assert (again["objects"], again["stored_objects"]) == (4, 2)
    assert bank.holds()


@pytest.mark.parametrize(
    "status, code, words",
    [
        ("403 Forbidden", "AccessDenied", "let the access key list"),
        ("403 Forbidden", "InvalidAccessKeyId", "see whether AWS_ACCESS_KEY_ID"),
        ("403 Forbidden", "SignatureDoesNotMatch", "see whether AWS_SECRET_ACCESS_KEY"),
        ("403 Forbidden", "RequestTimeTooSkewed", "set this one right"),
        ("400 Bad Request", "ExpiredToken", "get a new AWS_SESSION_TOKEN"),
        ("301 Moved Permanently", "PermanentRedirect", "set AWS_REGION"),
        ("501 Not Implemented", "NotImplemented", "If-None-Match"),
    ],
)
def test_a_refusal_says_what_to_do(bank, status, code, words):
    with bank.store.in_mood(lambda request: lambda: request.refused(status, code)) as asked:
        told = bank.back_up()
    assert told.returncode == 3 and words in told.stderr, told
    # It does not pass, so it is not asked again.
    assert len(asked) == 1


def test_a_command_line_says_what_to_do(bank):
    for place, environment, exit_code, words in [
        ("s3://no-such-bucket/x", {}, 3, "there is no bucket no-such-bucket"),
        (bank.place, {"AWS_ACCESS_KEY_ID": ""}, 3, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (bank.place, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 3, "can't reach http://127.0.0.1:1"),
        (bank.place, {"AWS_ENDPOINT_URL": bank.store.url.replace("http", "https")}, 3, "is not trusted"),
        (bank.place, {"AWS_ENDPOINT_URL": "http://bank.example"}, 3, "AWS_ALLOW_HTTP=true"),
        ("s3://", {}, 2, "write s3://BUCKET"),
        ("gs://bucket/x", {}, 2, "gs:// is neither"),
    ]:
        told = bank.runs("backup", "list", "--from", place, "--signed-by", bank.signer, **environment)
        assert told.returncode == exit_code and words in told.stderr, (place, told)
        assert "secret" not in told.stderr


def test_all_of_a_long_list_is_seen(bank):
    """Some pages, of which the second does not come at first."""
    bank.backed_up()
    life = bank.manifests()[0].removeprefix("of/bank/").split("/")[0]
    for number in range(3 * PAGE):
        bank.store.put(bank.bucket, f"of/bank/{life}/0/{number}", b"left")
    cut = []

    def mood(request):
        if "continuation-token" in request.query and not cut:
            cut.append(request.query)
            return request.lost
        return None

    with bank.store.in_mood(mood) as asked:
        told = bank.reads("backup", "prune", "--orphans", "0")
    assert told.returncode == 0 and told.stdout.startswith(f"removed {3 * PAGE} objects"), told
    assert len(cut) == 1 and sum(it.startswith("DELETE") for it in asked) == 3 * PAGE
    assert bank.holds() and len(bank.objects()) == 4


def test_copies_of_a_keyring_are_kept_where_nothing_is_kept_of_them(store, tmp_path):
    data, key = tmp_path / "data", tmp_path / "kek"
    signer = florin("keys", "generate", tmp_path / "signing.pem").stdout.strip()
    for command in [
        ("kek", "generate", key),
        ("init", "--encrypt", "--data", data, "--key-file", key),
        ("keyring", "begin", "--data", data, "--key-file", key),
    ]:
        told = florin(*command)
        assert told.returncode == 0, told.stderr
    environment = KEYS | {"AWS_ENDPOINT_URL": store.url}
    plain, versioned = store.bucket(), store.bucket()
    store.keep_versions(versioned)

    def copied(bucket):
        signs = ["--to", f"s3://{bucket}", "--signing-key", tmp_path / "signing.pem"]
        return florin("backup", "keyring", "--data", data, *signs, **environment)

    told = copied(plain)
    assert told.returncode == 0, told
    told = copied(versioned)
    assert told.returncode == 1 and "the store keeps versions" in told.stdout, told
    subprocess.run(["rm", "-r", data / "keyring"], check=True)
    source = ["--from", f"s3://{plain}", "--signed-by", signer]
    told = florin("keyring", "restore", *source, "--data", data, "--key-file", key, **environment)
    assert told.returncode == 0, told
    told = florin("verify", "--data", data, "--key-file", key)
    assert told.returncode == 0, told
