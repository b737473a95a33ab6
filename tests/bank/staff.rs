//! The staff. What would go wrong without: a customer who gets behind the counter, or a member of the staff who
//! does more than their role allows, for longer than they have it.

use crate::branch::{Branch, PASSWORD};
use crate::browser::Browser;
use axum::http::{StatusCode, header};
use florin_adapter::BankError;
use florin_adapter::accounts::{self, AccountType, Opening};
use florin_adapter::audit::Caller;
use florin_adapter::clock::SECOND;
use florin_adapter::customers::{Password, TotpSecret};
use florin_adapter::email::Email;
use florin_adapter::money::Currency;
use florin_adapter::staff::{self, MemberRefused, NewMember, Role, Roles};

fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn roles(roles: &[Role]) -> Roles {
    roles.iter().copied().collect()
}

/// Row 60 of the threat table: neither side of the counter gets to the other's pages, whatever they send there.
#[tokio::test]
async fn customers_get_to_no_page_of_the_staff_and_the_staff_to_none_of_theirs() {
    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let account = branch.account(&ada, 100).await;
    let sue = branch.hires("sue@example.org", &Role::ALL).await;
    let mut customer = Browser::logged_in(&branch, &ada).await;
    let mut clerk = Browser::logged_in(&branch, &sue).await;
    let mut stranger = Browser::of(&branch);
    let customers = ["/accounts", "/transfer", "/transactions/txn_00000000000000000000000000"];
    let account = format!("/accounts/{account}");
    for path in customers.into_iter().chain([&*account]) {
        assert_eq!(clerk.gets(path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(stranger.gets(path).await.headers[header::LOCATION], "/login", "{path}");
    }
    assert_eq!(clerk.posts("/transfer", "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(customer.gets("/staff").await.status, StatusCode::FORBIDDEN);
    assert_eq!(customer.gets("/accounts").await.status, StatusCode::OK);
    assert_eq!(clerk.gets("/staff").await.status, StatusCode::OK);
    assert_eq!(clerk.gets("/").await.headers[header::LOCATION], "/staff");
    assert_eq!(customer.gets("/").await.headers[header::LOCATION], "/accounts");
}

#[tokio::test]
async fn the_staff_logs_in_where_customers_do_with_a_code_and_gets_to_its_own_pages() {
    let branch = Branch::open().await;
    let sue = branch.hires("sue@example.org", &[Role::Support]).await;
    let mut browser = Browser::of(&branch);
    let token = browser.token("/login").await;
    let email = "sue%40example.org";
    let password = PASSWORD.replace(' ', "+");
    let form = format!("csrf={token}&email={email}&password={password}");
    assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
    assert_eq!(
        browser.is_led_to("/login/verify", &format!("csrf={token}&code=000000")).await,
        "/login?problem=1"
    );
    assert_eq!(
        browser.gets("/staff").await.headers[header::LOCATION],
        "/login",
        "no code, no login"
    );
    assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
    let form = format!("csrf={token}&code={}", sue.totp.code(branch.now()));
    assert_eq!(browser.is_led_to("/login/verify", &form).await, "/staff");
    assert_eq!(browser.gets("/staff").await.status, StatusCode::OK);
    let token = browser.token("/staff").await;
    assert_eq!(browser.is_led_to("/logout", &format!("csrf={token}")).await, "/login");
    assert_eq!(browser.gets("/staff").await.headers[header::LOCATION], "/login");
}

#[tokio::test]
async fn an_address_is_one_users_and_nobody_is_on_the_staff_without_a_role() {
    let branch = Branch::open().await;
    branch.customer("ada@example.org").await;
    branch.hires("sue@example.org", &[Role::Support]).await;
    let new = |email: &str, of: &[Role]| NewMember {
        email: address(email),
        name: String::from("Sue Quill"),
        roles: roles(of),
        password: Password::new(String::from(PASSWORD)).unwrap(),
        totp: TotpSecret::generate(),
    };
    let bank = &*branch.bank;
    for email in ["ada@example.org", "SUE@example.org"] {
        let refused = staff::add(bank, &Caller::bank(), new(email, &[Role::Admin])).await;
        assert!(matches!(refused, Err(MemberRefused::KnownAddress)), "{email}");
    }
    assert!(branch.registers("sue@example.org").await.is_none());
    let refused = staff::add(bank, &Caller::bank(), new("ben@example.org", &[])).await;
    assert!(matches!(refused, Err(MemberRefused::NoRole)));
    let nameless = NewMember { name: String::from(" "), ..new("ben@example.org", &[Role::Admin]) };
    let refused = staff::add(bank, &Caller::bank(), nameless).await;
    assert!(matches!(refused, Err(MemberRefused::Name)));
    let ada = address("ada@example.org");
    let refused = staff::change_roles(bank, &Caller::bank(), &ada, &roles(&[Role::Admin])).await;
    assert!(matches!(refused, Err(MemberRefused::NoSuchMember)), "a customer is not promoted");
    let refused = staff::remove(bank, &Caller::bank(), &ada).await;
    assert!(matches!(refused, Err(MemberRefused::NoSuchMember)), "nor let go");
}

/// Row 60: whoever has lost a role, or was let go, is what they are now at once.
#[tokio::test]
async fn roles_and_membership_end_at_once() {
    let branch = Branch::open().await;
    let bank = &*branch.bank;
    let sue = branch.hires("sue@example.org", &[Role::Support, Role::Admin]).await;
    let mut browser = Browser::logged_in(&branch, &sue).await;
    assert!(browser.gets("/staff").await.text.contains("support, admin"));
    let email = address(sue.email);
    staff::change_roles(bank, &Caller::bank(), &email, &roles(&[Role::Support])).await.unwrap();
    assert_eq!(browser.gets("/staff").await.headers[header::LOCATION], "/login");
    let clerk = branch.clerk(&sue).await;
    assert!(clerk.may(&[Role::Fraud, Role::Support]) && clerk.needs(&[Role::Admin]).is_err());
    let mut browser = Browser::logged_in(&branch, &sue).await;
    assert!(!browser.gets("/staff").await.text.contains("admin"));
    let members = staff::members(&bank.store).await.unwrap();
    assert_eq!((members.len(), &*members[0].email), (1, sue.email));
    assert_eq!((&*members[0].name, &members[0].roles), ("Sue Quill", &roles(&[Role::Support])));

    staff::remove(bank, &Caller::bank(), &email).await.unwrap();
    assert_eq!(browser.gets("/staff").await.headers[header::LOCATION], "/login");
    branch.pass(30 * SECOND);
    assert!(!branch.lets_in(sue.email, PASSWORD, &sue.totp.code(branch.now())).await);
    assert!(staff::members(&bank.store).await.unwrap().is_empty());
    branch.hires("sue@example.org", &[Role::Fraud]).await;
}

#[tokio::test]
async fn the_staff_has_no_accounts() {
    let branch = Branch::open().await;
    let sue = branch.hires("sue@example.org", &Role::ALL).await;
    let opening =
        Opening { customer: sue.id, account_type: AccountType::Checking, currency: Currency::Eur };
    let bank = &*branch.bank;
    let opened =
        accounts::open(&bank.store, &*bank.clock, &Caller::bank(), bank.options.code, opening)
            .await;
    assert!(matches!(opened, Err(BankError::Erased)));
}
