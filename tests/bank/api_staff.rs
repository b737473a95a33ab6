//! What the staff does from programs. What would go wrong without: a program does what its member's role does not, one
//! member moves money alone, an order that was sent again is done again, or nobody knows what was looked at.

use crate::app::{Answer, App, text};
use crate::branch::{Branch, Person};
use crate::browser::Browser;
use axum::http::{Method, Request, header};
use florin_adapter::audit::Action;
use florin_adapter::id::{Account, Id, Transaction};
use florin_adapter::payments::TransactionStatus;
use florin_adapter::staff::Role;
use serde_json::{Value, json};

const PROPOSALS: &str = "/v1/staff/proposals";
const APPROVE: &str = "/v1/staff/proposals/approve";
const REJECT: &str = "/v1/staff/proposals/reject";
const DONE: u16 = 204;

/// A transfer of 6.00 from one customer to another that has ended.
struct Scene {
    branch: Branch,
    ada: Person,
    hers: Id<Account>,
    his: Id<Account>,
    transaction: Id<Transaction>,
}

async fn scene() -> Scene {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (hers, his) = (branch.account(&ada, 1_000).await, branch.account(&ben, 0).await);
    let transaction = branch.sends(&ada, hers, his, 600).await.unwrap().transaction;
    branch.works().await;
    Scene { branch, ada, hers, his, transaction }
}

impl Scene {
    async fn hires(&self, email: &'static str, role: Role) -> App<'_> {
        let person = self.branch.hires(email, &[role]).await;
        App::logged_in(&self.branch, &person).await
    }

    /// A program of a member of each role.
    async fn staff(&self) -> Vec<(Role, App<'_>)> {
        let emails = ["sue@example.org", "fred@example.org", "otto@example.org", "amy@example.org"];
        let mut staff = Vec::new();
        for (role, email) in Role::ALL.into_iter().zip(emails) {
            staff.push((role, self.hires(email, role).await));
        }
        staff
    }

    fn reversal(&self) -> Value {
        json!({"matter": "REVERSAL", "id": self.transaction.to_string()})
    }

    async fn balances(&self) -> (u128, u128) {
        (self.branch.balance(self.hers).await.0, self.branch.balance(self.his).await.0)
    }

    async fn status(&self) -> TransactionStatus {
        self.branch.view(&self.ada, self.transaction).await.status
    }
}

fn because(body: &Value) -> Value {
    let mut body = body.clone();
    body["reason"] = json!("sent to the wrong one");
    body
}

fn status(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("idempotent-replayed"))
}

