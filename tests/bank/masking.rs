//! What is written down. What would go wrong without: whoever reads the logs, or has a copy of the ledger's disk,
//! has the customers' passwords, logins and names.

use crate::branch::{Branch, PASSWORD};
use crate::browser::Browser;
use axum::http::{Request, StatusCode, header};
use florin_adapter::accounts::accounts_of;
use florin_adapter::payments::RequestKey;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::filter::LevelFilter;

/// Where log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Row 53 of the threat table: nothing of what a customer is known by, or proves themselves with, is in a log,
/// however much of it is written, nor in any file of the ledger.
#[tokio::test]
async fn no_log_line_and_no_file_has_a_secret_or_a_name_in_it() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let branch = Branch::open().await;
    let ada = branch.customer("ada@example.org").await;
    let (one, other) = (branch.account(&ada, 1_000).await, branch.account(&ada, 0).await);
    let mut browser = Browser::of(&branch);
    branch.pass(60 * florin_adapter::clock::SECOND);
    let visitor = browser.token("/login").await;
    let email = ada.email;
    let password = "a%20horse%2C%20a%20battery";
    for typed in [password, "a-wrong-password"] {
        let form = format!("csrf={visitor}&email={email}&password={typed}");
        assert_eq!(browser.is_led_to("/login", &form).await, "/login/verify");
        let code = ada.totp.code(branch.now());
        let token = browser.token("/login/verify").await;
        let form = format!("csrf={token}&code={code}");
        let page = browser.posts("/login/verify", &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
    }
    let login = branch.login(&ada).await;
    let mut browser = Browser::logged_in(&branch, &ada).await;
    let token = browser.token("/transfer").await;
    for amount in ["1.00", "99999.00", "x"] {
        let request = RequestKey::generate();
        let form = format!(
            "csrf={token}&from={one}&to={other}&amount={amount}&description=for+the+hedgehog\
             &request={request}"
        );
        browser.posts("/transfer", &form).await;
    }
    let stolen = Request::get(format!("/login?token={login}&email={email}"))
        .header(header::AUTHORIZATION, format!("Bearer {login}"));
    browser.sends(stolen, String::new()).await;
    branch.works().await;
    tracing::trace!("everything is heard");

    let accounts = accounts_of(&branch.bank.store, ada.id).await.unwrap();
    let number = accounts[0].row.statutory.as_known().unwrap().account_number.plain();
    let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("everything is heard"));
    let (totp, login) = (ada.totp.base32(), login.to_string());
    let files = branch.files();
    let log_bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(100_000 < log_bytes, "what was done is on the disk: {log_bytes}");
    for secret in [
        PASSWORD,
        password,
        "a-wrong-password",
        email,
        "example.org",
        "Quill",
        "hedgehog",
        &totp,
        &login,
        &visitor,
        &token,
        number,
    ] {
        assert!(!said.contains(secret), "{secret} is in a log line");
        for (name, bytes) in &files {
            let is_there = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "{secret} is in the file {name}");
        }
    }
}
