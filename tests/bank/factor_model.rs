//! Row 38 of the threat table, over all transitions: whatever somebody sends in whatever order, they are where the model
//! says. What would go wrong without: a step that can be left out, taken twice, or taken in another's place, by which a
//! password alone, or a sheet of paper, or a mailbox, opens an account.
//!
//! Somebody has some of what a customer has, and one browser or one app. The model knows what each request may come to;
//! after each, it is asked whether they are logged in, and whether anything has changed by which the customer proves
//! themselves. Which of the two it is makes no difference to the model: there is one.

use crate::branch::{Branch, PASSWORD, Person};
use crate::browser::Browser;
use crate::factor_doors::{Door, Kind};
use crate::mailbox::{Mailbox, link};
use crate::recovery_codes::makes;
use florin_adapter::clock::{HOUR, MINUTE, SECOND};
use florin_adapter::customers::{Credentials, TotpSecret};
use florin_adapter::store::Found;
use florin_adapter::tables;
use florin_adapter::vault::Indexed;
use florin_ledger::{DocumentKey, Position};
use proptest::prelude::*;
use std::sync::Arc;

/// What somebody has of what a customer has.
#[derive(Clone, Copy, Debug)]
struct Has {
    password: bool,
    app: bool,
    paper: bool,
    mail: bool,
}

/// What they type as a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Typed {
    App,
    Paper,
    Guess,
}

/// What they send. A password is the right one if they have it and do not guess all the same.
#[derive(Clone, Copy, Debug)]
enum Step {
    Password { is_guessed: bool },
    Code(Typed),
    Forget,
    NewPassword(Typed),
    BeginFactor { is_guessed: bool, code: Typed },
    FinishFactor { is_guessed: bool },
    MakeCodes { is_guessed: bool, code: Typed },
    BeginEmail { is_guessed: bool, code: Typed },
    ConfirmEmail,
    LogOut,
    Wait,
}

fn typed() -> impl Strategy<Value = Typed> {
    prop_oneof![3 => Just(Typed::App), 2 => Just(Typed::Paper), 1 => Just(Typed::Guess)]
}

fn step() -> impl Strategy<Value = Step> {
    let guessed = || prop::bool::weighted(0.15);
    prop_oneof![
        4 => guessed().prop_map(|is_guessed| Step::Password { is_guessed }),
        4 => typed().prop_map(Step::Code),
        1 => Just(Step::Forget),
        1 => typed().prop_map(Step::NewPassword),
        2 => (guessed(), typed()).prop_map(|(is_guessed, code)| Step::BeginFactor { is_guessed, code }),
        2 => guessed().prop_map(|is_guessed| Step::FinishFactor { is_guessed }),
        1 => (guessed(), typed()).prop_map(|(is_guessed, code)| Step::MakeCodes { is_guessed, code }),
        1 => (guessed(), typed()).prop_map(|(is_guessed, code)| Step::BeginEmail { is_guessed, code }),
        1 => Just(Step::ConfirmEmail),
        1 => Just(Step::LogOut),
        1 => Just(Step::Wait),
    ]
}

fn has() -> impl Strategy<Value = Has> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    flags.prop_map(|(password, app, paper, mail)| Has { password, app, paper, mail })
}

/// Attempts in a row, as they are to be counted.
#[derive(Clone, Copy, Default, Debug)]
struct Attempts {
    count: u32,
    locked_until: u64,
    locks: u32,
}

impl Attempts {
    /// Whether what is tried now is looked at.
    fn takes(&mut self, now: u64) -> bool {
        if now < self.locked_until {
            return false;
        }
        self.count += 1;
        if self.count == 5 {
            let locked_until = now + ((15 * MINUTE) << self.locks);
            *self = Attempts { count: 0, locked_until, locks: self.locks + 1 };
        }
        true
    }
}

/// A login, as it is to be.
#[derive(Clone, Copy, Debug)]
struct In {
    number: u32,
    used: u64,
}

/// A password that was tried.
#[derive(Clone, Copy, Debug)]
struct Half {
    is_right: bool,
    proved_by: u32,
    until: u64,
}

/// Where everything is to be.
#[derive(Clone, Debug, Default)]
struct Model {
    now: u64,
    name: Attempts,
    factor: Attempts,
    half: Option<Half>,
    login: Option<In>,
    logins_count: u32,
    /// How often what proves the customer has changed.
    proved_by: u32,
    /// Of which login, and until when.
    waiting: Option<(u32, u64)>,
    has_moved: bool,
}

