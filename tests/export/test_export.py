"""Exports, read by the programs that they are for. What would go wrong without: books that a program can't read,
or that say something else than the ledger does.
"""

import csv
import decimal
import json
import os
import pathlib
import random
import re
import subprocess

import pyarrow.parquet
import pytest

SEED = 20261201
START = 1_700_000_000 * 10**9
HOUR = 3600 * 10**9
EURO, POINTS = 978, 700
PLACES = {EURO: ("EUR", 2), POINTS: ("L700", 0)}


def florin(*arguments, stdin=None):
    path = os.environ.get("FLORIN")
    assert path, "FLORIN says no path of the binary"
    return subprocess.run([path, *map(str, arguments)], input=stdin, text=True, capture_output=True)


def ask(data, start, *operations):
    """What the ledger answers; its clock begins at `start`."""
    lines = "".join(json.dumps(operation) + "\n" for operation in operations)
    told = florin("exec", "--data", data, "--clock-start", start, stdin=lines)
    wrong = [line for line in told.stdout.splitlines() if "error" in line]
    assert told.returncode == 0, (told.stderr, wrong)
    return [json.loads(line) for line in told.stdout.splitlines()]


def transfer(dice, number, accounts, holds):
    """A payment, a hold, or the end of a hold."""
    what = dice.random()
    if holds and what < 0.3:
        hold, amount = holds.pop(dice.randrange(len(holds)))
        if dice.random() < 0.5:
            return {"id": str(number), "pending_id": hold, "flags": ["void_pending_transfer"]}
        some = str(dice.randint(1, amount))
        return {"id": str(number), "pending_id": hold, "amount": some, "flags": ["post_pending_transfer"]}
    ledger = dice.choice([EURO, POINTS])
    debit, credit = dice.sample(accounts[ledger], 2)
    # Now and then more than a float is exact to.
    amount = dice.choice([dice.randint(0, 10_000), dice.randint(10**17, 10**20)])
    paid = {
        "id": str(number),
        "debit_account_id": debit,
        "credit_account_id": credit,
        "amount": str(amount),
        "ledger": ledger,
        "code": dice.randint(1, 3),
        "user_data_128": str(dice.choice([0, 2**128 - 1])),
    }
    if 0.6 < what:
        # Some expire within the hour, and the others are there at the end.
        timeout = dice.choice([0, 60])
        if timeout == 0:
            holds.append((str(number), max(amount, 1)))
            paid["amount"] = str(max(amount, 1))
        paid |= {"flags": ["pending"], "timeout": timeout}
    return paid


class Bank:
    """A random history of two sittings, an hour apart."""

    def __init__(self, data):
        dice = random.Random(SEED)
        self.data = data
        self.accounts = {EURO: [str(n) for n in range(1, 7)], POINTS: ["77", str(2**128 - 2), "78"]}
        limits = ["debits_must_not_exceed_credits", "credits_must_not_exceed_debits"]
        opened = []
        for ledger, ids in self.accounts.items():
            for number in ids:
                opened.append({"id": number, "ledger": ledger, "code": 9, "flags": []})
        opened.append({"id": "1000", "ledger": EURO, "code": 1, "flags": limits[:1]})
        opened.append({"id": "1001", "ledger": EURO, "code": 1, "flags": limits[1:]})
        closing = {"id": "5000", "debit_account_id": "1000", "credit_account_id": "1001", "amount": "0",
                   "ledger": EURO, "code": 1, "flags": ["pending", "closing_debit", "closing_credit"]}
        reopening = {"id": "5001", "pending_id": "5000", "flags": ["void_pending_transfer"]}
        holds, number = [], 10_000
        sittings = []
        for _ in range(2):
            operations = []
            for _ in range(20):
                batch = []
                for _ in range(25):
                    number += 1
                    batch.append(transfer(dice, number, self.accounts, holds))
                operations.append({"create_transfers": batch})
            sittings.append(operations)
        put = {"write_documents": [{"table": 16, "key_hex": "6b", "value_hex": "00ff"}]}
        ask(data, START, {"create_accounts": opened}, {"create_transfers": [closing]}, put, *sittings[0])
        self.middle = START + HOUR // 2
        gone = {"write_documents": [{"table": 16, "key_hex": "6b", "delete": True}]}
        ask(data, START + HOUR, {"create_transfers": [reopening]}, gone, *sittings[1])
        self.ids = [account["id"] for account in opened]

    def looked_up(self):
        """All accounts, as the ledger itself has them."""
        return ask(self.data, START + 3 * HOUR, {"lookup_accounts": self.ids})[0]["accounts"]

    def export(self, where, how, *flags):
        told = florin("export", "--data", self.data, "--format", how, "--output", where, *flags)
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return Bank(tmp_path_factory.mktemp("bank") / "data")


