//! The day after a change of what a customer is reached or proved by. What would go wrong without: whoever has taken an
//! account over empties it before its owner reads the warning.

use crate::app::App;
use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::mailbox::{Mailbox, link, token};
use crate::recovery_codes::{code, step_up};
use florin_adapter::Bank;
use florin_adapter::accounts;
use florin_adapter::clock::{HOUR, SECOND};
use florin_adapter::id::{Account, Id};
use florin_adapter::payments::payee::{self, NewPayee, PayeeRefused};
use florin_adapter::payments::{self, Initiated, NewTransfer, Orderer, TransferRefused};
use serde_json::json;
use std::sync::Arc;

const STEP_UP_ABOVE: u64 = 1_000;
const OTHER: &str = "another horse and cart";

#[derive(Clone, Copy, Debug)]
enum Change {
    Email,
    Factor,
    Recovery,
}

struct Scene {
    branch: Branch,
    strict: Arc<Bank>,
    ada: Person,
    one: Id<Account>,
    own: Id<Account>,
    his: Id<Account>,
}

async fn scene() -> Scene {
    let branch = Branch::open().await;
    let strict = branch.with_options(|options| options.step_up_above_cents = STEP_UP_ABOVE).await;
    let ada = branch.customer("ada@example.org").await;
    let ben = branch.customer("ben@example.org").await;
    let (one, own) = (branch.account(&ada, 100_000).await, branch.account(&ada, 0).await);
    let his = branch.account(&ben, 0).await;
    Scene { branch, strict, ada, one, own, his }
}

impl Scene {
    /// Makes a change, by the pages. What its customer is reached and proved by then.
    async fn makes(&self, change: Change) -> Person {
        let Scene { branch, ada, .. } = self;
        let mailbox = Mailbox::new();
        let mut browser = Browser::logged_in(branch, ada).await;
        match change {
            Change::Email => {
                let csrf = browser.token("/security/email").await;
                let form = step_up(&csrf, PASSWORD, &code(branch, ada));
                let form = format!("{form}&email=new%40example.org");
                browser.is_led_to("/security/email", &form).await;
                mailbox.fills(branch).await;
                let letters = mailbox.opens();
                let letter = letters.iter().find(|mail| mail.text.contains("token=")).unwrap();
                let link = link(letter);
                let csrf = browser.token(&link).await;
                let form = format!("csrf={csrf}&token={}", token(&link));
                browser.is_led_to("/security/email/confirm", &form).await;
                Person { email: "new@example.org", ..ada.clone() }
            }
            Change::Factor => {
                let csrf = browser.token("/security/factor").await;
                let form = step_up(&csrf, PASSWORD, &code(branch, ada));
                browser.is_led_to("/security/factor", &form).await;
                let totp =
                    crate::factor_changes::secret(&browser.gets("/security/factor/new").await);
                let csrf = browser.token("/security/factor/new").await;
                let form = format!("csrf={csrf}&code={}", totp.code(branch.now()));
                browser.is_led_to("/security/factor/new", &form).await;
                Person { totp, ..ada.clone() }
            }
            Change::Recovery => {
                let csrf = browser.token("/recover").await;
                let form = format!("csrf={csrf}&email=ada%40example.org");
                browser.is_led_to("/recover", &form).await;
                mailbox.fills(branch).await;
                let link = link(&mailbox.only(ada.email));
                let csrf = browser.token(&link).await;
                let form = step_up(&csrf, OTHER, &code(branch, ada));
                let form = format!("{form}&token={}", token(&link));
                browser.is_led_to("/recover/confirm", &form).await;
                ada.clone()
            }
        }
    }

    fn by(&self) -> Orderer {
        self.branch.orderer(&self.ada)
    }

    async fn notes(&self, number: &str) -> Result<(), PayeeRefused> {
        let Bank { store, clock, options, .. } = &*self.strict;
        let number = number.parse().unwrap();
        let new = NewPayee { name: String::from("Otto"), number, bank_code: None };
        payee::add(store, &**clock, &self.by(), options.code, &new).await.map(drop)
    }

    async fn pays(&self, to: Id<Account>, cents: u64) -> Result<Initiated, TransferRefused> {
        let order: NewTransfer = self.branch.order(self.one, to, cents);
        payments::initiate(&self.strict, &self.by(), &order).await
    }
}

