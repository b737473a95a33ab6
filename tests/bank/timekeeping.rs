//! An adapter whose time is not the ledger's. What would go wrong without: codes that are good for hours, logins
//! that never end, limits of the wrong day.

use crate::branch::Branch;
use crate::browser::Browser;
use axum::http::StatusCode;
use florin_adapter::clock::{Clock, MINUTE, SECOND};
use florin_adapter::timekeeping::Untimely;
use florin_adapter::{Bank, web};
use florin_ledger::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The ledger's time, and somewhat more or less.
#[derive(Debug)]
struct Skewed {
    inner: Arc<dyn Clock>,
    /// Ahead by this, less a minute.
    ahead: AtomicU64,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp(self.inner.now().0 + self.ahead.load(Ordering::SeqCst) - MINUTE)
    }
}

impl Skewed {
    fn set(&self, ahead: i64) {
        self.ahead.store(MINUTE.checked_add_signed(ahead).unwrap(), Ordering::SeqCst);
    }
}

async fn adapter(branch: &Branch) -> (Arc<Bank>, Arc<Skewed>) {
    let skewed = Arc::new(Skewed { inner: branch.clock.clone(), ahead: AtomicU64::new(MINUTE) });
    (Arc::new(branch.another_at(skewed.clone()).await), skewed)
}

async fn verdict(bank: &Bank) -> Result<(), Untimely> {
    bank.time.check(bank.store.client()).await.unwrap()
}

/// Prevents: an adapter that issues by a clock of its own.
#[tokio::test]
async fn an_adapter_is_at_most_two_seconds_off_the_ledger_or_issues_nothing() {
    const MILLISECOND: i64 = 1_000_000;
    let branch = Branch::open().await;
    branch.customer("ada@example.org").await;
    let (bank, skewed) = adapter(&branch).await;
    let mut browser = Browser::at(web::router(bank.clone()));
    let token = browser.token("/login").await;
    let form = format!("csrf={token}&email=ada@example.org&password=x");
    for (ahead, is_sound) in
        [(0, true), (1_900, true), (2_100, false), (9_000, false), (10_000, false)]
    {
        skewed.set(ahead * MILLISECOND);
        branch.pass(2 * SECOND);
        assert_eq!(verdict(&bank).await.is_ok(), is_sound, "{ahead} ms ahead");
        let ready = browser.gets("/health/ready").await.status;
        let page = browser.posts("/login", &form).await;
        if is_sound {
            assert_eq!((ready, page.status), (StatusCode::OK, StatusCode::SEE_OTHER));
        } else {
            let unavailable = StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!((ready, page.status), (unavailable, unavailable), "{ahead} ms ahead");
            assert!(page.headers.contains_key("retry-after"));
        }
        assert_eq!(browser.gets("/login").await.status, StatusCode::OK, "pages are still shown");
        assert_eq!(browser.gets("/health/live").await.status, StatusCode::OK);
    }
    let (behind, skewed) = adapter(&branch).await;
    assert_eq!(verdict(&behind).await, Ok(()));
    skewed.set(-2_100 * MILLISECOND);
    branch.pass(5 * SECOND);
    assert!(matches!(verdict(&behind).await, Err(Untimely::Off(_))), "behind the ledger");
    skewed.set(0);
    assert_eq!(verdict(&behind).await, Ok(()), "once it is right again");
}

/// Row 59 of the threat table: a clock that is set back.
#[tokio::test]
async fn time_never_goes_back_and_nothing_is_issued_until_the_clock_has_caught_up() {
    let branch = Branch::open().await;
    let (bank, skewed) = adapter(&branch).await;
    let latest = bank.clock.now();
    assert_eq!(verdict(&bank).await, Ok(()));
    skewed.set(-30 * i64::try_from(SECOND).unwrap());
    assert_eq!(bank.clock.now(), latest, "it stands still");
    assert_eq!(verdict(&bank).await, Err(Untimely::SetBack(30 * SECOND)));
    let mut browser = Browser::at(web::router(bank.clone()));
    assert_eq!(browser.posts("/login", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
    branch.pass(29 * SECOND);
    assert_eq!(bank.clock.now(), latest, "it stands still until it is later");
    skewed.set(0);
    assert_eq!(verdict(&bank).await, Ok(()));
    assert!(latest < bank.clock.now());
}
