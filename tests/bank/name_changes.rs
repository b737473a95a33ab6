//! Another name for a customer. What would go wrong without: who has an open browser, or one member of the staff, calls
//! a customer what payers expect of somebody else; or nobody can say what they were called before, and why.

use crate::app::{App, text};
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::mailbox::Mailbox;
use crate::recovery_codes::{code, step_up};
use axum::http::StatusCode;
use florin_adapter::audit::{Action, AuditTrail};
use florin_adapter::customers::{Customers, erase};
use florin_adapter::id::Id;
use florin_adapter::staff::Role;
use florin_adapter::store::Found;
use florin_adapter::{Bank, tables};
use florin_ledger::document::DocumentScan;
use serde_json::{Value, json};
use std::sync::Arc;

const CHANGES: &str = "/v1/name-changes";
const PROPOSALS: &str = "/v1/staff/proposals";
const APPROVE: &str = "/v1/staff/proposals/approve";

struct Desk {
    branch: Branch,
    mailbox: Arc<Mailbox>,
    ada: Person,
    sue: Person,
    amy: Person,
}

async fn desk() -> Desk {
    let (branch, mailbox) = (Branch::open().await, Mailbox::new());
    let ada = branch.customer("ada@example.org").await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    // Who may ask for it and approve it.
    let amy = branch.hires("amy@example.org", &[Role::Admin, Role::Support]).await;
    Desk { branch, mailbox, ada, sue, amy }
}

impl Desk {
    /// What mails have come to the customer.
    async fn told(&self) -> Vec<String> {
        while 0 < self.mailbox.fills(&self.branch).await {}
        let mails = self.mailbox.opens().into_iter();
        mails
            .map(|mail| {
                assert_eq!(mail.to.written(), self.ada.email);
                assert!(!mail.text.contains("Lovelace"), "mail is read on the way: {}", mail.text);
                mail.subject
            })
            .collect()
    }

    /// What the customer is called, for themselves and for the law.
    async fn names(&self) -> [(String, String); 2] {
        let found = self.branch.bank.store.get(&self.ada.id.bytes()).await.unwrap();
        let found: Found<Customers> = found.unwrap();
        let profile = found.row.profile.known().unwrap();
        let identity = found.row.statutory.known().unwrap();
        [(profile.first_name, profile.last_name), (identity.first_name, identity.last_name)]
    }

    fn asked(&self, password: &str, code: &str) -> Value {
        json!({
            "first_name": "Augusta", "last_name": "Lovelace", "reason": "married in May",
            "password": password, "code": code,
        })
    }

    fn matter(&self) -> Value {
        json!({"matter": "NAME_CHANGE", "id": self.ada.id.to_string()})
    }
}

fn with(mut body: Value, member: &str, value: &Value) -> Value {
    body[member] = value.clone();
    body
}

fn called(first: &str, last: &str) -> [(String, String); 2] {
    let name = (String::from(first), String::from(last));
    [name.clone(), name]
}