/// Row 60: every operation of the staff's, as the document lists them, for every role and for customers.
#[tokio::test]
async fn each_operation_is_for_its_roles_alone() {
    use Role::{Admin, Fraud, Operations, Support};
    let scene = scene().await;
    let Scene { branch, ada, hers, transaction, .. } = &scene;
    let staff = scene.staff().await;
    let customer = App::logged_in(branch, ada).await;
    let (id, reason) = (ada.id, json!({"reason": "x"}));
    let nobodys = format!("usr_{}", "0".repeat(26));
    let matter = |kind: &str, id: &str| json!({"matter": kind, "id": id, "reason": "x"});
    let decided = |kind: &str, id: &str| json!({"matter": kind, "id": id});
    let none = Value::Null;
    let all = &Role::ALL[..];
    let case = format!("/v1/staff/cases/cas_{}/decision", "0".repeat(26));
    let transaction = transaction.to_string();
    let operations: Vec<(&str, String, Value, &[Role])> = vec![
        ("POST", String::from("/v1/staff/customers/search"), json!({"customer": ada.email}), all),
        ("GET", format!("/v1/staff/customers/{id}"), none.clone(), all),
        ("POST", format!("/v1/staff/customers/{id}/unlock"), reason.clone(), &[Support, Admin]),
        (
            "PUT",
            format!("/v1/staff/customers/{id}/legal-hold"),
            json!({"legal_hold": false, "reason": "x"}),
            &[Admin],
        ),
        ("GET", format!("/v1/staff/accounts/{hers}/transactions"), none.clone(), all),
        (
            "POST",
            format!("/v1/staff/accounts/{hers}/suspension"),
            reason.clone(),
            &[Operations, Fraud],
        ),
        (
            "POST",
            format!("/v1/staff/accounts/{hers}/reinstatement"),
            reason.clone(),
            &[Operations, Fraud],
        ),
        ("GET", String::from(PROPOSALS), none.clone(), all),
        ("POST", String::from(PROPOSALS), matter("REVERSAL", &transaction), &[Operations]),
        ("POST", String::from(PROPOSALS), matter("ERASURE", &nobodys), &[Support, Admin]),
        ("POST", String::from(PROPOSALS), matter("FACTOR_RECOVERY", &nobodys), &[Support]),
        (
            "POST",
            String::from(APPROVE),
            decided("REVERSAL", &nobody_s_transaction()),
            &[Operations, Admin],
        ),
        ("POST", String::from(APPROVE), decided("ERASURE", &nobodys), &[Admin]),
        ("POST", String::from(APPROVE), decided("FACTOR_RECOVERY", &nobodys), &[Admin]),
        (
            "POST",
            String::from(REJECT),
            decided("REVERSAL", &nobody_s_transaction()),
            &[Operations, Admin],
        ),
        ("POST", String::from(REJECT), decided("ERASURE", &nobodys), &[Support, Admin]),
        ("POST", String::from(REJECT), decided("FACTOR_RECOVERY", &nobodys), &[Support, Admin]),
        ("GET", String::from("/v1/staff/cases"), none, all),
        ("POST", case, json!({"verdict": "APPROVE"}), &[Fraud]),
    ];
    let ask = async |app: &App<'_>, method: &str, path: &str, body: &Value| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        app.asks(request.header("Idempotency-Key", "x"), body.to_string()).await
    };
    let mut tried = 0;
    for (method, path, body, roles) in &operations {
        let refused = ask(&customer, method, path, body).await;
        assert_eq!(refused.code(), (403, "not_staff"), "{method} {path}");
        for (role, app) in &staff {
            let answer = ask(app, method, path, body).await;
            let is_refused = answer.code() == (403, "role_missing");
            assert_eq!(
                is_refused,
                !roles.contains(role),
                "{method} {path} {body} {role}: {}",
                answer.json
            );
            tried += 1;
        }
    }
    assert_eq!(tried, 19 * 4);
    let document = florin_adapter::api::document("https://bank.example");
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().filter(|(path, _)| path.starts_with("/v1/staff"));
    let described = described.map(|(_, methods)| methods.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(described, 13, "say in this test who may do what");
}

fn nobody_s_transaction() -> String {
    format!("txn_{}", "0".repeat(26))
}

/// Rows 40 and 60: whoever is looked at is on record, before they are shown.
#[tokio::test]
async fn a_customer_is_found_and_shown_and_both_are_on_record() {
    let scene = scene().await;
    let Scene { branch, ada, hers, .. } = &scene;
    let app = scene.hires("sue@example.org", Role::Support).await;
    let search = "/v1/staff/customers/search";
    let number = {
        let hers_app = App::logged_in(branch, ada).await;
        text(&hers_app.gets(&format!("/v1/accounts/{hers}")).await.good(), "account_number")
    };
    for typed in [" ADA@example.org ", &*number] {
        let found = app.posts(search, &json!({"customer": typed})).await.good();
        assert_eq!(found, json!({"customer_id": ada.id.to_string()}), "{typed}");
    }
    for typed in ["no@example.org", "sue@example.org", "x", ""] {
        let answer = app.posts(search, &json!({"customer": typed})).await;
        assert_eq!(answer.code(), (404, "not_found"), "{typed}");
    }
    let path = format!("/v1/staff/customers/{}", ada.id);
    let shown = app.gets(&path).await.good();
    assert_eq!((&shown["email"], &shown["is_active"]), (&json!(ada.email), &json!(true)));
    assert_eq!(shown["accounts"][0]["account_id"], hers.to_string());
    assert_eq!(shown["accounts"][0]["posted_balance_cents"], 400);
    for gone in ["nothing", "%ff", "usr_00000000000000000000000000"] {
        let answer = app.gets(&format!("/v1/staff/customers/{gone}")).await;
        assert_eq!(answer.code(), (404, "not_found"), "{gone}");
    }
    let rows = branch.audit_rows().await;
    let seen = rows.iter().filter(|row| row.action_type == Action::Read);
    let seen: Vec<_> = seen.map(|row| (row.entity_id.clone(), row.user_id)).collect();
    assert_eq!(seen.len(), 3, "two searches, one look");
    let sue = rows.iter().rev().find(|row| row.action_type == Action::Read).unwrap().user_id;
    assert!(seen.iter().all(|(id, by)| *id == ada.id.to_string() && *by == sue));
    assert_ne!(sue, Some(ada.id));
}

