//! What one person types and another reads. What would go wrong without: a number that reads as another, a name that
//! is two to the bank and one to a customer, a line that nobody wrote.

use crate::app::{App, json_request};
use crate::branch::{Branch, PASSWORD};
use florin_adapter::Bank;
use florin_adapter::accounts::{self, CashDirection, CashOrder, CashRefused, SuspendRefused};
use florin_adapter::audit::Caller;
use florin_adapter::customers::{Password, PersonName, TotpSecret};
use florin_adapter::email::Email;
use florin_adapter::money::{Currency, Money};
use florin_adapter::payments::payee::{self, NewPayee, PayeeRefused};
use florin_adapter::payments::{NewTransfer, RequestKey, TransferRefused};
use florin_adapter::staff::care::{self, CareRefused};
use florin_adapter::staff::{self, MemberRefused, NewMember, Role};
use serde_json::json;

/// What turns the direction of text, takes no room, or breaks a line.
const HIDDEN: [&str; 3] = ["Rent\u{202e}04 ED", "Re\u{200b}nt", "Rent\nFrom the bank"];

const NUMBER: &str = "DE89370400440532013000";

/// Rows 28 and 51 of the threat table, for customers.
#[tokio::test]
async fn customers_write_lines_of_what_can_be_seen() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let Bank { store, clock, options, .. } = &*branch.bank;
    let app = App::logged_in(&branch, &ada).await;
    for hidden in HIDDEN {
        let order = branch.order(one, other, 1);
        let order = NewTransfer { description: String::from(hidden), ..order };
        let sent = branch.asks(&ada, order).await;
        assert!(matches!(sent, Err(TransferRefused::Description)), "{hidden:?}");
        let by = branch.orderer(&ada);
        let new = |name: &str, code: Option<&str>| NewPayee {
            name: String::from(name),
            number: NUMBER.parse().unwrap(),
            bank_code: code.map(String::from),
        };
        let noted = payee::add(store, &**clock, &by, options.code, &new(hidden, None)).await;
        assert!(matches!(noted, Err(PayeeRefused::Name)), "{hidden:?}");
        let coded = new("Otto Sommer", Some(hidden));
        let noted = payee::add(store, &**clock, &by, options.code, &coded).await;
        assert!(matches!(noted, Err(PayeeRefused::BankCode)), "{hidden:?}");
        assert!(PersonName::parse(hidden).is_err(), "{hidden:?}");

        let transfer = json!({
            "source_account_id": one.to_string(), "destination_account_id": other.to_string(),
            "amount_cents": 1, "currency": "EUR", "description": hidden,
        });
        let request = json_request("/v1/transactions/transfer").header("Idempotency-Key", "one");
        let sent = app.asks(request, transfer.to_string()).await;
        assert_eq!(sent.code(), (400, "invalid_request"));
        assert_eq!(sent.json["errors"][0]["pointer"], "/description");
        for (body, pointer) in [
            (json!({"name": hidden, "account_number": NUMBER}), "/name"),
            (json!({"name": "Otto", "account_number": NUMBER, "bank_code": hidden}), "/bank_code"),
        ] {
            let noted = app.posts("/v1/beneficiaries", &body).await;
            assert_eq!(noted.code(), (400, "invalid_request"), "{hidden:?}");
            assert_eq!(noted.json["errors"][0]["pointer"], pointer, "{hidden:?}");
        }
    }
    assert_eq!(branch.balance(one).await, (1_000, 1_000));
    assert!(payee::list(store, ada.id).await.unwrap().is_empty());
}

/// The same for the staff.
#[tokio::test]
async fn the_staff_writes_lines_of_what_can_be_seen() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 0).await;
    let sue = branch.hires("sue@example.org", &Role::ALL).await;
    let (bank, clerk) = (&*branch.bank, branch.clerk(&sue).await);
    for hidden in HIDDEN {
        let order = CashOrder {
            account,
            direction: CashDirection::Deposit,
            money: Money::positive(Currency::Eur, 10).unwrap(),
            description: String::from(hidden),
            request: RequestKey::generate(),
        };
        let moved = accounts::move_cash(bank, &clerk, &order).await;
        assert!(matches!(moved, Err(CashRefused::Description)), "{hidden:?}");
        let unlocked = care::unlock(bank, &clerk, ada.id, hidden).await;
        assert!(matches!(unlocked, Err(CareRefused::Reason)), "{hidden:?}");
        let suspended = accounts::suspend(bank, &clerk, account, hidden).await;
        assert!(matches!(suspended, Err(SuspendRefused::Reason)), "{hidden:?}");
        let new = NewMember {
            email: Email::parse("otto@example.org").unwrap(),
            name: String::from(hidden),
            roles: [Role::Support].into_iter().collect(),
            password: Password::new(String::from(PASSWORD)).unwrap(),
            totp: TotpSecret::generate(),
        };
        let made = staff::add(bank, &Caller::bank(), new).await;
        assert!(matches!(made, Err(MemberRefused::Name)), "{hidden:?}");
    }
    assert_eq!(branch.balance(account).await, (0, 0));
}
