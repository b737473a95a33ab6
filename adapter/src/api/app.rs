//! An app that somebody is logged in with, asked of the ledger with every request.
//!
//! Customers' operations are customers' alone, and the staff's the staff's: the others get 403, whatever the
//! operation.
//!
//! What a request proves, in this order: that it has an access token of this bank, that it has the key that the
//! token is bound to, that the login is not over, that it is not one too many, that it was not sent before. What only
//! reads may be read while the last two are found out ([`Reader`]); nothing of it is told before.

use super::dpop::{Proof, Wanted};
use super::jws::ALGORITHMS;
use super::problem::{Code, Problem};
use super::rates::{self, Minute, Slot};
use super::replay::ReplayMemory;
use super::token::Claims;
use crate::audit::Caller;
use crate::bank::Bank;
use crate::customers::{FoundLogin, LoginKey, LoginSession, Sessions, StepUp};
use crate::edge::Known;
use crate::id::{Customer, Id};
use crate::payments::Orderer;
use crate::staff::Clerk;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use florin_ledger::{Document, Timestamp};
use std::sync::Arc;
use zeroize::Zeroizing;

/// An app that a customer is logged in with.
pub(super) struct App {
    /// Who asks, and what must hold for them to order anything.
    pub(super) orderer: Orderer,
    /// Under which key the ledger has the login.
    pub(super) login: LoginKey,
    /// The login.
    pub(super) session: LoginSession,
    /// When its token expires.
    pub(super) until: Timestamp,
}

/// An app that somebody is logged in with, on whichever side of the counter.
pub(super) struct UserApp(pub(super) App);

/// An app that a member of the staff is logged in with.
pub(super) struct Desk(pub(super) Clerk);

/// An app that a customer is logged in with, and a request that only reads: what it asks for is read while its proof is
/// used up.
#[must_use]
pub(super) struct Reader {
    app: App,
    unused: Unused,
}

impl Reader {
    /// What a request asks for, once it is known that it was not sent before; that is decided first, whatever comes of
    /// reading.
    pub(super) async fn read<T>(
        self,
        bank: &Bank,
        read: impl AsyncFnOnce(&App) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Reader { app, unused } = self;
        let (used, read) = tokio::join!(unused.used(bank), read(&app));
        used.and(read)
    }
}

impl FromRequestParts<Arc<Bank>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Reader, Problem> {
        let (proved, unused) = Proved::but_for_use(parts, bank).await?;
        if !proved.found.user_kind.is_customer() {
            unused.used(bank).await?;
            return Err(Code::NotACustomer.into());
        }
        Ok(Reader { app: App::of(proved), unused })
    }
}

/// A proof that holds, unless its request is one too many or was sent before.
struct Unused {
    proof: Proof,
    minute: Minute,
    count: Option<Document>,
    slot: Slot,
    now: Timestamp,
}

impl Unused {
    /// Counts the request, and uses the proof up.
    async fn used(self, bank: &Bank) -> Result<(), Problem> {
        let Unused { proof, minute, count, slot, now } = self;
        let Bank { store, proofs, options, .. } = bank;
        let used = ReplayMemory::write(store, &proof).await?;
        let limit = options.requests_per_minute;
        let used = rates::count(store, (minute, count), limit, now, &slot, used).await?;
        proofs.check(&proof, used, now)
    }
}

/// A login that a request has proved.
struct Proved {
    found: FoundLogin,
    caller: Caller,
    claims: Arc<Claims>,
}

impl App {
    fn of(Proved { found, caller, claims }: Proved) -> App {
        let FoundLogin { session, unchanged, .. } = found;
        let orderer = Orderer {
            caller,
            customer: session.user_id,
            authority: unchanged.into(),
            auth_method: session.auth_method.clone(),
            device_since: session.device_since,
        };
        App { orderer, login: claims.login.clone(), session, until: claims.expires() }
    }

    pub(super) fn customer(&self) -> Id<Customer> {
        self.orderer.customer
    }

    /// What this login proves itself again with.
    pub(super) fn step_up<'a>(&'a self, password: Zeroizing<String>, code: &'a str) -> StepUp<'a> {
        let authority = &self.orderer.authority;
        StepUp { key: self.login.clone(), login: &self.session, authority, password, code }
    }
}