#[tokio::test]
async fn an_account_is_suspended_and_reinstated_as_often_as_it_is_sent() {
    let scene = scene().await;
    let Scene { branch, ada, hers, .. } = &scene;
    let app = scene.hires("fred@example.org", Role::Fraud).await;
    let customer = App::logged_in(branch, ada).await;
    let standing =
        async || text(&customer.gets(&format!("/v1/accounts/{hers}")).await.good(), "status");
    let does = async |what: &str, reason: &str| {
        let path = format!("/v1/staff/accounts/{hers}/{what}");
        app.posts(&path, &json!({ "reason": reason })).await
    };
    for (what, status) in [("suspension", "SUSPENDED"), ("reinstatement", "ACTIVE")] {
        let long = "x".repeat(2_000);
        for odd in ["", " ", "two\nlines", &long] {
            let answer = does(what, odd).await;
            assert_eq!(answer.code(), (400, "invalid_request"), "{odd:.9}");
            assert_eq!(answer.json["errors"][0]["pointer"], "/reason");
        }
        assert_ne!(standing().await, status);
        for _ in 0..2 {
            assert_eq!(does(what, "looked odd").await.status, DONE);
            assert_eq!(standing().await, status);
        }
    }
    let nobodys = format!("/v1/staff/accounts/acc_{}/suspension", "0".repeat(26));
    let answer = app.posts(&nobodys, &json!({"reason": "x"})).await;
    assert_eq!(answer.code(), (404, "not_found"));
    let other = branch.account(ada, 0).await;
    let close = Request::post(format!("/v1/accounts/{other}/closing"));
    customer.asks(close, String::new()).await.good();
    let closed = format!("/v1/staff/accounts/{other}/suspension");
    let answer = app.posts(&closed, &json!({"reason": "x"})).await;
    assert_eq!(answer.code(), (409, "account_not_usable"));
}

/// Row 60: maker and checker are two, whatever roles one has; and row 43: each order is done once.
#[tokio::test]
async fn a_reversal_takes_two_and_moves_the_money_once_however_often_it_is_sent() {
    let scene = scene().await;
    let both = scene.branch.hires("mo@example.org", &[Role::Operations, Role::Admin]).await;
    let maker = App::logged_in(&scene.branch, &both).await;
    let checker = scene.hires("amy@example.org", Role::Admin).await;
    let (asked, decided) = (because(&scene.reversal()), scene.reversal());
    for path in [PROPOSALS, APPROVE, REJECT] {
        let body = if path == PROPOSALS { &asked } else { &decided };
        assert_eq!(
            maker.posts(path, body).await.code(),
            (400, "idempotency_key_missing"),
            "{path}"
        );
    }
    let early = checker.orders(APPROVE, "early", &decided).await;
    assert_eq!((early.code(), early.header("idempotent-replayed")), ((409, "not_proposed"), ""));

    assert_eq!(status(&maker.orders(PROPOSALS, "p", &asked).await), (201, ""));
    assert_eq!(status(&maker.orders(PROPOSALS, "\"p\"", &asked).await), (201, "true"));
    let mut other = asked.clone();
    other["reason"] = json!("something else");
    let reused = maker.orders(PROPOSALS, "p", &other).await;
    assert_eq!(reused.code(), (422, "idempotency_key_reused"));
    let again = maker.orders(PROPOSALS, "q", &asked).await;
    assert_eq!(again.code(), (409, "already_proposed"));
    let own = maker.orders(APPROVE, "a", &decided).await;
    assert_eq!(own.code(), (403, "same_eyes"));
    assert_eq!(scene.balances().await, (400, 600), "nothing has happened");

    let listed = async |app: &App<'_>| app.gets(PROPOSALS).await.good()["data"].clone();
    let (theirs, hers) = (listed(&maker).await, listed(&checker).await);
    assert_eq!((&theirs[0]["may_approve"], &hers[0]["may_approve"]), (&json!(false), &json!(true)));
    assert_eq!((&hers[0]["matter"], &hers[0]["id"]), (&decided["matter"], &decided["id"]));
    assert_eq!(hers[0]["reason"], "sent to the wrong one");

    let early = checker.orders(APPROVE, "early", &decided).await;
    assert_eq!(early.code(), (409, "not_proposed"), "what was answered is answered again");
    assert_eq!(early.header("idempotent-replayed"), "true");
    assert_eq!(status(&checker.orders(APPROVE, "a", &decided).await), (DONE, ""));
    assert_eq!(scene.balances().await, (1_000, 0));
    assert_eq!(status(&checker.orders(APPROVE, "a", &decided).await), (DONE, "true"));
    assert_eq!(scene.balances().await, (1_000, 0), "it is done once");
    assert_eq!(scene.status().await, TransactionStatus::Reversed);
    let late = maker.orders(PROPOSALS, "r", &asked).await;
    assert_eq!(late.code(), (409, "already_reversed"));
    let again = maker.orders(PROPOSALS, "q", &asked).await;
    assert_eq!(again.code(), (409, "already_proposed"));
    assert_eq!(listed(&checker).await, json!([]));
    // Another member's name is another name.
    let olga = scene.hires("olga@example.org", Role::Operations).await;
    assert_eq!(olga.orders(APPROVE, "a", &decided).await.code(), (409, "not_proposed"));
}

