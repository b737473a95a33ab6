//! What a client says before its first request: hello, and, if it has a key, the proof of it.
//!
//! A client that has a key gives up where nobody asks for it, or where the challenge does not fit
//! its own connection: whoever answers there is not whom it means.

use crate::failure::Failure;
use crate::options::ClientOptions;
use bytes::{Bytes, BytesMut};
use florin_wire::frame;
use florin_wire::proof::FEATURE_KEY;
use florin_wire::{
    AddressRole, Binding, Challenge, ClientHello, DecodeError, Refusal, ServerHello, Transcript,
    Verdict, Versions, Welcome,
};
use futures_util::StreamExt;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::FramedRead;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

/// Exchanges hellos and proves the key, if there is one.
pub(crate) async fn enter<R, W>(
    frames: &mut FramedRead<R, LengthDelimitedCodec>,
    writer: &mut W,
    binding: &Binding,
    options: &ClientOptions,
) -> Result<Welcome, Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let features = if options.key.is_some() { FEATURE_KEY } else { 0 };
    let hello = ClientHello { versions: Versions::SPOKEN, features, name: options.name.clone() };
    let mut client_hello = BytesMut::new();
    hello.write(&mut client_hello);
    say(writer, &client_hello).await?;
    let server_hello = hear(frames).await?;
    let welcome = match ServerHello::decode(&server_hello) {
        Ok(ServerHello::Welcome(welcome)) if welcome.version == Versions::SPOKEN.max => welcome,
        Ok(ServerHello::Welcome(welcome)) => {
            return Err(Failure::Hopeless(format!(
                "the server chose version {}, which this client did not offer",
                welcome.version
            )));
        }
        Ok(ServerHello::Refused(farewell)) => {
            return Err(Failure::Refused(Refusal::without_effect(farewell.kind, farewell.message)));
        }
        Err(error) => return Err(no_server("hello", error)),
    };
    let Some(key) = &options.key else { return Ok(welcome) };
    if welcome.features & FEATURE_KEY == 0 {
        return Err(Failure::Hopeless(String::from(
            "the server asks for no key, so it is not the one that this key is for: connect \
             without a key if it is meant",
        )));
    }
    let challenge = hear(frames).await?;
    let challenge = Challenge::decode(&challenge).map_err(|error| no_server("challenge", error))?;
    if challenge.binding_number != binding.number() {
        return Err(Failure::Hopeless(String::from(
            "the server does not see the tls of this connection: somebody sits in between",
        )));
    }
    // Where anything else listened, requests would have no business.
    match challenge.address_role {
        AddressRole::Ledger => {}
    }
    let transcript = Transcript {
        version: welcome.version,
        incarnation: welcome.incarnation,
        client_hello: &client_hello,
        server_hello: &server_hello,
        challenge: &challenge,
        binding,
    };
    let mut proof = BytesMut::new();
    key.prove(&transcript).write(&mut proof);
    say(writer, &proof).await?;
    let verdict = hear(frames).await?;
    match Verdict::decode(&verdict) {
        Ok(Verdict::Admitted { .. }) => Ok(welcome),
        Ok(Verdict::Refused { kind, message }) => {
            Err(Failure::Refused(Refusal::without_effect(kind, message)))
        }
        Err(error) => Err(no_server("verdict", error)),
    }
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, payload: &[u8]) -> Result<(), Failure> {
    let mut out = BytesMut::new();
    frame::write(&mut out, payload, |_| {});
    let written = async {
        writer.write_all(&out).await?;
        writer.flush().await
    };
    written.await.map_err(|error| unheard(&error))
}

async fn hear<R>(frames: &mut FramedRead<R, LengthDelimitedCodec>) -> Result<Bytes, Failure>
where
    R: AsyncRead + Unpin,
{
    match frames.next().await {
        Some(Ok(payload)) => Ok(payload.freeze()),
        Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::Hopeless(
            String::from("what answers there is no florin server: its first frame is too long"),
        )),
        Some(Err(error)) => Err(unheard(&error)),
        None => Err(unheard(&io::ErrorKind::UnexpectedEof.into())),
    }
}

fn unheard(error: &io::Error) -> Failure {
    Failure::NotSent(format!("no hello was exchanged: {error}"))
}

fn no_server(what: &str, error: DecodeError) -> Failure {
    Failure::Hopeless(format!(
        "what answers there is no florin server, its {what} is malformed {error}"
    ))
}
