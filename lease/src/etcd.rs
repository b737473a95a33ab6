//! etcd, as far as a lease needs it: reading a key, changing keys if something holds, leases, and the end of a
//! key.
//!
//! - Every question is asked of one member after the other, beginning with the one that answered last, until
//!   one answers; each has the answer timeout. So a question may take effect although no answer came, and also
//!   twice: each of those here says what that means.
//! - Reads and transactions are linearizable: etcd answers them by a quorum.

use crate::error::LeaseError;
use crate::limits::ENDPOINTS_MAX;
use crate::member::{Member, reasons};
use crate::messages::{
    AuthenticateRequest, AuthenticateResponse, Header, KeyValue, LeaseGrantRequest, LeaseRequest,
    LeaseResponse, Nothing, RangeRequest, RangeResponse, TxnRequest, TxnResponse,
    WatchCreateRequest, WatchRequest, WatchResponse,
};
use crate::options::{CoordinationOptions, EtcdLogin};
use prost::Message;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};

const RANGE: &str = "/etcdserverpb.KV/Range";
const TXN: &str = "/etcdserverpb.KV/Txn";
const GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
const RENEW: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
const REVOKE: &str = "/etcdserverpb.Lease/LeaseRevoke";
const WATCH: &str = "/etcdserverpb.Watch/Watch";
const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

/// The members of a cluster.
pub(crate) struct Etcd {
    members: Vec<Member>,
    /// The member that answered last.
    first: AtomicUsize,
    login: Option<EtcdLogin>,
    /// What the login came to; it is only good for a while.
    token: Mutex<Option<MetadataValue<Ascii>>>,
    answer_timeout: Duration,
}

/// A key as it was at a revision of the store.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) revision: i64,
    /// Of the leader that answered for a quorum.
    pub(crate) raft_term: u64,
    pub(crate) found: Option<KeyValue>,
}

/// A lease as etcd granted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) id: i64,
    /// Its life, unless it is renewed.
    pub(crate) ttl: Duration,
}

/// A lease as etcd renewed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewed {
    pub(crate) ttl: Duration,
    /// Of the leader that renewed it, or of one before it.
    pub(crate) raft_term: u64,
}

/// How a member did not answer.
enum Unanswered {
    /// Another may.
    Here(String),
    /// None will.
    Anywhere(Status),
}

impl Etcd {
    pub(crate) fn new(
        addresses: &[String],
        options: &CoordinationOptions,
    ) -> Result<Etcd, LeaseError> {
        if !(1..=ENDPOINTS_MAX).contains(&addresses.len()) {
            let count = addresses.len();
            let message = format!("{count} endpoints of etcd: give 1 to {ENDPOINTS_MAX}");
            return Err(LeaseError::Invalid(message));
        }
        let members: Result<Vec<_>, _> =
            addresses.iter().map(|address| Member::new(address, options)).collect();
        Ok(Etcd {
            members: members?,
            first: AtomicUsize::new(0),
            login: options.login.clone(),
            token: Mutex::new(None),
            answer_timeout: options.answer_timeout,
        })
    }

    /// A key as it is.
    pub(crate) async fn read(&self, key: &str) -> Result<Read, LeaseError> {
        let RangeResponse { header, mut kvs } =
            self.ask(RANGE, RangeRequest { key: key.into() }).await?;
        let Header { revision, raft_term } = header.unwrap_or_default();
        Ok(Read { revision, raft_term, found: kvs.pop() })
    }

    /// Changes what is said if what is compared holds. Of two that are sent for one, the second finds what the
    /// first has done.
    pub(crate) async fn transact(
        &self,
        transaction: TxnRequest,
    ) -> Result<TxnResponse, LeaseError> {
        self.ask(TXN, transaction).await
    }

    /// A new lease. One whose answer was lost ends by itself.
    pub(crate) async fn grant(&self, ttl_s: i64) -> Result<Granted, LeaseError> {
        let LeaseResponse { id, ttl_s, .. } =
            self.ask(GRANT, LeaseGrantRequest { ttl_s, id: 0 }).await?;
        match life(ttl_s) {
            Some(ttl) if id != 0 => Ok(Granted { id, ttl }),
            _ => {
                let message = format!("it granted the lease {id} for {ttl_s} seconds");
                Err(LeaseError::Refused(message))
            }
        }
    }

    /// Renews a lease; `None` if there is none any more. Whoever believes to be etcd's leader answers, without
    /// asking a quorum.
    pub(crate) async fn renew(&self, id: i64) -> Result<Option<Renewed>, LeaseError> {
        let LeaseResponse { header, ttl_s, .. } = self.ask(RENEW, LeaseRequest { id }).await?;
        let raft_term = header.unwrap_or_default().raft_term;
        Ok(life(ttl_s).map(|ttl| Renewed { ttl, raft_term }))
    }

