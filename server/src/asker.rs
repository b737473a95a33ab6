//! Who asks on a connection: whether it may, how much of it, and what it sees of the answers.

use crate::access::{self, Sight};
use crate::key::ClientKey;
use crate::members::Membership;
use crate::question::Question;
use crate::refusal_sink::RefusalSink;
use florin_core::commits::{Caller, CallerId, RefusedRequest};
use florin_ledger::record::RefusalReason;
use florin_wire::{PublicKey, Refusal, RefusalKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Who asks on a connection.
pub(crate) struct Asker {
    /// `None`: the server knows no keys, and whoever is here may do everything.
    membership: Option<Membership>,
    /// How the engine and its records know it.
    caller: Caller,
    sight: Sight,
    refusals: Arc<dyn RefusalSink>,
}

impl Asker {
    /// Whoever reaches a server that knows no keys.
    pub(crate) fn anyone(refusals: Arc<dyn RefusalSink>) -> Asker {
        let caller = Caller::new(CallerId(0), "anyone on the server's machine");
        Asker { membership: None, caller, sight: Sight::of(None), refusals }
    }

    /// A key that was proved.
    pub(crate) fn member(membership: Membership, refusals: Arc<dyn RefusalSink>) -> Asker {
        let sight = Sight::of(Some(membership.key()));
        let caller = caller_of(membership.key());
        Asker { membership: Some(membership), caller, sight, refusals }
    }

    /// What it sees of answers.
    pub(crate) fn sight(&self) -> Sight {
        self.sight.clone()
    }

    /// The key that it has proved, if it was asked for one.
    pub(crate) fn key(&self) -> Option<PublicKey> {
        self.membership.as_ref().map(|membership| membership.key().key)
    }

    /// Its number in the engine's budgets, and its name for people who read records.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The refusal that a question gets for who asks it; `None` if it may be asked. One for lack of a
    /// role, or beyond the key's limits, is handed to `record`, which puts it into the log.
    pub(crate) fn refusal(
        &self,
        question: &Question,
        record: impl FnOnce(RefusedRequest),
    ) -> Option<Refusal> {
        let membership = self.membership.as_ref()?;
        let key = membership.key();
        if let Err(wait) = membership.admit(question.payload_bytes, Instant::now()) {
            return Some(too_fast(key, wait));
        }
        let forbidden = access::check(key, question).err()?;
        self.refusals.forbidden(&forbidden);
        let message = forbidden.to_string();
        record(RefusedRequest {
            caller: self.caller.clone(),
            reason: RefusalReason::Forbidden,
            actor: message.clone().into_bytes(),
        });
        Some(Refusal::without_effect(RefusalKind::Forbidden, message))
    }
}

fn caller_of(key: &ClientKey) -> Caller {
    let ClientKey { name, key, .. } = key;
    let PublicKey(bytes) = key;
    let (first, _) = bytes.split_first_chunk::<8>().expect("a public key has 32 bytes");
    Caller::new(CallerId(u64::from_le_bytes(*first)), &format!("{name} {key}"))
}

fn too_fast(key: &ClientKey, wait: Duration) -> Refusal {
    let name = &key.name;
    let message = format!(
        "the key `{name}` has asked as much as it may in this time: send it again in {} ms",
        wait.as_millis()
    );
    Refusal::without_effect(RefusalKind::RateLimited, message)
}
