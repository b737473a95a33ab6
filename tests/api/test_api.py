"""The API is what its description says. What would go wrong without: an operation that nobody can use as it is
described, an answer that no program expects, or a request that brings an error out of the bank.

FLORIN=/path/of/florin python -m pytest tests/api
"""

import json
import secrets
import subprocess
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from app import App, Authenticator
from bank import PATIENCE_SECONDS, demo, florin, token_of

EXAMPLES = 50
# Operations that have answered 2xx, by their id.
went_well = set()


@schemathesis.check
def is_on_record(ctx, response, case):
    """Notes what has gone well, and that each answer can be found again in the bank's records."""
    if 200 <= response.status_code < 300:
        went_well.add(case.operation.definition.raw["operationId"])
    assert response.headers.get("x-correlation-id"), "an answer without a correlation id"


@pytest.fixture(scope="session")
def bank():
    with demo() as server:
        yield server


@pytest.fixture(scope="session")
def description(bank):
    address = f"{bank.said['api_url']}/openapi.json"
    return schemathesis.openapi.from_url(address, verify=bank.authority)


@pytest.fixture(scope="session")
def customer(bank):
    return App(bank, bank.said["customers"][0]).log_in()


@pytest.fixture(scope="session")
def payee(bank):
    return App(bank, bank.said["customers"][1]).log_in()


@pytest.fixture(scope="session")
def member(bank):
    return App(bank, bank.said["staff"][0]).log_in()


@pytest.fixture(scope="session")
def nobody(bank):
    """Has a login that is over, so that others' logins outlast whatever is asked of `logout`."""
    app = App(bank, bank.said["customers"][2]).log_in()
    assert app.ask("POST", "/auth/logout").status_code == 204
    return app


class Walk:
    """One of everything, as a program does that has read the description, each answer held against it."""

    def __init__(self, app, description):
        self.app, self.operations = app, {}
        for found in description.get_all_operations():
            operation = found.ok()
            self.operations[operation.definition.raw["operationId"]] = operation

    def does(self, name, status, body=None, **parameters):
        more = {} if body is None else {"body": body, "media_type": "application/json"}
        case = self.operations[name].Case(**parameters, **more)
        response = case.call_and_validate(
            auth=self.app,
            verify=self.app.authority,
            excluded_checks=[ignored_auth],
        )
        assert response.status_code == status, response.text
        return response.json() if response.content else None


@pytest.fixture(scope="session")
def walk(bank, description):
    return Walk(App(bank, bank.said["customers"][0]), description)


def named():
    return {"Idempotency-Key": secrets.token_hex(8)}