def net(account):
    """What a program shall say that an account has."""
    name, places = PLACES[account["ledger"]]
    units = int(account["debits_posted"]) - int(account["credits_posted"])
    return decimal.Decimal(units).scaleb(-places, decimal.Context(prec=60)), name


def expected(accounts):
    return {account["id"]: net(account) for account in accounts if net(account)[0] != 0}


def amount(text):
    number, name = text.replace('"', "").split(" ")
    return decimal.Decimal(number), name


def run(*command):
    told = subprocess.run([*map(str, command)], text=True, capture_output=True)
    return told.returncode, told.stdout, told.stderr


def hledger_balances(file):
    code, out, err = run("hledger", "-f", file, "balance", "--flat", "--no-total", "-O", "csv")
    assert code == 0, err
    rows = list(csv.reader(out.splitlines()))[1:]
    return {row[0].split(":")[-1]: amount(row[1]) for row in rows}


def ledger_balances(file):
    shape = "%(account)\t%(quantity(scrub(display_total)))\t%(commodity(scrub(display_total)))\n"
    code, out, err = run("ledger", "-f", file, "balance", "--flat", "--no-total", "--balance-format", shape)
    assert code == 0, err
    rows = [line.split("\t") for line in out.splitlines()]
    return {row[0].split(":")[-1]: amount(f"{row[1]} {row[2]}") for row in rows}


def beancount_balances(file):
    code, out, err = run("bean-check", file)
    assert code == 0, err
    query = "select account, currency, sum(number) as total group by account, currency"
    code, out, err = run("bean-query", "--format=csv", file, query)
    assert code == 0, err
    rows = [[cell.strip() for cell in row] for row in csv.reader(out.splitlines()) if row][1:]
    found = {account.split(":")[-1]: (decimal.Decimal(number), name) for account, name, number in rows}
    return {account: amount for account, amount in found.items() if amount[0] != 0}


PROGRAMS = [("hledger", hledger_balances), ("hledger", ledger_balances), ("beancount", beancount_balances)]


@pytest.mark.parametrize("how, balances", PROGRAMS)
def test_every_program_says_what_the_ledger_says(bank, tmp_path, how, balances):
    said = bank.export(tmp_path / "books", how)
    assert balances(tmp_path / "books") == expected(bank.looked_up())
    asked = [{"trial_balance": {"ledger": ledger}} for ledger in (POINTS, EURO)]
    for of, trial in zip(said["ledgers"], ask(bank.data, START + 4 * HOUR, *asked)):
        assert of["debits_posted"] == trial["debits_posted"] == of["credits_posted"]
        assert str(of["accounts"]) == trial["accounts"]


@pytest.mark.parametrize("how, program", [
    ("hledger", ["hledger", "check", "-f"]),
    ("hledger", ["ledger", "balance", "-f"]),
    ("beancount", ["bean-check"]),
])
def test_a_changed_amount_is_refused_by_whoever_reads_it(bank, tmp_path, how, program):
    file = tmp_path / "books"
    bank.export(file, how)
    assert run(*program, file)[0] == 0
    text = file.read_text()
    # Both sides of one payment: the books balance still.
    leg = re.search(r"\n    (\S+)  (\d+)(\.\d\d)? (EUR)\n    (\S+)  -\2\3 EUR\n", text)
    more = leg[0].replace(f"{leg[2]}{leg[3]} EUR", f"{int(leg[2]) + 1}{leg[3]} EUR")
    file.write_text(text.replace(leg[0], more, 1))
    assert run(*program, file)[0] != 0