impl FromRequestParts<Arc<Bank>> for App {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<App, Problem> {
        let proved = Proved::of(parts, bank).await?;
        let is_customer = proved.found.user_kind.is_customer();
        if is_customer { Ok(App::of(proved)) } else { Err(Code::NotACustomer.into()) }
    }
}

impl FromRequestParts<Arc<Bank>> for Desk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<Desk, Problem> {
        let Proved { found, caller, .. } = Proved::of(parts, bank).await?;
        Clerk::of(found, caller).map(Desk).ok_or_else(|| Code::NotStaff.into())
    }
}

impl FromRequestParts<Arc<Bank>> for UserApp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, bank: &Arc<Bank>) -> Result<UserApp, Problem> {
        Ok(UserApp(App::of(Proved::of(parts, bank).await?)))
    }
}

impl Proved {
    async fn of(parts: &Parts, bank: &Bank) -> Result<Proved, Problem> {
        let (proved, unused) = Proved::but_for_use(parts, bank).await?;
        unused.used(bank).await?;
        Ok(proved)
    }

    /// What a request proves if its proof can be used still.
    async fn but_for_use(parts: &Parts, bank: &Bank) -> Result<(Proved, Unused), Problem> {
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::bank);
        let slot = parts.extensions.get::<Slot>().cloned().unwrap_or_default();
        let now = bank.clock.now();
        let token = token(&parts.headers)?;
        let claims = bank.tokens.verify(token, now).map_err(|_| not_valid())?;
        // A third party's token goes by the scopes of its grant; there are none yet.
        let proof = proof_of(bank, parts, Some(token))?;
        if proof.thumbprint != claims.cnf.jkt {
            return Err(no_proof());
        }
        let Bank { store, clock, .. } = bank;
        let minute = Minute::of(claims.sub, now);
        let (app, counter) = (&proof.thumbprint, minute.counter());
        let (found, count) =
            Sessions::find_app_beside(store, &**clock, &claims.login, app, counter).await?;
        let login = found.filter(|found| {
            found.session.user_id == claims.sub && found.session.session_id == claims.sid
        });
        let found = login.ok_or_else(not_valid)?;
        let user = found.session.user_id;
        let login = Some(found.session.session_id);
        let caller = Caller { customer: Some(user), login, ..caller };
        if let Some(known) = parts.extensions.get::<Known>() {
            known.is(&caller);
        }
        let unused = Unused { proof, minute, count, slot, now };
        Ok((Proved { found, caller, claims }, unused))
    }
}

/// The access token of a request.
fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return Err(no_token()) };
    let text = only.to_str().map_err(|_| no_token())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => Ok(token),
        // Sent without its key it would be anybody's who has read it.
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => Err(not_valid()),
        _ => Err(no_token()),
    }
}

/// The proof of a request.
///
/// # Errors
/// [`Code::InvalidDpopProof`].
pub(super) fn proof_of(bank: &Bank, parts: &Parts, token: Option<&str>) -> Result<Proof, Problem> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let url = format!("{}{}", bank.options.origin, uri.path());
    let wanted = Wanted { method: parts.method.as_str(), url: &url, token };
    Proof::of(&parts.headers, &wanted, bank.clock.now()).map_err(|_| no_proof())
}

/// Nobody said who they are.
fn no_token() -> Problem {
    challenge(Code::InvalidToken, None)
}

pub(super) fn not_valid() -> Problem {
    challenge(Code::InvalidToken, Some("invalid_token"))
}

pub(super) fn no_proof() -> Problem {
    challenge(Code::InvalidDpopProof, Some("invalid_dpop_proof"))
}

pub(super) fn challenge(code: Code, error: Option<&str>) -> Problem {
    let error = error.map(|error| format!(" error=\"{error}\",")).unwrap_or_default();
    let value = HeaderValue::from_str(&format!("DPoP{error} algs=\"{ALGORITHMS}\""));
    Problem::from(code).with(header::WWW_AUTHENTICATE, value.expect("it is plain"))
}
