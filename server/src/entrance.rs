//! What happens between accepting a connection and its first request: hellos, then, if the server
//! knows keys, challenge, proof and verdict.
//!
//! Nothing of the engine is touched for a stranger, and nothing is said to one that tells a key
//! that is known from one that is not: the signature is checked and the key looked up for every
//! proof, and what fails either way is answered by the same words.

use crate::asker::Asker;
use crate::connection::Shared;
use crate::directory::KeyDirectory;
use crate::frames::{Broken, Frames};
use crate::key::ClientKey;
use crate::limits::REQUESTS_IN_FLIGHT_MAX;
use crate::writer::Writer;
use bytes::{Bytes, BytesMut};
use ed25519_dalek::{Signature, VerifyingKey};
use florin_wire::limits::{EVENTS_MAX, FRAME_BYTES_MAX};
use florin_wire::proof::FEATURE_KEY;
use florin_wire::{
    AddressRole, Binding, Challenge, ClientHello, Farewell, Proof, RefusalKind, ServerHello,
    Transcript, Verdict, Versions, Welcome, frame,
};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A peer that may send requests.
pub(crate) struct Guest {
    pub(crate) asker: Asker,
    pub(crate) standing: Standing,
    _place: OwnedSemaphorePermit,
}

/// How long a guest is welcome.
pub(crate) struct Standing(Option<Known>);

/// A key, who knows it, and when to ask again.
struct Known {
    key: Arc<ClientKey>,
    keys: Arc<dyn KeyDirectory>,
    changes: watch::Receiver<u64>,
}

/// Why a guest must go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dismissal {
    /// Its key is no longer known.
    Revoked,
    /// Its key has other roles or limits now, which count from the next connection on.
    Changed,
}

/// A hello that was answered well.
struct Greeting {
    version: u16,
    client_hello: Bytes,
    server_hello: Bytes,
    /// `None`: the key is to be proved first.
    place: Option<OwnedSemaphorePermit>,
}

impl Standing {
    /// Says when it is time to ask whether the guest must go; `None`: never.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.0.as_ref().map(|known| known.changes.clone())
    }

    /// Completes when the guest must go.
    pub(crate) async fn dismissed(&mut self) -> Dismissal {
        let Some(Known { key, keys, changes }) = &mut self.0 else {
            return std::future::pending().await;
        };
        // Whoever keeps the directory may be gone before the server: then nothing changes any more.
        while changes.changed().await.is_ok() {
            match keys.find(key.key) {
                None => return Dismissal::Revoked,
                Some(found) if found != *key => return Dismissal::Changed,
                Some(_) => {}
            }
        }
        std::future::pending().await
    }
}

/// Lets a peer in; `None` if it was told why not.
///
/// # Errors
/// If the peer is gone.
pub(crate) async fn enter<L, R, W>(
    shared: &Shared<L>,
    frames: &mut Frames<R>,
    writer: &mut Writer<W>,
    binding: &Binding,
) -> io::Result<Option<Guest>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let greeting = match frames.next().await {
        Ok(Some(payload)) => greet(shared, frames, payload),
        Ok(None) | Err(Broken::Gone) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(Broken::Malformed(malformed)) => {
            Err(farewell(RefusalKind::Malformed, malformed.to_string()))
        }
    };
    let mut greeting = match greeting {
        Ok(greeting) => greeting,
        Err(refused) => {
            writer.write_frame(|out| frame::write(out, &[], |out| refused.write(out))).await?;
            return Ok(None);
        }
    };
    let hello = greeting.server_hello.clone();
    if let Some(place) = greeting.place.take() {
        writer.write_frame(|out| frame::write(out, &hello, |_| {})).await?;
        let asker = Asker::anyone(Arc::clone(&shared.options.doors.refusals));
        return Ok(Some(Guest { asker, standing: Standing(None), _place: place }));
    }
    let challenge = challenge(binding)?;
    let challenged = writer.write_frame(|out| {
        frame::write(out, &hello, |_| {});
        frame::write(out, &[], |out| challenge.write(out));
    });
    challenged.await?;
    let judged = match frames.next().await {
        Ok(Some(payload)) => match Proof::decode(&payload) {
            Ok(proof) => judge(shared, &greeting, &challenge, binding, &proof),
            Err(error) => Err(refused(RefusalKind::Malformed, frames.malformed(error).to_string())),
        },
        Ok(None) | Err(Broken::Gone) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(Broken::Malformed(malformed)) => {
            Err(refused(RefusalKind::Malformed, malformed.to_string()))
        }
    };
    let (verdict, guest) = match judged {
        Ok((verdict, guest)) => (verdict, Some(guest)),
        Err(verdict) => (verdict, None),
    };
    writer.write_frame(|out| frame::write(out, &[], |out| verdict.write(out))).await?;
    Ok(guest)
}