def test_accounts_payees_and_money(walk, customer, payee, bank):
    walk.app = customer
    assert walk.does("get_profile", 200)["email"] == customer.person["email"]
    account = walk.does("list_accounts", 200)["data"][0]
    here = {"account_id": account["account_id"]}
    assert walk.does("get_account", 200, path_parameters=here) == account
    walk.does("list_account_transactions", 200, path_parameters=here, query={"limit": 5})
    wanted = {"account_type": "SAVINGS", "currency": account["currency"]}
    opened = walk.does("open_account", 201, body=wanted, headers=named())
    there = {"account_id": opened["account_id"]}
    assert walk.does("close_account", 200, path_parameters=there)["status"] == "CLOSED"

    number = payee.ask("GET", "/accounts").json()["data"][0]["account_number"]
    noted = walk.does("add_beneficiary", 201, body={"account_number": number, "name": "Somebody"})
    listed = walk.does("list_beneficiaries", 200)["data"]
    assert noted["beneficiary_id"] in [known["beneficiary_id"] for known in listed]
    it = {"beneficiary_id": noted["beneficiary_id"]}
    marked = walk.does("mark_beneficiary", 200, body={"is_favorite": True}, path_parameters=it)
    assert marked == noted | {"is_favorite": True}

    order = {
        "source_account_id": account["account_id"],
        "beneficiary_id": noted["beneficiary_id"],
        "amount_cents": 125,
        "currency": account["currency"],
    }
    key = named()
    asked = walk.does("transfer", 403, body=order, headers=key)
    assert asked["code"] == "step_up_required"
    challenge = {"challenge_id": asked["challenge_id"]}
    code = {"code": customer.authenticator.code()}
    walk.does("verify_challenge", 204, body=code, path_parameters=challenge)
    begun = walk.does("transfer", 202, body=order | challenge, headers=key)
    transaction = {"transaction_id": begun["transaction_id"]}
    assert walk.does("get_transaction", 200, path_parameters=transaction)["amount_cents"] == 125
    another = walk.does("transfer", 403, body=order, headers=named())
    # Whoever has chosen no codes by message gets none; who has, in tests/bank.
    untold = {"challenge_id": another["challenge_id"]}
    refused = walk.does("send_challenge_code", 422, path_parameters=untold)
    assert refused["code"] == "channel_unavailable"
    went_well.add("send_challenge_code")

    ways = {"email": True, "sms": False, "push": True}
    wishes = {"money_in": ways, "money_out": ways, "money_out_failed": ways}
    assert walk.does("set_notifications", 200, body=wishes)["money_in"] == ways
    assert walk.does("get_notifications", 200)["available"]["email"]
    device = {"platform": "web", "token": secrets.token_hex(16)}
    registered = walk.does("register_device", 201, body=device)
    assert registered in walk.does("list_devices", 200)["data"]
    walk.does("remove_device", 204, path_parameters={"device_id": registered["device_id"]})

    walk.does("remove_beneficiary", 204, path_parameters=it)

    with customer.ask("GET", "/events", stream=True) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        # What the transfer came to is told even if it was before: this is where to go on from.
        assert next(stream.iter_lines())
        went_well.add("listen")


def logs_in(walk, code):
    app = walk.app
    app.access_token = None
    words = {"email": app.person["email"], "password": app.person["password"]}
    attempt = walk.does("login", 200, body=words)
    # Nobody says whether there is a telephone to send it to.
    walk.does("send_login_code", 204, body=attempt)
    app.takes(walk.does("verify_login", 200, body=attempt | {"code": code}))


def test_a_newcomer_registers_and_changes_everything_and_comes_back(walk, bank):
    email = "newcomer@example.net"
    person = {"email": email, "password": "five words are quite enough", "totp_secret": ""}
    walk.app = app = App(bank, person)
    names = {"first_name": "Emmy", "last_name": "Else"}
    words = names | {"email": email, "password": person["password"]}
    walk.does("register", 202, body=words)
    shown = walk.does("confirm_registration", 200, body={"token": token_of(bank, email)})
    app.authenticator = Authenticator(shown["authenticator"]["secret"])
    first = {"enrolment": shown["enrolment"], "code": app.authenticator.code()}
    assert len(walk.does("enrol", 201, body=first)["recovery_codes"]) == 10
    logs_in(walk, app.authenticator.code())

    def proof(code, **more):
        return {"password": person["password"], "code": code} | more

    made = walk.does("renew_recovery_codes", 200, body=proof(app.authenticator.code()))
    app.takes(made["tokens"])
    paper = made["recovery_codes"]
    assert walk.does("count_recovery_codes", 200) == {"left": 10}
    new = proof(paper.pop(), new_password="six words are more than enough")
    app.takes(walk.does("change_password", 200, body=new))
    person["password"] = new["new_password"]

    waiting = walk.does("change_factor", 200, body=proof(paper.pop()))
    app.takes(waiting["tokens"])
    app.authenticator = Authenticator(waiting["authenticator"]["secret"])
    finished = walk.does("finish_factor_change", 200, body={"code": app.authenticator.code()})
    app.takes(finished)

    assert len(walk.does("list_sessions", 200)["data"]) == 1
    walk.does("end_other_sessions", 204)
    wanted = proof(app.authenticator.code(), first_name="Emmy", last_name="Noether", reason="married")
    app.takes(walk.does("change_name", 202, body=wanted))
    person["email"] = "comer.new@example.net"
    asked = proof(app.authenticator.code(), email=person["email"])
    app.takes(walk.does("change_email", 202, body=asked))
    token = {"token": token_of(bank, person["email"])}
    walk.does("confirm_email", 204, body=token)

    app.access_token = None
    walk.does("recover", 202, body={"email": person["email"]})
    token = {"token": token_of(bank, person["email"])}
    new = token | {"code": paper.pop(), "new_password": "seven words are nobody's to remember"}
    walk.does("finish_recovery", 204, body=new)
    person["password"] = new["new_password"]
    logs_in(walk, paper.pop())
    refreshed = walk.does("refresh_token", 200, body={"refresh_token": app.refresh_token})
    app.takes(refreshed)
    this = walk.does("list_sessions", 200)["data"][0]["session_id"]
    walk.does("end_session", 204, path_parameters={"session_id": this})
    logs_in(walk, paper.pop())
    walk.does("logout", 204)