/// Row 60: prevents an approval of what was asked for with good words, taken back, and asked for again.
#[tokio::test]
async fn who_approves_what_they_have_seen_approves_no_other() {
    let scene = scene().await;
    let maker = scene.hires("otto@example.org", Role::Operations).await;
    let amy = scene.branch.hires("amy@example.org", &[Role::Admin]).await;
    let checker = App::logged_in(&scene.branch, &amy).await;
    let mut page = Browser::logged_in(&scene.branch, &amy).await;
    let asks = async |key: &str| {
        maker.orders(PROPOSALS, key, &because(&scene.reversal())).await.good();
        let mut decided = scene.reversal();
        decided["proposal_id"] =
            checker.gets(PROPOSALS).await.good()["data"][0]["proposal_id"].clone();
        decided
    };
    let first = asks("p").await;
    let csrf = page.token("/staff/approvals").await;
    let seen = format!(r#"name="proposal" value="{}""#, text(&first, "proposal_id"));
    assert!(page.gets("/staff/approvals").await.text.contains(&seen));
    maker.orders(REJECT, "taken-back", &first).await.good();
    let second = asks("q").await;
    assert_ne!(first["proposal_id"], second["proposal_id"]);
    for path in [APPROVE, REJECT] {
        let answer = checker.orders(path, "first", &first).await;
        assert_eq!(answer.code(), (409, "not_proposed"), "{path}");
    }
    let form = |decided: &Value| {
        let (id, proposal) = (text(decided, "id"), text(decided, "proposal_id"));
        format!("csrf={csrf}&matter=reversal&id={id}&proposal={proposal}&decision=approve")
    };
    let answer = page.posts("/staff/approvals", &form(&first)).await;
    assert!(answer.text.contains("nobody asks for this any more"), "{}", answer.text);
    let mut odd = second.clone();
    odd["proposal_id"] = json!("nothing");
    assert_eq!(checker.orders(APPROVE, "odd", &odd).await.code(), (400, "invalid_request"));
    assert_eq!(scene.balances().await, (400, 600), "nothing has happened");
    assert_eq!(page.is_led_to("/staff/approvals", &form(&second)).await, "/staff/approvals");
    assert_eq!(scene.balances().await, (1_000, 0));
}

/// Row 43, at the same time: one reversal, one answer.
#[tokio::test]
async fn the_same_approval_sixteen_times_at_once_is_one() {
    let scene = scene().await;
    let maker = scene.hires("otto@example.org", Role::Operations).await;
    let checker = scene.hires("amy@example.org", Role::Admin).await;
    let (asked, decided) = (because(&scene.reversal()), scene.reversal());
    maker.orders(PROPOSALS, "p", &asked).await.good();
    let approving = (0..16).map(|_| checker.orders(APPROVE, "once", &decided));
    let answers = futures_util::future::join_all(approving).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses, [DONE; 16]);
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty());
    assert_eq!(first.count(), 1);
    assert_eq!(scene.balances().await, (1_000, 0));
}