impl Model {
    /// Whether somebody is logged in who sends something now.
    fn is_in(&mut self) -> bool {
        let now = self.now;
        self.login = self.login.filter(|login| now - login.used < 5 * MINUTE);
        if let Some(login) = self.login.as_mut().filter(|login| MINUTE <= now - login.used) {
            login.used = now;
        }
        self.login.is_some()
    }

    fn logs_in(&mut self) {
        self.logins_count += 1;
        self.login = Some(In { number: self.logins_count, used: self.now });
        self.name = Attempts::default();
    }

    /// Password and code, proved again.
    fn steps_up(&mut self, is_right: bool) -> bool {
        let is_done = self.is_in() && self.factor.takes(self.now) && is_right;
        if is_done {
            self.factor = Attempts::default();
            self.login.as_mut().unwrap().used = self.now;
        }
        is_done
    }
}

/// Somebody, with what they have by now.
struct Somebody<'a> {
    branch: &'a Branch,
    mailbox: Arc<Mailbox>,
    ada: Person,
    door: Door<'a>,
    model: Model,
    email: String,
    password: Option<String>,
    app: Option<TotpSecret>,
    paper: Vec<String>,
    reads_mail: bool,
    /// Links that came, and until when they are good; `None` for the time once they are not.
    recovery: Option<(String, Option<u64>)>,
    new_email: Option<(String, String, Option<u64>)>,
    asked_count: u32,
}

const NOTHING: &str = "000000";