def pays_much(app, number):
    """A payment to somebody new that rules want somebody to look at; the transaction."""
    noted = app.ask("POST", "/beneficiaries", json={"account_number": number, "name": "Somebody"})
    accounts = app.ask("GET", "/accounts").json()["data"]
    account = max(accounts, key=lambda account: account["available_balance_cents"])
    order = {
        "source_account_id": account["account_id"],
        "beneficiary_id": noted.json()["beneficiary_id"],
        "amount_cents": 250_000,
        "currency": account["currency"],
    }
    key = named()
    asked = app.ask("POST", "/transactions/transfer", json=order, headers=key).json()
    challenge = {"challenge_id": asked["challenge_id"]}
    code = {"code": app.authenticator.code()}
    proved = app.ask("POST", f"/challenges/{challenge['challenge_id']}/verify", json=code)
    assert proved.status_code == 204, proved.text
    begun = app.ask("POST", "/transactions/transfer", json=order | challenge, headers=key)
    assert begun.status_code == 202, begun.text
    return begun.json()["transaction_id"]


def comes_to(app, transaction, status):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while app.ask("GET", f"/transactions/{transaction}").json()["status"] != status:
        assert time.monotonic() < deadline, f"it did not come to {status}"


def test_what_the_staff_does(walk, bank, member, payee, customer, nobody):
    # Whose authenticator is another in the end.
    assert nobody.person == bank.said["customers"][2]
    staff = {role: App(bank, person) for person in bank.said["staff"] for role in person["roles"]}
    staff["support"] = member
    for role in ("fraud", "operations", "admin"):
        staff[role].log_in()
    walk.app = staff["support"]
    cleo = bank.said["customers"][2]
    found = walk.does("find_customer", 200, body={"customer": cleo["email"]})
    hers = {"customer_id": found["customer_id"]}
    account = walk.does("look_at_customer", 200, path_parameters=hers)["accounts"][0]
    shown = {"account_id": account["account_id"]}
    walk.does("look_at_account_transactions", 200, path_parameters=shown, query={"limit": 5})
    because = {"reason": "asked by telephone"}
    walk.does("unlock_customer", 204, body=because, path_parameters=hers)
    lost = {"matter": "FACTOR_RECOVERY", "id": hers["customer_id"]}
    walk.does("propose", 201, body=lost | because, headers=named())
    name = {"matter": "NAME_CHANGE", "id": hers["customer_id"]}
    wanted = {"first_name": "Augusta", "last_name": "Lovelace"}
    walk.does("propose", 201, body=name | wanted | because, headers=named())
    seen = walk.does("look_at_customer", 200, path_parameters=hers)["name_change"]
    name |= {"proposal_id": seen["proposal_id"]}
    walk.app = staff["admin"]
    walk.does("approve", 204, body=name, headers=named())
    hold = because | {"legal_hold": False}
    walk.does("set_legal_hold", 204, body=hold, path_parameters=hers)
    assert walk.does("list_proposals", 200)["data"][0]["may_approve"]
    walk.does("approve", 204, body=lost, headers=named())

    walk.app = staff["operations"]
    here = {"account_id": account["account_id"]}
    walk.does("suspend_account", 204, body=because, path_parameters=here)
    walk.does("reinstate_account", 204, body=because, path_parameters=here)

    number = customer.ask("GET", "/accounts").json()["data"][0]["account_number"]
    transaction = pays_much(payee, number)
    walk.app = staff["fraud"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (waiting := walk.does("list_cases", 200)["data"]):
        assert time.monotonic() < deadline, "nobody was asked to look"
    assert waiting[0]["transaction_id"] == transaction
    case = {"case_id": waiting[0]["case_id"]}
    walk.does("decide_case", 204, body={"verdict": "APPROVE"}, path_parameters=case, headers=named())
    comes_to(payee, transaction, "COMPLETED")
    walk.app = staff["operations"]
    back = {"matter": "REVERSAL", "id": transaction}
    walk.does("propose", 201, body=back | because, headers=named())
    walk.does("reject", 204, body=back, headers=named())
    walk.does("propose", 201, body=back | because, headers=named())
    walk.app = staff["admin"]
    walk.does("approve", 204, body=back, headers=named())
    comes_to(payee, transaction, "REVERSED")

    walk.app = app = App(bank, cleo)
    shown = {"token": token_of(bank, cleo["email"]), "password": cleo["password"]}
    shown = walk.does("confirm_factor_recovery", 200, body=shown)
    app.authenticator = Authenticator(shown["authenticator"]["secret"])
    first = {"enrolment": shown["enrolment"], "code": app.authenticator.code()}
    assert len(walk.does("enrol_factor", 200, body=first)["recovery_codes"]) == 10


def test_every_operation_has_gone_well_once(walk):
    assert went_well == set(walk.operations)


def test_the_ledger_under_the_bank_is_there_to_look_at(bank, customer):
    account = customer.ask("GET", "/accounts").json()["data"][0]
    question = {"trial_balance": {"ledger": 978}}
    command = [florin(), "exec", "--connect", bank.said["ledger_address"]]
    told = subprocess.run(command, input=json.dumps(question), text=True, capture_output=True)
    balance = json.loads(told.stdout)
    assert account["currency"] == "EUR" and balance["debits_posted"] == balance["credits_posted"]
    assert int(balance["debits_posted"]) >= account["posted_balance_cents"]


# A stream ends with its login and not before.
described = schemathesis.pytest.from_fixture("description").exclude(operation_id="listen")
thorough = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


# What is right in form and can't be used all the same: a token that is none, check digits that do not fit, a name that
# can't be seen in whatever people write for others, a payee named in two ways or in none, a way that does not reach the
# customer, an id that is none. No schema says so.
LOOSE = {
    "refresh_token", "add_beneficiary", "transfer", "open_account", "set_notifications", "register_device",
    "register", "confirm_registration", "enrol", "recover", "finish_recovery", "confirm_factor_recovery",
    "enrol_factor", "change_password", "renew_recovery_codes", "change_email", "confirm_email", "change_factor",
    "change_name",
    "finish_factor_change",
    "unlock_customer", "set_legal_hold", "suspend_account", "reinstate_account", "propose", "approve", "reject",
}


def tries(case, app, nobody):
    operation = case.operation.definition.raw["operationId"]
    if operation == "logout":
        app = nobody
    # What a case is about to leave out is not added again.
    about = str(case.meta.phase.data) if case.meta else ""
    signing = app.without([name for name in ("Authorization", "DPoP") if name in about])
    excluded = [positive_data_acceptance] if operation in LOOSE else []
    case.call_and_validate(auth=signing, verify=app.authority, excluded_checks=excluded)


@described.parametrize()
@thorough
def test_whatever_a_customer_sends_is_answered_as_described(case, customer, nobody):
    tries(case, customer, nobody)


@described.parametrize()
@thorough
def test_whatever_a_member_of_the_staff_sends_is_answered_as_described(case, member, nobody):
    tries(case, member, nobody)