    /// Ends a lease, and with it what is attached to it. One that has ended is fine.
    pub(crate) async fn revoke(&self, id: i64) -> Result<(), LeaseError> {
        match self.try_members::<_, Nothing>(REVOKE, LeaseRequest { id }).await {
            Ok(Nothing {}) => Ok(()),
            Err(Unanswered::Anywhere(status)) if status.code() == Code::NotFound => Ok(()),
            Err(unanswered) => Err(unanswered.into()),
        }
    }

    /// Returns when a key was deleted at a revision or later; also if nobody tells it any more, so that whoever
    /// waits reads the key again. Not bounded in time.
    pub(crate) async fn await_deletion(&self, key: &str, revision: i64) -> Result<(), LeaseError> {
        let create = WatchCreateRequest { key: key.into(), start_revision: revision };
        let request = WatchRequest { create: Some(create) };
        let member = &self.members[self.first.load(Ordering::Relaxed)];
        let lost = |status: Status| LeaseError::Unreachable(message(&member.name, &status));
        let mut told = member.listen(WATCH, request, self.known_token()).await.map_err(lost)?;
        loop {
            let Some(response) = told.message().await.map_err(lost)? else { return Ok(()) };
            let WatchResponse { canceled, events } = response;
            if canceled || events.iter().any(|event| event.is_deletion()) {
                return Ok(());
            }
        }
    }

    async fn ask<Q, A>(&self, path: &'static str, question: Q) -> Result<A, LeaseError>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        Ok(self.try_members(path, question).await?)
    }

    /// The answer of the first member that answers, logged in if that is asked for.
    async fn try_members<Q, A>(&self, path: &'static str, question: Q) -> Result<A, Unanswered>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let Some(login) = &self.login else {
            return self.try_members_with(path, question, None).await;
        };
        if let Some(token) = self.known_token() {
            match self.try_members_with(path, question.clone(), Some(token)).await {
                Err(Unanswered::Anywhere(status)) if is_outdated_token(&status) => {}
                outcome => return outcome,
            }
        }
        let EtcdLogin { name, password } = login.clone();
        let asked = AuthenticateRequest { name, password };
        let answer: AuthenticateResponse = self.try_members_with(AUTHENTICATE, asked, None).await?;
        let token = MetadataValue::try_from(answer.token)
            .map_err(|_| Unanswered::Here(String::from("etcd gave a token that is none")))?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        self.try_members_with(path, question, Some(token)).await
    }

    async fn try_members_with<Q, A>(
        &self,
        path: &'static str,
        question: Q,
        token: Option<MetadataValue<Ascii>>,
    ) -> Result<A, Unanswered>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let (first, count) = (self.first.load(Ordering::Relaxed), self.members.len());
        let mut reasons = Vec::new();
        for index in (first..first + count).map(|index| index % count) {
            let member = &self.members[index];
            let asked = member.ask(path, question.clone(), token.clone());
            let reason = match timeout(self.answer_timeout, asked).await {
                Ok(Ok(answer)) => {
                    // Relaxed: it is a guess where to begin.
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(status)) if !may_differ_elsewhere(&status) => {
                    return Err(Unanswered::Anywhere(status));
                }
                Ok(Err(status)) => message(&member.name, &status),
                Err(_) => {
                    format!("{} did not answer within {:?}", member.name, self.answer_timeout)
                }
            };
            member.forget_connection();
            reasons.push(reason);
        }
        Err(Unanswered::Here(reasons.join("; ")))
    }

    fn known_token(&self) -> Option<MetadataValue<Ascii>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Unanswered> for LeaseError {
    fn from(unanswered: Unanswered) -> LeaseError {
        match unanswered {
            Unanswered::Here(message) => LeaseError::Unreachable(message),
            Unanswered::Anywhere(status) => LeaseError::Refused(String::from(status.message())),
        }
    }
}

/// The life of a lease that has one.
fn life(ttl_s: i64) -> Option<Duration> {
    let seconds = u64::try_from(ttl_s).ok().filter(|seconds| 0 < *seconds)?;
    Some(Duration::from_secs(seconds))
}

/// Whether it is the member that does not answer, and not the question that is wrong.
fn may_differ_elsewhere(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Cancelled
            | Code::Aborted
            | Code::DataLoss
            | Code::ResourceExhausted
    )
}

/// Whether to log in again: a token is forgotten after some minutes, and outdated by a change of users.
fn is_outdated_token(status: &Status) -> bool {
    let is_of_login = status.message().contains("auth");
    status.code() == Code::Unauthenticated || status.code() == Code::InvalidArgument && is_of_login
}

fn message(member: &str, status: &Status) -> String {
    let reason = reasons(status);
    let reason = if status.message().is_empty() { reason } else { String::from(status.message()) };
    format!("{member}: {reason}")
}