impl<'a> Somebody<'a> {
    async fn with(branch: &'a Branch, kind: Kind, has: Has) -> Somebody<'a> {
        let ada = branch.customer("ada@example.org").await;
        let mut desk = Browser::logged_in(branch, &ada).await;
        let paper = makes(branch, &mut desk, &ada).await;
        let mailbox = Mailbox::new();
        mailbox.fills(branch).await;
        mailbox.opens();
        let (door, now) = (Door::of(branch, kind), branch.now().0);
        Somebody {
            door,
            model: Model { now, ..Model::default() },
            email: String::from(ada.email),
            password: has.password.then(|| String::from(PASSWORD)),
            app: has.app.then(|| ada.totp.clone()),
            paper: if has.paper { paper } else { Vec::new() },
            reads_mail: has.mail,
            recovery: None,
            new_email: None,
            asked_count: 0,
            branch,
            mailbox,
            ada,
        }
    }

    fn passes(&mut self, nanoseconds: u64) {
        self.branch.pass(nanoseconds);
        self.model.now = self.branch.now().0;
    }

    /// A code, and whether it is good where this much is taken.
    fn code(&self, typed: Typed) -> (String, bool) {
        match typed {
            Typed::App => {
                let code = self.app.as_ref().map(|app| app.code(self.branch.now()));
                let is_good = code.is_some();
                (code.unwrap_or_else(|| String::from(NOTHING)), is_good)
            }
            Typed::Paper => {
                let code = self.paper.last().cloned();
                let is_good = code.is_some();
                (code.unwrap_or_else(|| String::from("aaaa-bbbb-cccc-dddd")), is_good)
            }
            Typed::Guess => (String::from(NOTHING), false),
        }
    }

    fn password(&self, is_guessed: bool) -> (String, bool) {
        match self.password.clone().filter(|_| !is_guessed) {
            Some(password) => (password, true),
            None => (String::from("guessed"), false),
        }
    }

    /// A code from paper is good once.
    fn spends(&mut self, typed: Typed) {
        if typed == Typed::Paper {
            self.paper.pop();
        }
    }

    /// The link in the newest letter to an address, if it came to a mailbox that somebody reads.
    async fn link_to(&mut self, address: &str) -> Option<String> {
        self.mailbox.fills(self.branch).await;
        let mails = self.mailbox.opens();
        let is_theirs = |mail: &&florin_adapter::notify::Mail| {
            mail.to.written() == address && mail.text.contains("?token=")
        };
        mails.iter().rev().find(is_theirs).map(link)
    }

    async fn takes(&mut self, step: Step) {
        match step {
            Step::Password { is_guessed } => self.tries_password(is_guessed).await,
            Step::Code(typed) => self.tries_code(typed).await,
            Step::Forget => self.forgets().await,
            Step::NewPassword(typed) => self.chooses_password(typed).await,
            Step::BeginFactor { is_guessed, code } => self.begins_factor(is_guessed, code).await,
            Step::FinishFactor { is_guessed } => self.finishes_factor(is_guessed).await,
            Step::MakeCodes { is_guessed, code } => self.makes_codes(is_guessed, code).await,
            Step::BeginEmail { is_guessed, code } => self.begins_email(is_guessed, code).await,
            Step::ConfirmEmail => self.confirms_email().await,
            Step::LogOut => {
                self.door.logs_out().await;
                if self.model.is_in() {
                    self.model.login = None;
                }
            }
            Step::Wait => self.passes(15 * MINUTE),
        }
    }

    async fn tries_password(&mut self, is_guessed: bool) {
        let (password, is_right) = self.password(is_guessed);
        self.door.types_password(&self.email, &password).await;
        let now = self.model.now;
        let is_right = self.model.name.takes(now) && is_right;
        let (until, proved_by) = (now + 5 * MINUTE, self.model.proved_by);
        self.model.half = Some(Half { is_right, proved_by, until });
    }

    async fn tries_code(&mut self, typed: Typed) {
        let (code, is_good) = self.code(typed);
        self.door.types_code(&code).await;
        let model = &mut self.model;
        let half = model.half.take().filter(|half| {
            half.is_right && half.proved_by == model.proved_by && model.now < half.until
        });
        if half.is_some() && is_good {
            model.logs_in();
            self.spends(typed);
        }
    }

    async fn forgets(&mut self) {
        self.door.forgets(&self.email).await;
        let address = self.email.clone();
        let came = self.link_to(&address).await.filter(|_| self.reads_mail);
        if let Some(link) = came.filter(|link| link.starts_with("/recover/confirm")) {
            self.recovery = Some((link, Some(self.model.now + 15 * MINUTE)));
        }
    }

    async fn chooses_password(&mut self, typed: Typed) {
        let (code, is_good) = self.code(typed);
        let Some((link, until)) = self.recovery.clone() else { return };
        let password = format!("words of somebody, {}", self.model.proved_by);
        self.door.chooses_password(&link, &password, &code).await;
        let now = self.model.now;
        let is_good_link = until.is_some_and(|until| now < until);
        if is_good_link && self.model.factor.takes(now) && is_good {
            self.spends(typed);
            self.password = Some(password);
            self.model.factor = Attempts::default();
            self.model.name = Attempts::default();
            self.model.login = None;
            self.model.proved_by += 1;
            self.ends_links();
        }
    }

    fn ends_links(&mut self) {
        self.recovery.iter_mut().for_each(|(_, until)| *until = None);
        self.new_email.iter_mut().for_each(|(.., until)| *until = None);
    }

    async fn begins_factor(&mut self, is_guessed: bool, typed: Typed) {
        let ((password, is_right), (code, is_good)) = (self.password(is_guessed), self.code(typed));
        self.door.begins_factor(&password, &code).await;
        if self.model.steps_up(is_right && is_good) {
            self.spends(typed);
            let (login, until) = (self.model.login.unwrap().number, self.model.now + 15 * MINUTE);
            self.model.waiting = Some((login, until));
        }
    }

    async fn finishes_factor(&mut self, is_guessed: bool) {
        let app = self.door.waiting().await;
        let (is_in, now) = (self.model.is_in(), self.model.now);
        let login = self.model.login.map(|login| login.number);
        let waits = self.model.waiting.is_some_and(|(of, until)| Some(of) == login && now < until);
        let is_possible = is_in && waits;
        assert!(app.is_some() || !is_possible, "who waits for it sees it");
        // An app keeps what it was told, a page shows it as long as it is good.
        let is_page = matches!(self.door, Door::Pages(_));
        assert!(!is_page || app.is_some() == is_possible, "and nobody else does");
        let code = app.as_ref().filter(|_| !is_guessed).map(|app| app.code(self.branch.now()));
        let is_done = self.door.finishes_factor(code.as_deref().unwrap_or(NOTHING)).await;
        assert_eq!(is_done, is_possible && code.is_some());
        if is_done {
            self.app = app;
            self.model.waiting = None;
            self.model.proved_by += 1;
            self.model.login.as_mut().unwrap().used = now;
            self.ends_links();
        }
    }

    async fn makes_codes(&mut self, is_guessed: bool, typed: Typed) {
        let ((password, is_right), (code, is_good)) = (self.password(is_guessed), self.code(typed));
        let codes = self.door.makes_codes(&password, &code).await;
        let is_done = self.model.steps_up(is_right && is_good && typed == Typed::App);
        assert_eq!(codes.len(), if is_done { 10 } else { 0 });
        if is_done {
            self.paper = codes;
        }
    }

    async fn begins_email(&mut self, is_guessed: bool, typed: Typed) {
        let ((password, is_right), (code, is_good)) = (self.password(is_guessed), self.code(typed));
        self.asked_count += 1;
        let email = format!("eve{}@example.org", self.asked_count);
        self.door.begins_email(&password, &code, &email).await;
        let is_done = self.model.steps_up(is_right && is_good && typed == Typed::App);
        let came = self.link_to(&email).await;
        assert_eq!(came.is_some(), is_done);
        if let Some(link) = came {
            self.new_email = Some((link, email, Some(self.model.now + 24 * HOUR)));
        }
    }

    async fn confirms_email(&mut self) {
        let Some((link, email, until)) = self.new_email.clone() else { return };
        let is_confirmed = self.door.confirms_email(&link).await;
        let is_done = until.is_some_and(|until| self.model.now < until);
        assert_eq!(is_confirmed, is_done);
        if is_done {
            self.email = email;
            self.reads_mail = true;
            self.model.name = Attempts::default();
            self.model.login = None;
            self.model.has_moved = true;
            self.ends_links();
        }
    }

    /// Whether an address is a customer's.
    async fn is_known(&self, email: &str) -> bool {
        let key = self.branch.bank.store.vault().blind().of(Indexed::Email, email);
        let keys = [DocumentKey { table: tables::CUSTOMER_EMAILS, key: key.to_vec() }];
        self.branch.client.documents(&keys).await.unwrap()[0].is_some()
    }

    /// The version of what the customer proves themselves by.
    async fn credentials(&self) -> Position {
        let found = self.branch.bank.store.get(&self.ada.id.bytes()).await.unwrap();
        let found: Found<Credentials> = found.unwrap();
        found.version
    }
}

async fn check(kind: Kind, has: Has, steps: &[Step]) {
    let branch = Branch::open().await;
    let mut it = Somebody::with(&branch, kind, has).await;
    let begun = it.credentials().await;
    // What it takes, by whichever way: something that they have, and something that they know or read.
    let may_get_in = (has.app || has.paper) && (has.password || has.mail);
    for (place, step) in steps.iter().enumerate() {
        it.passes(30 * SECOND);
        it.takes(*step).await;
        let is_in = it.door.is_in().await;
        assert_eq!(is_in, it.model.is_in(), "{place}: {step:?}");
        let has_changed = it.credentials().await != begun;
        assert_eq!(has_changed, it.model.proved_by != 0, "{place}: {step:?}");
        let owner = it.is_known(it.ada.email).await;
        assert_eq!(!owner, it.model.has_moved, "{place}: {step:?}");
        assert!(may_get_in || !(is_in || has_changed || !owner), "{place}: {step:?} of {has:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn row_38_no_sequence_of_requests_gets_further_than_what_somebody_has(
        kind in prop_oneof![Just(Kind::Pages), Just(Kind::Programs)],
        has in has(),
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(kind, has, &steps));
    }
}

/// Prevents: a model that is right because nobody gets anywhere.
#[tokio::test]
async fn who_has_everything_gets_everywhere() {
    let has = Has { password: true, app: true, paper: true, mail: true };
    let (is_guessed, app) = (false, Typed::App);
    let steps = [
        Step::Password { is_guessed },
        Step::Code(app),
        Step::BeginFactor { is_guessed, code: Typed::Paper },
        Step::FinishFactor { is_guessed },
        Step::MakeCodes { is_guessed, code: app },
        Step::BeginEmail { is_guessed, code: app },
        Step::ConfirmEmail,
        Step::Forget,
        Step::NewPassword(Typed::Paper),
        Step::Password { is_guessed },
        Step::Code(Typed::Paper),
    ];
    for kind in [Kind::Pages, Kind::Programs] {
        let branch = Branch::open().await;
        let mut it = Somebody::with(&branch, kind, has).await;
        for step in steps {
            it.passes(30 * SECOND);
            it.takes(step).await;
        }
        assert!(
            it.model.is_in() && it.model.has_moved && it.model.proved_by == 2,
            "{:?}",
            it.model
        );
        assert!(it.door.is_in().await);
        check(kind, has, &steps).await;
    }
}