/// The answer to a hello; the error is the hello that refuses.
fn greet<L, R>(
    shared: &Shared<L>,
    frames: &Frames<R>,
    client_hello: Bytes,
) -> Result<Greeting, ServerHello>
where
    R: AsyncRead + Unpin,
{
    let hello = ClientHello::decode(&client_hello)
        .map_err(|error| farewell(RefusalKind::Malformed, frames.malformed(error).to_string()))?;
    let Some(version) = Versions::SPOKEN.highest_common(hello.versions) else {
        let message = format!(
            "the client speaks {} of the protocol and this server {}: bring the older one up to \
             date",
            hello.versions,
            Versions::SPOKEN
        );
        return Err(farewell(RefusalKind::UnsupportedVersion, message));
    };
    let asks_for_keys = shared.keys.is_some();
    if asks_for_keys && hello.features & FEATURE_KEY == 0 {
        let message = "this server lets in nobody without a key: connect with one (--key FILE)";
        return Err(farewell(RefusalKind::Unauthenticated, String::from(message)));
    }
    let place = if asks_for_keys { None } else { Some(place(shared).map_err(busy_hello)?) };
    let limit = |limit: usize| u32::try_from(limit).expect("the protocol's limits fit 32 bits");
    let welcome = ServerHello::Welcome(Welcome {
        versions: Versions::SPOKEN,
        version,
        features: if asks_for_keys { FEATURE_KEY } else { 0 },
        frame_bytes_max: limit(FRAME_BYTES_MAX),
        events_max: limit(EVENTS_MAX),
        requests_in_flight_max: limit(REQUESTS_IN_FLIGHT_MAX),
        incarnation: shared.incarnation,
        epoch: shared.epoch,
    });
    let mut server_hello = BytesMut::new();
    welcome.write(&mut server_hello);
    Ok(Greeting { version, client_hello, server_hello: server_hello.freeze(), place })
}

fn challenge(binding: &Binding) -> io::Result<Challenge> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(Challenge { nonce, address_role: AddressRole::Ledger, binding_number: binding.number() })
}

/// The answer to a proof; the error is the verdict that refuses.
fn judge<L>(
    shared: &Shared<L>,
    greeting: &Greeting,
    challenge: &Challenge,
    binding: &Binding,
    proof: &Proof,
) -> Result<(Verdict, Guest), Verdict> {
    let keys = shared.keys.as_ref().expect("proofs are asked for by those who know keys");
    let transcript = Transcript {
        version: greeting.version,
        incarnation: shared.incarnation,
        client_hello: &greeting.client_hello,
        server_hello: &greeting.server_hello,
        challenge,
        binding,
    };
    let is_proved = proves(proof, &transcript.to_bytes());
    // Before it is looked up, so that no change in between is missed.
    let changes = keys.changes();
    let known = keys.find(proof.key);
    let (true, Some(key)) = (is_proved, known) else {
        let message = "no key that this server knows was proved: ask its operator to add yours, or \
                       to look whether it was revoked";
        return Err(refused(RefusalKind::Unauthenticated, String::from(message)));
    };
    let membership = shared.members.enter(&key).map_err(|count| too_many_of(&key, count))?;
    let place = place(shared).map_err(|message| refused(RefusalKind::Busy, message))?;
    let verdict = Verdict::Admitted { name: key.name.clone(), roles: key.roles };
    let asker = Asker::member(membership, Arc::clone(&shared.options.doors.refusals));
    let standing = Standing(Some(Known { key, keys: Arc::clone(keys), changes }));
    Ok((verdict, Guest { asker, standing, _place: place }))
}

/// Whether a signature is one of this key over these bytes, by the strict rules: none that was made
/// for a weak key, and no second form of the same signature.
fn proves(proof: &Proof, transcript: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&proof.key.0) else { return false };
    key.verify_strict(transcript, &Signature::from_bytes(&proof.signature)).is_ok()
}

/// A place among those who may send requests.
fn place<L>(shared: &Shared<L>) -> Result<OwnedSemaphorePermit, String> {
    Arc::clone(&shared.places).try_acquire_owned().map_err(|_| {
        shared.metrics.turn_away();
        let connections_max = shared.options.connections_max;
        format!("the server has {connections_max} connections already: try again later")
    })
}

fn too_many_of(key: &ClientKey, count: u32) -> Verdict {
    let name = &key.name;
    refused(
        RefusalKind::Busy,
        format!("the key `{name}` has {count} connections already: close one, or try again later"),
    )
}

fn busy_hello(message: String) -> ServerHello {
    farewell(RefusalKind::Busy, message)
}

fn farewell(kind: RefusalKind, message: String) -> ServerHello {
    ServerHello::Refused(Farewell { versions: Versions::SPOKEN, kind, message })
}

fn refused(kind: RefusalKind, message: String) -> Verdict {
    Verdict::Refused { kind, message }
}