#[tokio::test]
async fn what_lacks_the_money_is_refused_and_may_be_ordered_anew() {
    let scene = scene().await;
    let maker = scene.hires("otto@example.org", Role::Operations).await;
    let checker = scene.hires("amy@example.org", Role::Admin).await;
    let (asked, decided) = (because(&scene.reversal()), scene.reversal());
    maker.orders(PROPOSALS, "p", &asked).await.good();
    let fraud = scene.branch.hires("fred@example.org", &[Role::Operations]).await;
    let clerk = scene.branch.clerk(&fraud).await;
    let ben = scene.branch.customer("cleo@example.org").await;
    let elsewhere = scene.branch.account(&ben, 0).await;
    let found = scene.branch.bank.store.get(&scene.his.bytes()).await.unwrap().unwrap();
    let found: florin_adapter::store::Found<florin_adapter::accounts::Accounts> = found;
    let owner = Person { id: found.row.open.user_id, ..ben.clone() };
    scene.branch.sends(&owner, scene.his, elsewhere, 600).await.unwrap();
    scene.branch.works().await;
    drop(clerk);
    for replayed in ["", "true"] {
        let answer = checker.orders(APPROVE, "a", &decided).await;
        assert_eq!(answer.code(), (422, "insufficient_funds"));
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
    scene.branch.deposits(scene.his, 600).await;
    let kept = checker.orders(APPROVE, "a", &decided).await;
    assert_eq!(kept.code(), (422, "insufficient_funds"), "it stays what it was");
    assert_eq!(checker.orders(APPROVE, "b", &decided).await.status, DONE);
}

#[tokio::test]
async fn what_was_asked_for_is_rejected_by_who_asked_or_may_approve() {
    let scene = scene().await;
    let maker = scene.hires("sue@example.org", Role::Support).await;
    let admin = scene.hires("amy@example.org", Role::Admin).await;
    let matter = json!({"matter": "ERASURE", "id": scene.ada.id.to_string()});
    for (place, app) in [&maker, &admin].into_iter().enumerate() {
        maker.orders(PROPOSALS, &format!("p{place}"), &because(&matter)).await.good();
        let open = admin.orders(APPROVE, &format!("a{place}"), &matter).await;
        assert_eq!(open.code(), (409, "accounts_open"));
        let key = format!("r{place}");
        assert_eq!(status(&app.orders(REJECT, &key, &matter).await), (DONE, ""));
        assert_eq!(status(&app.orders(REJECT, &key, &matter).await), (DONE, "true"));
        let again = app.orders(REJECT, &format!("s{place}"), &matter).await;
        assert_eq!(again.code(), (409, "not_proposed"));
    }
    let hold = json!({"legal_hold": true, "reason": "letter of the court"});
    let path = format!("/v1/staff/customers/{}/legal-hold", scene.ada.id);
    let put = Request::builder().method(Method::PUT).uri(&path);
    let put = put.header(header::CONTENT_TYPE, "application/json");
    assert_eq!(admin.asks(put, hold.to_string()).await.status, DONE);
    let held = maker.orders(PROPOSALS, "held", &because(&matter)).await;
    assert_eq!(held.code(), (409, "legal_hold_stands"));
    for odd in ["nothing", "txn_00000000000000000000000000"] {
        let odd = json!({"matter": "ERASURE", "id": odd});
        let answer = admin.orders(REJECT, "odd", &odd).await;
        assert_eq!(answer.json["errors"], json!([{"pointer": "/id", "code": "invalid_value"}]));
    }
}

#[tokio::test]
async fn a_case_is_decided_once() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, his) = (branch.account(&ada, 600_000).await, branch.account(&ben, 0).await);
    let begun = branch.sends(&ada, one, his, 300_000).await.unwrap();
    branch.works().await;
    let fred = branch.hires("fred@example.org", &[Role::Fraud]).await;
    let app = App::logged_in(&branch, &fred).await;
    let cases = app.gets("/v1/staff/cases").await.good();
    let case = &cases["data"][0];
    assert_eq!(case["transaction_id"], begun.transaction.to_string());
    assert_eq!(case["customer_id"], ada.id.to_string());
    let path = format!("/v1/staff/cases/{}/decision", text(case, "case_id"));
    let (approve, reject) = (json!({"verdict": "APPROVE"}), json!({"verdict": "REJECT"}));
    assert_eq!(app.posts(&path, &approve).await.code(), (400, "idempotency_key_missing"));
    assert_eq!(status(&app.orders(&path, "c", &approve).await), (DONE, ""));
    assert_eq!(status(&app.orders(&path, "c", &approve).await), (DONE, "true"));
    let other = app.orders(&path, "c", &reject).await;
    assert_eq!(other.code(), (422, "idempotency_key_reused"));
    assert_eq!(app.orders(&path, "d", &reject).await.code(), (409, "case_decided"));
    branch.works().await;
    let view = branch.view(&ada, begun.transaction).await;
    assert_eq!(view.status, TransactionStatus::Completed);
    assert_eq!(app.gets("/v1/staff/cases").await.good()["data"], json!([]));
    let nobodys = format!("/v1/staff/cases/cas_{}/decision", "0".repeat(26));
    assert_eq!(app.orders(&nobodys, "e", &approve).await.code(), (404, "not_found"));
}