/// Rows 38 and 60 of the threat table.
#[tokio::test]
async fn a_customer_asks_with_password_and_app_and_somebody_of_the_bank_approves_just_this_name() {
    let it = desk().await;
    let Desk { branch, ada, .. } = &it;
    let mut app = App::logged_in(branch, ada).await;
    for (member, value) in [
        ("first_name", json!("")),
        ("last_name", json!("Love\u{202e}lace")),
        ("reason", json!(" ")),
        ("middle_name", json!("x")),
    ] {
        let body = with(it.asked(PASSWORD, &code(branch, ada)), member, &value);
        assert_eq!(app.posts(CHANGES, &body).await.code(), (400, "invalid_request"), "{member}");
    }
    let same = json!({
        "first_name": "Ada", "last_name": "Quill", "reason": "x", "password": PASSWORD,
        "code": code(branch, ada),
    });
    assert_eq!(app.posts(CHANGES, &same).await.code(), (400, "invalid_request"));
    let begun = app.posts(CHANGES, &it.asked(PASSWORD, &code(branch, ada))).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    app.takes(&begun.good());
    let again = app.posts(CHANGES, &it.asked(PASSWORD, &code(branch, ada))).await;
    assert_eq!(again.code(), (409, "already_proposed"));
    assert_eq!(it.names().await, called("Ada", "Quill"), "nobody has approved it");
    assert_eq!(it.told().await, ["Your name at Bank is to be changed"]);

    let sue = App::logged_in(branch, &it.sue).await;
    let amy = App::logged_in(branch, &it.amy).await;
    let shown = sue.gets(&format!("/v1/staff/customers/{}", ada.id)).await.good();
    let wanted = &shown["name_change"];
    assert_eq!(
        (&wanted["first_name"], &wanted["last_name"]),
        (&json!("Augusta"), &json!("Lovelace"))
    );
    let listed = amy.gets(PROPOSALS).await.good();
    assert!(!listed.to_string().contains("Lovelace"), "that is told where looks are on record");
    assert_eq!(listed["data"][0]["maker_id"], ada.id.to_string());
    let right = with(it.matter(), "proposal_id", &wanted["proposal_id"]);
    assert_eq!(sue.orders(APPROVE, "s", &right).await.code(), (403, "role_missing"));
    let blind = amy.orders(APPROVE, "blind", &it.matter()).await;
    assert_eq!(blind.code(), (400, "invalid_request"), "which name, nobody has said");
    let other = json!(Id::<florin_adapter::id::Proposed>::at(branch.now()).to_string());
    let other = amy.orders(APPROVE, "other", &with(it.matter(), "proposal_id", &other)).await;
    assert_eq!(other.code(), (409, "not_proposed"));
    assert_eq!(it.names().await, called("Ada", "Quill"));
    assert_eq!(amy.orders(APPROVE, "right", &right).await.status, 204);
    assert_eq!(it.names().await, called("Augusta", "Lovelace"));
    assert_eq!(app.gets("/v1/users/me").await.good()["last_name"], "Lovelace", "they go on");
    assert_eq!(it.told().await, ["Your name at Bank was changed"]);
    assert_eq!(amy.orders(APPROVE, "late", &right).await.code(), (409, "not_proposed"));
    let shown = sue.gets(&format!("/v1/staff/customers/{}", ada.id)).await.good();
    assert_eq!(shown["name_change"], Value::Null);
    it.is_on_record().await;
}

impl Desk {
    /// Asserts that the last change of the customer is on record with what was before, and that nobody reads either in
    /// what is stored.
    async fn is_on_record(&self) {
        let Bank { store, .. } = &*self.branch.bank;
        let scan = || DocumentScan { limit: 1_000, ..DocumentScan::default() };
        let rows = store.scan::<AuditTrail>(scan()).await.unwrap().found;
        let changes: Vec<_> = rows
            .iter()
            .filter(|row| row.row.open.action_type == Action::Update)
            .filter_map(|row| {
                let sealed = row.row.statutory.as_known()?;
                let (old, new) = (sealed.old_values.as_ref()?, sealed.new_values.as_ref()?);
                new.get("last_name")?;
                Some((row.row.open.user_id, old["last_name"].clone(), new["last_name"].clone()))
            })
            .collect();
        assert_eq!(changes, [(Some(self.amy.id), json!("Quill"), json!("Lovelace"))]);
        for table in tables::ALL.iter().filter(|table| !table.options.volatile) {
            let scan = DocumentScan { table: table.id, ..scan() };
            for document in self.branch.client.scan_documents(&scan).await.unwrap().items {
                let value = document.value.unwrap();
                let is_in = value.windows(8).any(|part| part.eq_ignore_ascii_case(b"Lovelace"));
                assert!(!is_in, "{}", table.name);
            }
        }
    }
}

/// Row 60: whoever asked does not approve, whatever roles they have.
#[tokio::test]
async fn the_staff_asks_for_a_customer_and_another_member_approves() {
    let it = desk().await;
    let (sue, amy) =
        (App::logged_in(&it.branch, &it.sue).await, App::logged_in(&it.branch, &it.amy).await);
    let wish = with(it.matter(), "reason", &json!("deed poll of 12 May"));
    for (key, body) in [
        ("none", wish.clone()),
        ("half", with(wish.clone(), "first_name", &json!("Augusta"))),
        (
            "none of",
            json!({
                "matter": "ERASURE", "id": it.ada.id.to_string(), "reason": "x", "last_name": "Lovelace",
            }),
        ),
    ] {
        let key = key.replace(' ', "-");
        assert_eq!(
            sue.orders(PROPOSALS, &key, &body).await.code(),
            (400, "invalid_request"),
            "{key}"
        );
    }
    let wish = with(wish, "first_name", &json!("Augusta"));
    let wish = with(wish, "last_name", &json!("Lovelace"));
    assert_eq!(amy.orders(PROPOSALS, "one", &wish).await.status, 201);
    let other = with(wish.clone(), "last_name", &json!("Byron"));
    let reused = amy.orders(PROPOSALS, "one", &other).await;
    assert_eq!(reused.code(), (422, "idempotency_key_reused"), "a name is part of what is meant");
    assert_eq!(sue.orders(PROPOSALS, "two", &wish).await.code(), (409, "already_proposed"));
    assert_eq!(it.told().await, ["Your name at Bank is to be changed"]);
    let listed = amy.gets(PROPOSALS).await.good();
    let right = with(it.matter(), "proposal_id", &listed["data"][0]["proposal_id"]);
    assert_eq!(amy.orders(APPROVE, "own", &right).await.code(), (403, "same_eyes"));
    assert_eq!(it.names().await, called("Ada", "Quill"));
    let rae = it.branch.hires("rae@example.org", &[Role::Admin]).await;
    let rae = App::logged_in(&it.branch, &rae).await;
    assert_eq!(rae.orders(APPROVE, "right", &right).await.status, 204);
    assert_eq!(it.names().await, called("Augusta", "Lovelace"));
}

