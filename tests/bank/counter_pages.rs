//! The staff's pages. What would go wrong without: a page that lets somebody do what their role does not, shows what
//! nobody knows was seen, or takes a stranger's form.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use axum::http::{Request, StatusCode, header};
use florin_adapter::accounts::{self, AccountStatus};
use florin_adapter::audit::Action;
use florin_adapter::clock::SECOND;
use florin_adapter::customers::Customers;
use florin_adapter::id::{Account, Id, Transaction};
use florin_adapter::payments::RequestKey;
use florin_adapter::staff::Role;
use florin_adapter::store::{Found, Held};

/// A customer with two accounts and a transfer of 1.00 between them.
struct Scene {
    branch: Branch,
    ada: Person,
    account: Id<Account>,
    other: Id<Account>,
    transaction: Id<Transaction>,
}

async fn scene() -> Scene {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (account, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let transaction = branch.sends(&ada, account, other, 100).await.unwrap().transaction;
    branch.works().await;
    Scene { branch, ada, account, other, transaction }
}

impl Scene {
    async fn hires(&self, email: &'static str, roles: &[Role]) -> Browser {
        let person = self.branch.hires(email, roles).await;
        Browser::logged_in(&self.branch, &person).await
    }

    fn pages(&self) -> Vec<String> {
        let Scene { ada, account, transaction, .. } = self;
        vec![
            String::from("/staff"),
            String::from("/staff/approvals"),
            format!("/staff/customers/{}", ada.id),
            format!("/staff/accounts/{account}"),
            format!("/staff/transactions/{transaction}"),
        ]
    }

    /// Every act: where it goes, what it says, and who may.
    fn acts(&self) -> Vec<(String, String, &'static [Role])> {
        let Scene { ada, account, transaction, .. } = self;
        let (id, request) = (ada.id, RequestKey::generate());
        let cash = format!("direction=deposit&amount=1.00&description=x&request={request}");
        vec![
            (
                format!("/staff/customers/{id}/unlock"),
                String::from("reason=x"),
                &[Role::Support, Role::Admin],
            ),
            (
                format!("/staff/customers/{id}/legal-hold"),
                String::from("hold=lifted&reason=x"),
                &[Role::Admin],
            ),
            (
                format!("/staff/customers/{id}/erasure"),
                String::from("reason=x"),
                &[Role::Support, Role::Admin],
            ),
            (
                format!("/staff/customers/{id}/factor-recovery"),
                String::from("reason=x"),
                &[Role::Support],
            ),
            (
                format!("/staff/accounts/{account}/suspension"),
                String::from("suspension=standing&reason=x"),
                &[Role::Fraud, Role::Operations],
            ),
            (format!("/staff/accounts/{account}/cash"), cash, &[Role::Operations]),
            (
                format!("/staff/transactions/{transaction}/reversal"),
                String::from("reason=x"),
                &[Role::Operations],
            ),
        ]
    }
}

/// Rows 26 and 60 of the threat table: every page and every act of the staff, for each role, for customers, for
/// strangers, and without the token of the login's forms.
#[tokio::test]
async fn each_act_is_for_its_roles_alone_and_by_the_banks_own_forms() {
    let scene = scene().await;
    let mut customer = Browser::logged_in(&scene.branch, &scene.ada).await;
    let mut stranger = Browser::of(&scene.branch);
    let token = customer.token("/accounts").await;
    for path in scene.pages() {
        assert_eq!(customer.gets(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(stranger.gets(&path).await.headers[header::LOCATION], "/login", "{path}");
    }
    for (path, body, _) in scene.acts() {
        let form = format!("csrf={token}&{body}");
        assert_eq!(customer.posts(&path, &form).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(stranger.posts(&path, &form).await.headers[header::LOCATION], "/login");
    }
    for (email, role) in [
        ("sue@example.org", Role::Support),
        ("fred@example.org", Role::Fraud),
        ("amy@example.org", Role::Admin),
        ("otto@example.org", Role::Operations),
    ] {
        let mut browser = scene.hires(email, &[role]).await;
        let token = browser.token("/staff").await;
        for path in scene.pages() {
            assert_eq!(browser.gets(&path).await.status, StatusCode::OK, "{role} {path}");
        }
        for (path, body, roles) in scene.acts() {
            assert_eq!(browser.posts(&path, &body).await.status, StatusCode::FORBIDDEN);
            let foreign = Request::post(&path).header(header::ORIGIN, "https://evil.example");
            let form = format!("csrf={token}&{body}");
            let refused = browser.sends(foreign, form.clone()).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN);
            let page = browser.posts(&path, &form).await;
            if !roles.contains(&role) {
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{role} {path}");
            } else {
                let is_done = page.status == StatusCode::SEE_OTHER;
                // Another role has asked for the same before.
                let is_known = page.status == StatusCode::UNPROCESSABLE_ENTITY;
                assert!(is_done || is_known && path.ends_with("erasure"), "{role} {path}");
            }
        }
    }
}

/// Row 40, for the staff: what is not there is not there, whatever it is called.
#[tokio::test]
async fn what_is_not_there_is_404_for_the_staff_too() {
    let scene = scene().await;
    let mut browser = scene.hires("sue@example.org", &Role::ALL).await;
    let sue = scene.branch.hires("olga@example.org", &[Role::Support]).await;
    for path in [
        String::from("/staff/customers/usr_00000000000000000000000000"),
        String::from("/staff/customers/x"),
        format!("/staff/customers/{}", sue.id),
        String::from("/staff/accounts/acc_00000000000000000000000000"),
        String::from("/staff/accounts/x"),
        String::from("/staff/transactions/txn_00000000000000000000000000"),
        String::from("/staff/cash"),
    ] {
        assert_eq!(browser.gets(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// Prevents: a member of the staff who looks at a customer, and nobody ever knows.
#[tokio::test]
async fn customers_are_found_by_address_or_number_and_every_look_is_on_record() {
    let scene = scene().await;
    let branch = &scene.branch;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let mut browser = Browser::logged_in(branch, &sue).await;
    let token = browser.token("/staff").await;
    let found = accounts::owned(&branch.bank.store, scene.ada.id, scene.account).await.unwrap();
    let number = found.unwrap().row.statutory.known().unwrap().account_number;
    let number = number.to_string().replace(' ', "+");
    let path = format!("/staff/customers/{}", scene.ada.id);
    for typed in ["ada%40example.org", "+ADA%40example.org", &number] {
        let form = format!("csrf={token}&customer={typed}");
        assert_eq!(browser.is_led_to("/staff", &form).await, path);
    }
    for typed in ["eve%40example.org", "sue%40example.org", "", "DE89370400440532013000", "x"] {
        let page = browser.posts("/staff", &format!("csrf={token}&customer={typed}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
    }
    let page = browser.gets(&path).await;
    assert!(page.text.contains("Ada Quill") && page.text.contains("€9.00"), "{}", page.text);
    browser.gets(&format!("/staff/accounts/{}", scene.account)).await;
    browser.gets(&format!("/staff/transactions/{}", scene.transaction)).await;
    let rows = branch.audit_rows().await;
    let looks: Vec<_> = rows.iter().filter(|row| row.action_type == Action::Read).collect();
    assert_eq!(looks.len(), 6, "three searches and three pages");
    for look in &looks {
        assert_eq!((look.user_id, look.subject), (Some(sue.id), Some(scene.ada.id)));
    }
    let of = |entity: &str| {
        let look = looks.iter().find(|look| look.entity_type == entity).unwrap();
        look.entity_id.clone()
    };
    assert_eq!(of("ACCOUNT"), scene.account.to_string());
    assert_eq!(of("TRANSACTION"), scene.transaction.to_string(), "which one was looked at");
}

/// Row 60, on pages: self-approval gets 403, and nothing is posted.
#[tokio::test]
async fn a_reversal_takes_two_people_at_two_browsers() {
    let scene = scene().await;
    let mut maker = scene.hires("otto@example.org", &[Role::Operations]).await;
    let mut checker = scene.hires("amy@example.org", &[Role::Admin]).await;
    let (token, checkers) = (maker.token("/staff").await, checker.token("/staff").await);
    let page = format!("/staff/transactions/{}", scene.transaction);
    let hostile = "%3Cscript%3Ealert(1)%3C/script%3E";
    let form = format!("csrf={token}&reason={hostile}");
    assert_eq!(maker.is_led_to(&format!("{page}/reversal"), &form).await, page);
    let queue = checker.gets("/staff/approvals").await.text;
    assert!(!queue.contains("<script") && queue.contains("alert(1)"), "row 28: {queue}");
    let decision = |token: &str, decision: &str| {
        format!("csrf={token}&matter=reversal&id={}&decision={decision}", scene.transaction)
    };
    let own = maker.posts("/staff/approvals", &decision(&token, "approve")).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert!(!maker.gets("/staff/approvals").await.text.contains("value=\"approve\""));
    assert_eq!(scene.branch.balance(scene.other).await, (100, 100), "nothing was posted");
    let form = decision(&checkers, "approve");
    assert_eq!(checker.is_led_to("/staff/approvals", &form).await, "/staff/approvals");
    assert_eq!(scene.branch.balance(scene.other).await, (0, 0));
    assert!(checker.gets(&page).await.text.contains("REVERSED"));
    let again = checker.posts("/staff/approvals", &form).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    for wrong in ["decision=approve", "matter=gold&id=x&decision=approve"] {
        let form = format!("csrf={checkers}&{wrong}");
        let page = checker.posts("/staff/approvals", &form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn accounts_are_suspended_and_paid_into_at_the_counter() {
    let scene = scene().await;
    let mut browser = scene.hires("otto@example.org", &[Role::Operations]).await;
    let token = browser.token("/staff").await;
    let page = format!("/staff/accounts/{}", scene.account);
    let request = RequestKey::generate();
    let cash = |amount: &str, direction: &str| {
        format!(
            "csrf={token}&direction={direction}&amount={amount}&description=x&request={request}"
        )
    };
    for wrong in ["", "0", "1e3", "-1.00", "1.001"] {
        let said = browser.posts(&format!("{page}/cash"), &cash(wrong, "deposit")).await;
        assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    for _ in 0..2 {
        let form = cash("20.00", "deposit");
        assert_eq!(browser.is_led_to(&format!("{page}/cash"), &form).await, page);
    }
    assert_eq!(scene.branch.balance(scene.account).await, (2_900, 2_900), "sent twice, once done");
    let form = format!("csrf={token}&suspension=standing&reason=odd");
    assert_eq!(browser.is_led_to(&format!("{page}/suspension"), &form).await, page);
    assert!(browser.gets(&page).await.text.contains("Suspended"));
    let form = format!("csrf={token}&suspension=lifted&reason=fine");
    assert_eq!(browser.is_led_to(&format!("{page}/suspension"), &form).await, page);
    let store = &scene.branch.bank.store;
    let found = accounts::owned(store, scene.ada.id, scene.account).await.unwrap().unwrap();
    assert_eq!(found.row.open.status, AccountStatus::Active);
}

#[tokio::test]
async fn forgetting_takes_two_and_no_legal_hold() {
    let scene = scene().await;
    let Scene { branch, ada, account, other, .. } = &scene;
    let bank = &*branch.bank;
    let mut amy = scene.hires("amy@example.org", &[Role::Admin]).await;
    let mut alma = scene.hires("alma@example.org", &[Role::Admin]).await;
    let (token, almas) = (amy.token("/staff").await, alma.token("/staff").await);
    let page = format!("/staff/customers/{}", ada.id);
    let hold = |state: &str| format!("csrf={token}&hold={state}&reason=court");
    let ask = format!("csrf={token}&reason=asked");
    let approve =
        |token: &str| format!("csrf={token}&matter=erasure&id={}&decision=approve", ada.id);
    amy.is_led_to(&format!("{page}/legal-hold"), &hold("standing")).await;
    let refused = amy.posts(&format!("{page}/erasure"), &ask).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    amy.is_led_to(&format!("{page}/legal-hold"), &hold("lifted")).await;
    amy.is_led_to(&format!("{page}/erasure"), &ask).await;
    let own = amy.posts("/staff/approvals", &approve(&token)).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    let open = alma.posts("/staff/approvals", &approve(&almas)).await;
    assert_eq!(open.status, StatusCode::UNPROCESSABLE_ENTITY, "accounts are open");
    // Whoever is held meanwhile is kept.
    branch.sends(ada, *account, *other, 900).await.unwrap();
    branch.works().await;
    let operations = branch.hires("otto@example.org", &[Role::Operations]).await;
    let clerk = branch.clerk(&operations).await;
    let order = accounts::CashOrder {
        account: *other,
        direction: accounts::CashDirection::Withdrawal,
        money: florin_adapter::money::Money::positive(florin_adapter::money::Currency::Eur, 1_000)
            .unwrap(),
        description: String::new(),
        request: RequestKey::generate(),
    };
    accounts::move_cash(bank, &clerk, &order).await.unwrap();
    for account in [*account, *other] {
        let owner = crate::branch::orderer(ada);
        accounts::close(&bank.store, &*bank.clock, &owner, account).await.unwrap();
    }
    amy.is_led_to(&format!("{page}/legal-hold"), &hold("standing")).await;
    let held = alma.posts("/staff/approvals", &approve(&almas)).await;
    assert_eq!(held.status, StatusCode::UNPROCESSABLE_ENTITY);
    amy.is_led_to(&format!("{page}/legal-hold"), &hold("lifted")).await;
    alma.is_led_to("/staff/approvals", &approve(&almas)).await;
    let found: Found<Customers> = bank.store.get(&ada.id.bytes()).await.unwrap().unwrap();
    assert!(found.row.profile == Held::Erased && !found.row.open.is_active);
    let shown = alma.gets(&page).await.text;
    assert!(shown.contains("Forgotten") && !shown.contains("Quill"), "{shown}");
}

#[tokio::test]
async fn who_has_typed_too_many_wrong_passwords_is_let_in_again() {
    let scene = scene().await;
    let Scene { branch, ada, .. } = &scene;
    for _ in 0..5 {
        assert!(!branch.lets_in(ada.email, "something else", "000000").await);
    }
    branch.pass(30 * SECOND);
    assert!(!branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await, "locked");
    let mut browser = scene.hires("sue@example.org", &[Role::Support]).await;
    let token = browser.token("/staff").await;
    let page = format!("/staff/customers/{}", ada.id);
    let form = format!("csrf={token}&reason=called");
    browser.is_led_to(&format!("{page}/unlock"), &form).await;
    assert!(branch.lets_in(ada.email, PASSWORD, &ada.totp.code(branch.now())).await);
}
