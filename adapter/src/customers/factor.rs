//! A customer's second factor: what is taken for it, and proving it again, for what a login alone does not allow.
//!
//! - A code of the authenticator app is good, and in its place, where that is said, a recovery code. Whatever was typed,
//!   it is compared with both.
//! - An attempt is counted, durably, before a code is looked at; after five in a row nothing is looked at for a
//!   while ([`super::counter`]), the customer is told by mail ([`super::lockout`]), and nobody which it was.
//! - A code is accepted once. That it is spent is part of the commit of what it allows, so what is not done spends
//!   nothing, and of two uses at the same time one takes effect. With a recovery code the customer is told by mail.

use super::counter::{self, Counted};
use super::credentials::{Credentials, FactorUse, FactorUses};
use super::lockout::Lock;
use super::record::tell;
use super::recovery_code::{self, CodeIndex, RecoveryCodes};
use super::sms_factor::SentCode;
use crate::audit::{self, Act, Action, Caller};
use crate::clock::Clock;
use crate::error::BankError;
use crate::id::{Customer, Id};
use crate::notify::Letter;
use crate::store::{Found, Row, Store};
use crate::vault::Subject;
use florin_ledger::commit::Precondition;
use florin_ledger::document::DocumentCondition;
use florin_ledger::{Commit, DocumentWrite, Timestamp};

/// That somebody has the second factor of a customer, for one commit.
#[derive(Clone, Debug)]
pub struct FactorProof {
    /// What it was proved by.
    preconditions: Vec<Precondition>,
    /// Spends the code, and forgets the attempts before.
    documents: Vec<DocumentWrite>,
}

impl FactorProof {
    /// Makes a commit take effect only if the code is still there to be spent, and spends it.
    pub fn join(self, commit: &mut Commit) {
        commit.preconditions.extend(self.preconditions);
        commit.documents.extend(self.documents);
    }
}

/// What is taken for a second factor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// A code of the authenticator app.
    App,
    /// A recovery code too.
    AppOrRecoveryCode,
}

/// Everything that a customer's codes are compared with.
pub(super) struct Factors {
    customer: Id<Customer>,
    pub(super) credentials: Option<Found<Credentials>>,
    used: Option<Found<FactorUses>>,
    codes: Option<Found<RecoveryCodes>>,
}

/// A code that is good and was not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum GoodCode {
    /// Of the app, of this step.
    App(u64),
    /// A recovery code.
    Recovery(CodeIndex),
    /// One that was sent by message, for what it is spent with.
    Sent,
}

impl GoodCode {
    /// How a login is called that it was good for.
    pub(super) fn auth_method(self) -> &'static str {
        match self {
            GoodCode::App(_) => "password+totp",
            GoodCode::Recovery(_) => "password+recovery",
            GoodCode::Sent => "password+sms",
        }
    }
}

impl Factors {
    pub(super) async fn of(store: &Store, customer: Id<Customer>) -> Result<Factors, BankError> {
        let key = customer.bytes();
        let credentials = store.get(&key).await?;
        let used = store.get(&key).await?;
        let codes = store.get(&key).await?;
        Ok(Factors { customer, credentials, used, codes })
    }

    /// Whether codes by message are taken.
    pub(super) fn takes_sms(&self) -> bool {
        let sealed = self.credentials.as_ref().and_then(|found| found.row.profile.as_known());
        sealed.is_some_and(|sealed| sealed.takes_sms)
    }

    /// What somebody typed, if it is a code that is good.
    pub(super) fn good(
        &self,
        store: &Store,
        now: Timestamp,
        typed: &str,
        accepted: Accepted,
    ) -> Option<GoodCode> {
        let newest = self.used.as_ref().map_or(0, |used| used.row.open.totp_step);
        let sealed = self.credentials.as_ref().and_then(|found| found.row.profile.as_known());
        let secret = sealed.and_then(|sealed| sealed.mfa_secret.as_ref());
        let step = secret.and_then(|secret| secret.step_of(typed.trim(), now));
        let step = step.filter(|step| newest < *step);
        let code = recovery_code::index_of(store, self.customer, self.codes.as_ref(), typed);
        let code = code.filter(|_| accepted == Accepted::AppOrRecoveryCode);
        step.map(GoodCode::App).or(code.map(GoodCode::Recovery))
    }

    /// The same, where a code that was sent by message is good too, for who has chosen that.
    pub(super) fn good_or_sent(
        &self,
        store: &Store,
        now: Timestamp,
        typed: &str,
        accepted: Accepted,
        sent: Option<SentCode<'_>>,
    ) -> Option<GoodCode> {
        let is_sent = sent.is_some_and(|sent| sent.is(store, typed)) && self.takes_sms();
        self.good(store, now, typed, accepted).or(is_sent.then_some(GoodCode::Sent))
    }