#[tokio::test]
async fn pages_lead_from_the_profile_to_the_new_name() {
    let it = desk().await;
    let Desk { branch, ada, .. } = &it;
    let mut browser = Browser::logged_in(branch, ada).await;
    let mut clerk = Browser::logged_in(branch, &it.amy).await;
    let ask = async |browser: &mut Browser, password: &str| {
        let csrf = browser.token("/security/name").await;
        let form = step_up(&csrf, password, &code(branch, ada));
        let form = format!("{form}&first_name=Augusta&last_name=Lovelace&reason=married");
        browser.posts("/security/name", &form).await
    };
    let wrong = ask(&mut browser, "guessed").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("value=\"Lovelace\"") && !wrong.text.contains("guessed"));
    assert_eq!(ask(&mut browser, PASSWORD).await.status, StatusCode::SEE_OTHER);
    let profile = browser.gets("/security/profile").await.text;
    assert!(profile.contains("Augusta Lovelace") && !profile.contains("to-name"), "{profile}");
    let page = format!("/staff/customers/{}", ada.id);
    let csrf = clerk.token("/staff").await;
    let shown = clerk.gets(&page).await.text;
    assert!(shown.contains("Augusta Lovelace") && !shown.contains("name-change-now"), "{shown}");
    let queue = clerk.gets("/staff/approvals").await.text;
    assert!(!queue.contains("Lovelace"));
    let (_, proposal) = queue.split_once("name=\"proposal\" value=\"").unwrap();
    let proposal = proposal.split_once('"').unwrap().0;
    let decision = |proposal: &str, decision: &str| {
        let id = ada.id;
        format!("csrf={csrf}&matter=name_change&id={id}&proposal={proposal}&decision={decision}")
    };
    let blind = clerk.posts("/staff/approvals", &decision("", "approve")).await;
    assert_eq!(blind.status, StatusCode::UNPROCESSABLE_ENTITY);
    clerk.is_led_to("/staff/approvals", &decision(proposal, "reject")).await;
    assert!(browser.gets("/security/profile").await.text.contains("to-name"), "it was turned down");
    let form = format!("csrf={csrf}&first_name=Augusta&last_name=Lovelace&reason=deed+poll");
    assert_eq!(clerk.is_led_to(&format!("{page}/name"), &form).await, page);
    let own = clerk.gets("/staff/approvals").await.text;
    assert!(own.contains("You asked for this") && !own.contains("value=\"approve\""), "{own}");
    assert_eq!(it.names().await, called("Ada", "Quill"));
    let odd = format!("csrf={csrf}&first_name=&last_name=Lovelace&reason=x");
    let odd = clerk.posts(&format!("{page}/name"), &odd).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Prevents: somebody who is forgotten and gets a name again.
#[tokio::test]
async fn who_is_forgotten_gets_no_name() {
    let it = desk().await;
    let Desk { branch, ada, .. } = &it;
    let app = App::logged_in(branch, ada).await;
    app.posts(CHANGES, &it.asked(PASSWORD, &code(branch, ada))).await.good();
    let amy = App::logged_in(branch, &it.amy).await;
    let proposal = text(&amy.gets(PROPOSALS).await.good()["data"][0], "proposal_id");
    let Bank { store, clock, .. } = &*branch.bank;
    erase(store, &**clock, &branch.orderer(ada).caller, ada.id).await.unwrap();
    let right = with(it.matter(), "proposal_id", &json!(proposal));
    assert_eq!(amy.orders(APPROVE, "late", &right).await.code(), (404, "not_found"));
    assert_eq!(amy.orders("/v1/staff/proposals/reject", "r", &right).await.status, 204);
}