def rows(directory, table):
    with open(directory / f"{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_accounts_are_what_a_look_up_answers(bank, tmp_path):
    bank.export(tmp_path / "tables", "csv")
    wanted = []
    for account in bank.looked_up():
        wanted.append({name: str(value) for name, value in account.items()} | {"flags": " ".join(account["flags"])})
    found = rows(tmp_path / "tables", "accounts")
    for account, looked_up in zip(found, wanted, strict=True):
        del account["timestamp"], looked_up["timestamp"]
        assert account == looked_up
    expired = rows(tmp_path / "tables", "expired_holds")
    assert expired, "the day has holds that expire"
    documents = rows(tmp_path / "tables", "documents")
    assert [(row["change"], row["key"], row["value"]) for row in documents] == [("put", "6b", "00ff"), ("deleted", "6b", "")]


def test_accounts_as_of_a_time_are_what_they_were_then(bank, tmp_path):
    bank.export(tmp_path / "then", "csv", "--until", bank.middle)
    found = rows(tmp_path / "then", "accounts")
    asked = [{"balance_as_of": {"account_id": account["id"], "timestamp": str(bank.middle)}} for account in found]
    for account, told in zip(found, ask(bank.data, START + 5 * HOUR, *asked)):
        balance = told["balance"]
        for name in ["debits_pending", "debits_posted", "credits_pending", "credits_posted"]:
            assert account[name] == balance[name]
    assert {row["flags"] for row in found if row["id"] == "1000"} == {"debits_must_not_exceed_credits closed"}


def test_two_ranges_are_the_whole(bank, tmp_path):
    first = bank.export(tmp_path / "first", "csv", "--until", bank.middle)
    bank.export(tmp_path / "second", "csv", "--from", first["cursor"])
    bank.export(tmp_path / "timed", "csv", "--from", bank.middle)
    end = bank.export(tmp_path / "all", "csv")["cursor"]
    for only in [[], ["--only", "documents"]]:
        nothing = bank.export(tmp_path / f"nothing{len(only)}", "csv", "--from", end, *only)
        assert (nothing["items"], nothing["cursor"]) == (0, end)
    for table in ["transfers", "expired_holds", "documents"]:
        second = rows(tmp_path / "second", table)
        assert second and second == rows(tmp_path / "timed", table)
        assert rows(tmp_path / "first", table) + second == rows(tmp_path / "all", table)
    # A journal that begins in the middle opens with what there was.
    bank.export(tmp_path / "books", "hledger", "--from", first["cursor"])
    assert hledger_balances(tmp_path / "books") == expected(bank.looked_up())
    bank.export(tmp_path / "beans", "beancount", "--from", first["cursor"])
    assert beancount_balances(tmp_path / "beans") == expected(bank.looked_up())


def test_parquet_has_the_rows_of_csv(bank, tmp_path):
    bank.export(tmp_path / "csv", "csv")
    bank.export(tmp_path / "parquet", "parquet")
    for table in ["accounts", "transfers", "expired_holds", "documents"]:
        read = pyarrow.parquet.read_table(tmp_path / "parquet" / f"{table}.parquet")
        columns = read.cast(text_schema(read.schema)).to_pydict()
        wanted = rows(tmp_path / "csv", table)
        assert read.num_rows == len(wanted) and wanted
        for name, values in columns.items():
            assert [same(name, value) for value in values] == [row[name] for row in wanted], name


def text_schema(schema):
    """Instants as numbers: Python's have microseconds only."""
    fields = [
        pyarrow.field(field.name, pyarrow.int64()) if pyarrow.types.is_timestamp(field.type) else field
        for field in schema
    ]
    return pyarrow.schema(fields)


TIMES = {"recorded", "timestamp", "hold_timestamp", "expires"}


def same(name, value):
    """A value as the other format writes it."""
    if isinstance(value, bytes):
        return value.hex()
    if name not in TIMES:
        return str(value)
    if value == 0:
        return ""
    seconds = pyarrow.scalar(value // 10**9 * 10**9, pyarrow.timestamp("ns")).as_py()
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{value % 10**9:09}Z"


def test_lines_are_what_tail_prints_and_then_the_accounts(bank, tmp_path):
    bank.export(tmp_path / "lines", "jsonl")
    lines = (tmp_path / "lines").read_text().splitlines()
    tailed = florin("tail", "--data", bank.data, *(f"--kind={kind}" for kind in [
        "transfer", "expiry", "document_put", "document_deleted", "document_expired"]))
    told = tailed.stdout.splitlines()
    # Whether a commit goes on is told of what is asked for.
    strip = lambda line: {k: v for k, v in json.loads(line).items() if k != "commit_ends"}
    assert [strip(line) for line in lines[: len(told)]] == [strip(line) for line in told]
    accounts = [{"kind": "account"} | account for account in bank.looked_up()]
    assert [json.loads(line) for line in lines[len(told) :]] == accounts
    bank.export(tmp_path / "documents", "jsonl", "--only", "documents")
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "documents").read_text().splitlines()]
    assert kinds == ["document_put", "document_deleted"]