    /// What a commit must write for a code to be spent.
    pub(super) async fn spending(
        &self,
        store: &Store,
        clock: &dyn Clock,
        good: GoodCode,
    ) -> Result<Vec<DocumentWrite>, BankError> {
        let customer = self.customer;
        match good {
            GoodCode::App(totp_step) => {
                let used = self.used.as_ref();
                let condition = used.map_or(DocumentCondition::Absent, Found::condition);
                let row = Row::<FactorUses>::open(FactorUse { totp_step });
                Ok(vec![store.write(&customer.bytes(), &row, condition).await?])
            }
            GoodCode::Recovery(index) => {
                let codes = self.codes.as_ref().expect("the code is one of them");
                let (spent, left) = recovery_code::spent(store, codes, index).await?;
                let letter = Letter::RecoveryCodeUsed { left };
                Ok(vec![spent, tell(store, clock, customer, letter).await?])
            }
            GoodCode::Sent => Ok(Vec::new()),
        }
    }
}

/// Why a code proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum FactorRefused {
    /// It is wrong, or was used, or too many were tried. Which it is, is nobody's to know.
    #[error("that code does not match")]
    NoMatch,
    /// It could not be tried.
    #[error("{0}")]
    Bank(#[from] BankError),
}

/// Looks at a code of a customer's second factor; what is proved takes effect with the commit that it joins.
///
/// # Errors
/// [`FactorRefused`].
pub async fn prove(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    code: &str,
    accepted: Accepted,
) -> Result<FactorProof, FactorRefused> {
    prove_with(store, clock, caller, customer, (code, None), accepted).await
}

/// The same, where a code that was sent by message is good too: whoever asks spends it with what it is for.
///
/// # Errors
/// [`FactorRefused`].
pub(crate) async fn prove_with(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    (code, sent): (&str, Option<SentCode<'_>>),
    accepted: Accepted,
) -> Result<FactorProof, FactorRefused> {
    let name = match sent {
        // Counted apart: who has the messages alone gets no more tries at what the app alone proves.
        Some(_) => format!("codes sent to {customer}"),
        None => attempts_name(customer),
    };
    let is_open = counted(store, clock, caller, customer, &name).await?;
    let factors = Factors::of(store, customer).await?;
    let good = factors.good_or_sent(store, clock.now(), code, accepted, sent);
    let good = good.filter(|_| is_open);
    let Some((good, credentials)) = good.zip(factors.credentials.as_ref()) else {
        failed(store, clock, caller, customer).await?;
        return Err(FactorRefused::NoMatch);
    };
    let mut documents = factors.spending(store, clock, good).await?;
    documents.extend(counter::forget(store, &name));
    Ok(FactorProof { preconditions: vec![credentials.unchanged()], documents })
}

/// Under which name attempts at a customer's second factor are counted. No address is written like this, so it is no
/// login's.
pub(super) fn attempts_name(customer: Id<Customer>) -> String {
    format!("factor of {customer}")
}

/// Counts an attempt at a customer's second factor, durably; whether anything may be looked at.
pub(super) async fn attempt(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
) -> Result<bool, BankError> {
    counted(store, clock, caller, customer, &attempts_name(customer)).await
}

/// The same under a name.
async fn counted(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
    name: &str,
) -> Result<bool, BankError> {
    let counted = counter::count(store, name, clock.now()).await?;
    if let Counted::Last { until } = counted {
        let act = tried_act(customer, Action::LoginLocked);
        Lock { owner: customer, typed: None, until }.tell(store, clock, caller, &act).await?;
    }
    Ok(counted != Counted::Locked)
}

/// Puts on record that an attempt came to nothing.
pub(super) async fn failed(
    store: &Store,
    clock: &dyn Clock,
    caller: &Caller,
    customer: Id<Customer>,
) -> Result<(), BankError> {
    let act = tried_act(customer, Action::LoginFailed);
    let mut commit = audit::commit_of(store, caller, audit::commit_id()).await?;
    commit.documents.push(audit::row(store, clock, caller, act).await?);
    store.commit(&commit).await.map(drop)
}

fn tried_act(customer: Id<Customer>, action: Action) -> Act {
    Act {
        action,
        entity: "USER",
        entity_id: customer.to_string(),
        subject: Subject::Customer(customer),
        old: None,
        new: Some(serde_json::json!({"tried": "second factor"})),
    }
}