/// What may be done a second before a day is over, and when it is.
#[tokio::test]
async fn for_a_day_nobody_new_is_paid_and_nobody_much_and_not_a_second_longer() {
    for change in [Change::Email, Change::Factor, Change::Recovery] {
        let scene = scene().await;
        scene.notes("DE89370400440532013000").await.unwrap();
        let asked = scene.pays(scene.his, STEP_UP_ABOVE + 1).await;
        assert!(matches!(asked, Err(TransferRefused::StepUp(_))), "{change:?}: {asked:?}");
        scene.makes(change).await;
        let until = scene.branch.now().0 + 24 * HOUR;
        for (hours, seconds) in [(0, 0), (23, 3_599)] {
            let now = until - 24 * HOUR + hours * HOUR + seconds * SECOND;
            scene.branch.pass(now - scene.branch.now().0);
            let noted = scene.notes("GB29NWBK60161331926819").await;
            let is_told = matches!(noted, Err(PayeeRefused::TooSoon(time)) if time.0 == until);
            assert!(is_told, "{change:?}: {noted:?}");
            let paid = scene.pays(scene.his, STEP_UP_ABOVE + 1).await;
            let is_told = matches!(paid, Err(TransferRefused::TooSoon(time)) if time.0 == until);
            assert!(is_told, "{change:?}: {paid:?}");
            scene.pays(scene.his, STEP_UP_ABOVE).await.unwrap();
            scene.pays(scene.own, 10 * STEP_UP_ABOVE).await.unwrap();
        }
        scene.branch.pass(SECOND);
        assert_eq!(scene.branch.now().0, until);
        scene.notes("GB29NWBK60161331926819").await.unwrap();
        let asked = scene.pays(scene.his, STEP_UP_ABOVE + 1).await;
        assert!(matches!(asked, Err(TransferRefused::StepUp(_))), "{change:?}: {asked:?}");
    }
}

/// IN4: a change that comes while a payment or a payee is decided comes before it.
#[tokio::test]
async fn a_change_in_the_midst_of_a_decision_decides_it() {
    let calls = meanwhile(usize::MAX).await;
    assert!(1 < calls, "the clock is hardly asked at all");
    for moment in 0..calls {
        meanwhile(moment).await;
    }
}

/// Notes a payee, while another app is set up when the clock is asked for the time so often. How often it was asked.
async fn meanwhile(moment: usize) -> usize {
    let scene = scene().await;
    let Scene { branch, ada, strict, .. } = &scene;
    let mut browser = Browser::logged_in(branch, ada).await;
    let csrf = browser.token("/security/factor").await;
    let form = step_up(&csrf, PASSWORD, &code(branch, ada));
    browser.is_led_to("/security/factor", &form).await;
    let totp = crate::factor_changes::secret(&browser.gets("/security/factor/new").await);
    let csrf = browser.token("/security/factor/new").await;
    let form = format!("csrf={csrf}&code={}", totp.code(branch.now()));
    let happened = branch.clock.at_call(moment, async move {
        browser.is_led_to("/security/factor/new", &form).await;
    });
    let noted = scene.notes("DE89370400440532013000").await;
    let (has_happened, calls) = branch.clock.has_happened(happened);
    let payees = payee::list(&strict.store, ada.id).await.unwrap();
    match noted {
        Ok(()) => assert!(!has_happened && payees.len() == 1, "at {moment}"),
        Err(PayeeRefused::TooSoon(_)) => assert!(has_happened && payees.is_empty()),
        Err(error) => panic!("at {moment}: {error}"),
    }
    calls
}

/// Prevents: a program that can't tell why, or a page that says nothing of when.
#[tokio::test]
async fn programs_and_pages_are_told_from_when_on() {
    let scene = scene().await;
    let Scene { branch, strict, one, his, .. } = &scene;
    let ada = scene.makes(Change::Email).await;
    let until = branch.now().0 + 24 * HOUR;
    let text = jiff::Timestamp::from_nanosecond(until.into()).unwrap();
    let mut app = App::logged_in(branch, &ada).await;
    app.router = florin_adapter::web::router(Arc::clone(strict));
    let found = accounts::owned(&strict.store, ada.id, *one).await.unwrap().unwrap();
    let number = found.row.statutory.known().unwrap().account_number.to_string();
    let payee = json!({"name": "Ada Quill", "account_number": number});
    let order = json!({
        "source_account_id": one.to_string(), "destination_account_id": his.to_string(),
        "amount_cents": STEP_UP_ABOVE + 1, "currency": "EUR", "description": "",
    });
    let keyed = |key: &str| {
        crate::app::json_request("/v1/transactions/transfer").header("idempotency-key", key)
    };
    for answer in [
        app.posts("/v1/beneficiaries", &payee).await,
        app.asks(keyed("one"), order.to_string()).await,
        app.asks(keyed("one"), order.to_string()).await,
    ] {
        assert_eq!(answer.code(), (403, "contact_changed_recently"));
        assert_eq!(answer.json["not_before"], format!("{text:.6}"));
    }
    let mut browser = Browser::at(app.router.clone());
    let token = branch.login(&ada).await;
    browser.keeps("__Host-login", &token.to_string());
    let csrf = browser.token("/payees").await;
    let form = format!("csrf={csrf}&name=Otto&number=DE89370400440532013000");
    let page = browser.posts("/payees", &form).await;
    assert_eq!(page.status, 422);
    assert!(page.text.contains("22 September 2026 at"), "{}", page.text);
    // Once the day is over the same key is the same order, and is asked for a proof as any other.
    branch.pass(24 * HOUR);
    let mut app = App::logged_in(branch, &ada).await;
    app.router = florin_adapter::web::router(Arc::clone(strict));
    let answer = app.asks(keyed("one"), order.to_string()).await;
    assert_eq!(answer.code(), (403, "step_up_required"));
}