def test_what_can_not_be_exported_leaves_nothing_behind(bank, tmp_path):
    there = tmp_path / "there"
    there.write_text("mine")
    told = florin("export", "--data", bank.data, "--format", "hledger", "--output", there)
    assert told.returncode == 2 and "is there already" in told.stderr and there.read_text() == "mine"
    # Whoever else exports to the same place loses nothing by it.
    for name in ["there", "free"]:
        another = tmp_path / f"{name}.partial"
        another.write_text("another's")
        told = florin("export", "--data", bank.data, "--format", "hledger", "--output", tmp_path / name)
        assert told.returncode == 2 and another.read_text() == "another's", told
        another.unlink()
    for flags in [["--only", "accounts"], ["--currency", "978=eur"], ["--from", "end"], ["--until", "yesterday"]]:
        told = florin("export", "--data", bank.data, "--format", "hledger", "--output", tmp_path / "x", *flags)
        assert told.returncode == 2, told
    foreign = "1:5000:" + "0f" * 32
    told = florin("export", "--data", bank.data, "--format", "csv", "--output", tmp_path / "x", "--from", foreign)
    assert told.returncode not in (0, 2), told
    nothing = tmp_path / "nothing"
    told = florin("export", "--data", nothing, "--format", "csv", "--output", tmp_path / "x")
    assert told.returncode == 3 and not nothing.exists(), told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_amounts_that_a_format_would_round_are_refused(tmp_path):
    data = tmp_path / "data"
    accounts = [{"id": str(n), "ledger": EURO, "code": 1} for n in (1, 2)]
    pay = lambda number, amount: {"create_transfers": [{"id": str(number), "debit_account_id": "1",
        "credit_account_id": "2", "amount": str(amount), "ledger": EURO, "code": 1}]}
    ask(data, START, {"create_accounts": accounts}, pay(1, 10**28 - 1))
    assert florin("export", "--data", data, "--format", "beancount", "--output", tmp_path / "a").returncode == 0
    assert beancount_balances(tmp_path / "a")["1"] == (decimal.Decimal("99999999999999999999999999.99"), "EUR")
    ask(data, START + HOUR, pay(2, 10**38 - 10**28))
    for how, digits in [("beancount", "28 digits"), ("parquet", "")]:
        told = florin("export", "--data", data, "--format", how, "--output", tmp_path / how)
        assert (told.returncode == 2 and digits in told.stderr) == (how == "beancount"), told
    ask(data, START + 2 * HOUR, pay(3, 1))
    told = florin("export", "--data", data, "--format", "parquet", "--output", tmp_path / "b")
    assert told.returncode == 2 and "38 digits" in told.stderr
    told = florin("export", "--data", data, "--format", "hledger", "--output", tmp_path / "c")
    assert told.returncode == 0
    assert hledger_balances(tmp_path / "c")["1"] == (decimal.Decimal("1" + "0" * 36 + ".00"), "EUR")
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.partial").exists()


def test_a_ledger_whose_sums_are_wider_than_any_account_is_exported(tmp_path):
    data = tmp_path / "data"
    accounts = [{"id": str(n), "ledger": POINTS, "code": 1} for n in range(1, 5)]
    most = str(2**128 - 1)
    pairs = [("1", "2"), ("3", "4")]
    paid = [{"id": str(9 + n), "debit_account_id": debit, "credit_account_id": credit, "amount": most,
             "ledger": POINTS, "code": 1} for n, (debit, credit) in enumerate(pairs)]
    ask(data, START, {"create_accounts": accounts}, {"create_transfers": paid})
    told = florin("export", "--data", data, "--format", "hledger", "--output", tmp_path / "books")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["ledgers"][0]["debits_posted"] is None
    found = hledger_balances(tmp_path / "books")
    assert found == {n: (decimal.Decimal(sign + most), "L700") for n, sign in zip("1234", ["", "-", "", "-"])}
