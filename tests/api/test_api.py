"""The API is what its description says. What would go wrong without: an operation that nobody can use as it is
described, an answer that no program expects, or a request that brings an error out of the bank.

FLORIN=/path/of/florin python -m pytest tests/api
"""

import json
import secrets
import subprocess

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from app import App
from bank import demo, florin

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


def test_every_operation_works_as_it_is_described(bank, description, customer, payee):
    walk = Walk(customer, description)
    assert walk.does("get_profile", 200)["email"] == customer.person["email"]
    account = walk.does("list_accounts", 200)["data"][0]
    here = {"account_id": account["account_id"]}
    assert walk.does("get_account", 200, path_parameters=here) == account
    walk.does("list_account_transactions", 200, path_parameters=here, query={"limit": 5})

    number = payee.ask("GET", "/accounts").json()["data"][0]["account_number"]
    noted = walk.does("add_beneficiary", 201, body={"account_number": number, "name": "Somebody"})
    listed = walk.does("list_beneficiaries", 200)["data"]
    assert noted["beneficiary_id"] in [known["beneficiary_id"] for known in listed]

    order = {
        "source_account_id": account["account_id"],
        "beneficiary_id": noted["beneficiary_id"],
        "amount_cents": 125,
        "currency": account["currency"],
    }
    key = {"Idempotency-Key": secrets.token_hex(8)}
    asked = walk.does("transfer", 403, body=order, headers=key)
    assert asked["code"] == "step_up_required"
    challenge = {"challenge_id": asked["challenge_id"]}
    code = {"code": customer.authenticator.code()}
    walk.does("verify_challenge", 204, body=code, path_parameters=challenge)
    begun = walk.does("transfer", 202, body=order | challenge, headers=key)
    transaction = {"transaction_id": begun["transaction_id"]}
    assert walk.does("get_transaction", 200, path_parameters=transaction)["amount_cents"] == 125
    another = walk.does("transfer", 403, body=order, headers={"Idempotency-Key": secrets.token_hex(8)})
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

    gone = {"beneficiary_id": noted["beneficiary_id"]}
    walk.does("remove_beneficiary", 204, path_parameters=gone)

    with customer.ask("GET", "/events", stream=True) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        # What the transfer came to is told even if it was before: this is where to go on from.
        assert next(stream.iter_lines())
        went_well.add("listen")

    # In the end, since the login is over then.
    walk.app, payee.access_token = payee, None
    words = {"email": walk.app.person["email"], "password": walk.app.person["password"]}
    attempt = walk.does("login", 200, body=words)
    walk.does("send_login_code", 204, body=attempt)
    attempt["code"] = walk.app.authenticator.code()
    tokens = walk.does("verify_login", 200, body=attempt)
    walk.app.access_token = tokens["access_token"]
    token = {"refresh_token": tokens["refresh_token"]}
    walk.app.access_token = walk.does("refresh_token", 200, body=token)["access_token"]
    walk.does("logout", 204)
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


# What is right in form and can't be used all the same: a token that is none, check digits that do not fit, a payee
# named in two ways or in none, messages to who has no telephone, one device too many. No schema says so.
LOOSE = {"refresh_token", "add_beneficiary", "transfer", "set_notifications", "register_device"}


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
