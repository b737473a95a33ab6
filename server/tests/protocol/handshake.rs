//! The way in. What would go wrong without it: whoever reaches the port posts money, or someone in
//! between, or someone who once listened, comes in by another's key.

use crate::closed::{
    Authority, Closed, Seen, framed, hello_with_key, public, secret, secured, teller,
};
use crate::harness::{Engine, Peer, Running, Still, created, transfer};
use florin_core::request::Reply;
use florin_server::limits::{HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use florin_server::{Admission, Doors, Server, ServerError, ServerOptions, Transport};
use florin_wire::{
    Binding, ClientHello, Outcome, Proof, RefusalKind, Role, Roles, ServerHello, Verdict, Versions,
};
use rcgen::CertificateParams;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, advance};
use tokio_rustls::TlsAcceptor;

fn kind(verdict: &Verdict) -> Option<RefusalKind> {
    match verdict {
        Verdict::Admitted { .. } => None,
        Verdict::Refused { kind, .. } => Some(*kind),
    }
}

#[tokio::test]
async fn a_known_key_comes_in_and_is_told_who_it_is() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let mut peer = closed.secured().await;
    let verdict = peer.introduce(&secret(1)).await;
    let roles = Roles::from_iter([Role::Read, Role::Write]);
    assert_eq!(verdict, Verdict::Admitted { name: String::from("teller"), roles });
    closed.serves(&secret(1)).await;
}

/// Fault 67, TLS not required: with it, a server that lets in everyone is no better off.
#[tokio::test]
async fn without_keys_only_loopback_is_listened_on() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let certificates = authority.certify(directory.path()).load();
    let doors = Doors { transport: Transport::Tls(certificates), ..Doors::insecure_loopback() };
    let (ledger, _engine) = Engine::new();
    let options = ServerOptions::behind(doors.clone());
    let bound = Server::bind("0.0.0.0:0".parse().unwrap(), options, ledger).await;
    let Err(error) = bound else { unreachable!("it was listened on") };
    assert!(matches!(error, ServerError::NoKeys { .. }), "{error}");
    let closed = Doors { admission: Admission::Documents, ..doors };
    assert!(closed.check_address("0.0.0.0:1".parse().unwrap()).is_ok());
    let plain = Doors { transport: Transport::InsecureLoopback, ..closed };
    assert!(plain.check_address("0.0.0.0:1".parse().unwrap()).is_err());
}

/// Fault 69, secrets compared so that the time tells: who guesses learns nothing, neither from the
/// words nor from how far the proof got. (Both are looked up and both are checked, in that order:
/// `entrance.rs`.)
#[tokio::test]
async fn unknown_wrong_and_revoked_keys_are_told_the_same() {
    let mut closed = Closed::start([teller(&secret(1)), teller(&secret(2))]).await;
    closed.keys.replace([teller(&secret(1))]);
    let mut verdicts = Vec::new();
    // Not known; revoked; known, but proved by another key; known, with a signature of nothing.
    for (signer, claimed) in [(9, 9), (2, 2), (9, 1)] {
        let mut peer = closed.secured().await;
        let binding = peer.binding();
        let seen = peer.see(binding).await;
        let proof = Proof { key: public(&secret(claimed)), ..seen.proof(&secret(signer)) };
        verdicts.push(peer.prove(&proof).await);
        assert_eq!(peer.payload().await, None, "it is closed after that");
    }
    for key in [public(&secret(1)).0, [0; 32], [0xff; 32]] {
        let mut peer = closed.secured().await;
        let binding = peer.binding();
        peer.see(binding).await;
        let proof = Proof { key: florin_wire::PublicKey(key), signature: [0; 64] };
        verdicts.push(peer.prove(&proof).await);
    }
    for verdict in &verdicts {
        assert_eq!(verdict, &verdicts[0]);
        assert_eq!(kind(verdict), Some(RefusalKind::Unauthenticated));
    }
    closed.serves(&secret(1)).await;
}

/// A key of small order has a signature that fits every text: an ed25519 that lets it pass would
/// let in whoever added it, as anybody.
#[tokio::test]
async fn a_weak_key_proves_nothing_even_if_it_is_known() {
    let mut weak = [0; 32];
    weak[0] = 1;
    let key = florin_wire::PublicKey(weak);
    let closed = Closed::start([florin_server::ClientKey { key, ..teller(&secret(1)) }]).await;
    let mut signature = [0; 64];
    signature[0] = 1;
    let mut peer = closed.secured().await;
    let binding = peer.binding();
    peer.see(binding).await;
    let verdict = peer.prove(&Proof { key, signature }).await;
    assert_eq!(kind(&verdict), Some(RefusalKind::Unauthenticated));
}

#[tokio::test]
async fn what_was_proved_on_one_connection_proves_nothing_on_another() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let mut heard = closed.secured().await;
    let binding = heard.binding();
    let seen = heard.see(binding).await;
    let proof = seen.proof(&secret(1));
    assert_eq!(kind(&heard.prove(&proof).await), None);

    // The whole proof again; then the challenge of the other connection, signed for this one.
    let mut replayed = closed.secured().await;
    let binding = replayed.binding();
    let own = replayed.see(binding).await;
    assert_ne!(own.challenge, seen.challenge);
    assert_eq!(kind(&replayed.prove(&proof).await), Some(RefusalKind::Unauthenticated));
    let mut replayed = closed.secured().await;
    let binding = replayed.binding();
    let mut own = replayed.see(binding).await;
    own.challenge = seen.challenge;
    let proof = own.proof(&secret(1));
    assert_eq!(kind(&replayed.prove(&proof).await), Some(RefusalKind::Unauthenticated));
    closed.serves(&secret(1)).await;
}

/// Every part of the transcript counts: whoever could change one would make a client sign for
/// something else than it sees.
#[tokio::test]
async fn a_proof_over_another_transcript_is_none() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let flip = |bytes: &bytes::Bytes, at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes::Bytes::from(bytes)
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Seen));
    let changes: [Change<'_>; 6] = [
        ("a byte of the client's name", &|seen| seen.client_hello = flip(&seen.client_hello, 24)),
        ("the client's highest version", &|seen| seen.client_hello = flip(&seen.client_hello, 10)),
        ("the server's incarnation", &|seen| seen.server_hello = flip(&seen.server_hello, 32)),
        ("a limit of the server", &|seen| seen.server_hello = flip(&seen.server_hello, 20)),
        ("no TLS", &|seen| seen.binding = Binding::None),
        ("another TLS connection", &|seen| seen.binding = Binding::Exporter([7; 32])),
    ];
    for (what, change) in changes {
        let mut peer = closed.secured().await;
        let binding = peer.binding();
        let mut seen = peer.see(binding).await;
        change(&mut seen);
        let verdict = peer.prove(&seen.proof(&secret(1))).await;
        assert_eq!(kind(&verdict), Some(RefusalKind::Unauthenticated), "{what}");
    }
    closed.serves(&secret(1)).await;
}

/// Someone whom the client trusts, with a certificate of his own, relays every byte. The client is
/// deceived about whom it speaks to, and still opens no door.
#[tokio::test]
async fn a_man_in_the_middle_with_a_trusted_certificate_does_not_come_in() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let files = closed.authority.certify(elsewhere.path());
    let chain = vec![rustls::pki_types::CertificateDer::from_pem_file(&files.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.unwrap();
    config.alpn_protocols = vec![florin_server::ALPN.to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = listener.local_addr().unwrap();
    let onwards = closed.authority.trusting(&[&rustls::version::TLS13]);
    let address = closed.address();
    let relay = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut client = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut server = secured(onwards, address).await.unwrap();
        // The end of either side ends it.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });

    let trusting = closed.authority.trusting(&[&rustls::version::TLS13]);
    let mut deceived = Peer::over(secured(trusting, between).await.unwrap());
    let verdict = deceived.introduce(&secret(1)).await;
    assert_eq!(kind(&verdict), Some(RefusalKind::Unauthenticated));
    drop(deceived);
    relay.await.unwrap();
    closed.serves(&secret(1)).await;
}

/// A hello without the feature is what remains when someone in between takes it out.
#[tokio::test]
async fn who_wants_no_key_is_turned_away() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let mut peer = closed.secured().await;
    peer.say_hello(Versions::SPOKEN).await;
    let ServerHello::Refused(farewell) = peer.hello().await else { unreachable!("welcomed") };
    assert_eq!(farewell.kind, RefusalKind::Unauthenticated);
    assert!(farewell.message.contains("--key"), "{}", farewell.message);
    assert_eq!(peer.payload().await, None);

    // A request where the proof should be is none.
    let mut peer = closed.secured().await;
    let binding = peer.binding();
    peer.see(binding).await;
    peer.create_transfers(1, &[transfer(1)]).await;
    let verdict = Verdict::decode(&peer.payload().await.unwrap()).unwrap();
    assert_eq!(kind(&verdict), Some(RefusalKind::Malformed));
    assert_eq!(peer.payload().await, None);
    assert!(closed.engine.requests.try_recv().is_err(), "nothing of it reached the engine");
    closed.serves(&secret(1)).await;
}

/// A client that wants a key to be asked for must see that it is not.
#[tokio::test]
async fn a_server_that_knows_no_keys_does_not_pretend_to() {
    let (server, _engine) = Running::default().await;
    let mut peer = Peer::connected(server.address).await;
    peer.say(&framed(&hello_with_key())).await;
    let ServerHello::Welcome(welcome) = peer.hello().await else { unreachable!("refused") };
    assert_eq!(welcome.features, 0);
}

/// Old TLS is what an attacker would talk both sides down to.
#[tokio::test]
async fn tls_older_than_1_3_is_refused() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let old = closed.authority.trusting(&[&rustls::version::TLS12]);
    let error = secured(old, closed.address()).await.unwrap_err();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    closed.serves(&secret(1)).await;
}

#[tokio::test]
async fn another_protocol_inside_tls_is_refused() {
    let closed = Closed::start([teller(&secret(1))]).await;
    let mut config = closed.authority.trusting(&[&rustls::version::TLS13]);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let error = secured(config, closed.address()).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

/// A session that is taken up again would share its keys, and its exporter, with the one before.
#[tokio::test]
async fn no_session_is_resumed() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let config = closed.authority.trusting(&[&rustls::version::TLS13]);
    for _ in 0..3 {
        let mut peer = Peer::over(secured(config.clone(), closed.address()).await.unwrap());
        assert_eq!(kind(&peer.introduce(&secret(1)).await), None);
        peer.finish().await;
        peer.is_closed().await;
        let (_, session) = peer.stream().get_ref();
        assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
    closed.serves(&secret(1)).await;
}

#[tokio::test]
async fn garbage_instead_of_tls_ends_the_connection_alone() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4_096], &framed(&hello_with_key())] {
        let mut stream = TcpStream::connect(closed.address()).await.unwrap();
        // It may close before it has read everything.
        let _ = stream.write_all(garbage).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.len() < 64, "an alert at most");
    }
    closed.serves(&secret(1)).await;
}

/// A place that a stalled handshake keeps is a place that a client does not get.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_at_any_step_is_over_in_time() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let start = Instant::now();
    // Nothing of TLS; a piece of it (a record's head that promises more).
    for piece in [&[][..], &[22, 3, 1, 2, 0, 1]] {
        let mut stream = TcpStream::connect(closed.address()).await.unwrap();
        stream.write_all(piece).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
    // TLS, then: nothing; half a hello; a hello; half a proof.
    let hello = framed(&hello_with_key());
    for piece in [&hello[..0], &hello[..9], &hello[..]] {
        let still = Still::hold();
        let mut peer = closed.secured().await;
        peer.say(piece).await;
        drop(still);
        peer.is_closed().await;
    }
    let still = Still::hold();
    let mut peer = closed.secured().await;
    let binding = peer.binding();
    peer.see(binding).await;
    peer.say(&framed(&[1; 96])[..50]).await;
    drop(still);
    peer.is_closed().await;
    let elapsed = start.elapsed();
    assert!(6 * HANDSHAKE_TIMEOUT <= elapsed && elapsed < 7 * HANDSHAKE_TIMEOUT, "{elapsed:?}");
    let _still = Still::hold();
    closed.serves(&secret(1)).await;
}

/// One deadline for all of it: who is slow at every step would otherwise stay for the sum.
#[tokio::test(start_paused = true)]
async fn the_steps_of_a_handshake_share_one_deadline() {
    let _still = Still::hold();
    let closed = Closed::start([teller(&secret(1))]).await;
    let mut peer = closed.secured().await;
    advance(HANDSHAKE_TIMEOUT * 6 / 10).await;
    let binding = peer.binding();
    let seen = peer.see(binding).await;
    advance(HANDSHAKE_TIMEOUT * 5 / 10).await;
    let mut out = bytes::BytesMut::new();
    seen.proof(&secret(1)).write(&mut out);
    // The server may have closed before.
    let _ = peer.stream().write_all(&framed(&out)).await;
    assert!(!matches!(peer.next_frame().await, Some(Ok(_))), "let in after the deadline");
}

/// Strangers who only sit there must not keep those out who know what they want.
#[tokio::test(start_paused = true)]
async fn strangers_at_the_door_keep_nobody_out() {
    let _still = Still::hold();
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let start = Instant::now();
    let mut inside = closed.admitted(&secret(1)).await;
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS_MAX + 8 {
        strangers.push(TcpStream::connect(closed.address()).await.unwrap());
    }
    closed.serves(&secret(1)).await;
    // The one that waited longest made room, long before its time was up.
    let mut rest = Vec::new();
    let _ = strangers[0].read_to_end(&mut rest).await;
    assert!(start.elapsed() < HANDSHAKE_TIMEOUT);
    // And whoever was inside never noticed.
    inside.create_transfers(5, &[transfer(5)]).await;
    let (_, reply) = closed.engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(5)])));
    assert_eq!(inside.results(5).await, [created(5)]);
}

/// A certificate is renewed every few weeks; a bank does not stop for that.
#[tokio::test]
async fn a_new_certificate_counts_from_the_next_connection_on() {
    let mut closed = Closed::start([teller(&secret(1))]).await;
    let mut old = closed.admitted(&secret(1)).await;
    let shown = |peer: &mut Peer<_>| {
        let stream: &mut tokio_rustls::client::TlsStream<TcpStream> = peer.stream();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let before = shown(&mut old);

    // A bad file leaves everything as it is.
    let files = closed.authority.certify(closed.directory.path());
    let good = std::fs::read(&files.certificate).unwrap();
    for bad in [&b"nonsense"[..], b"", &good[..good.len() / 2]] {
        std::fs::write(&files.certificate, bad).unwrap();
        assert!(closed.certificates.reload().is_err());
        assert_eq!(shown(&mut closed.admitted(&secret(1)).await), before);
    }
    // The key of another certificate too.
    let other = tempfile::tempdir().unwrap();
    let foreign = closed.authority.certify(other.path());
    std::fs::copy(&foreign.certificate, &files.certificate).unwrap();
    assert!(closed.certificates.reload().is_err());

    std::fs::write(&files.certificate, good).unwrap();
    assert!(closed.certificates.have_changed());
    closed.certificates.reload().unwrap();
    assert!(!closed.certificates.have_changed());
    let mut new = closed.admitted(&secret(1)).await;
    assert_ne!(shown(&mut new), before);

    old.create_transfers(5, &[transfer(5)]).await;
    let (_, reply) = closed.engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(5)])));
    assert_eq!(old.results(5).await, [created(5)]);
}

#[tokio::test]
async fn certificates_that_are_expired_or_of_another_authority_are_not_believed() {
    let closed = Closed::start([teller(&secret(1))]).await;
    let stranger = Authority::new();
    let config = stranger.trusting(&[&rustls::version::TLS13]);
    let error = secured(config, closed.address()).await.unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");

    let mut parameters = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2001, 1, 1);
    closed.authority.certify_as(parameters, closed.directory.path());
    closed.certificates.reload().unwrap();
    let config = closed.authority.trusting(&[&rustls::version::TLS13]);
    let error = secured(config, closed.address()).await.unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
}

/// Whoever lost his rights must be out now, not when he likes to hang up.
#[tokio::test(start_paused = true)]
async fn a_revoked_key_is_out_within_a_second() {
    let still = Still::hold();
    let mut closed = Closed::start([teller(&secret(1)), teller(&secret(2))]).await;
    let mut leaving = closed.admitted(&secret(1)).await;
    let mut staying = closed.admitted(&secret(2)).await;
    // An answer that it will not wait for keeps it no longer.
    leaving.create_transfers(1, &[transfer(1)]).await;
    let (_, _never) = closed.engine.next_transfers().await;
    let start = Instant::now();
    closed.keys.replace([teller(&secret(2))]);
    drop(still);
    leaving.is_closed().await;
    assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());

    staying.create_transfers(5, &[transfer(5)]).await;
    let (_, reply) = closed.engine.next_transfers().await;
    reply(Ok(Reply::Transfers(vec![created(5)])));
    assert_eq!(staying.results(5).await, [created(5)]);
}

#[tokio::test]
async fn a_key_that_leaves_or_changes_is_told_so() {
    let closed = Closed::start([teller(&secret(1)), teller(&secret(2))]).await;
    let mut revoked = closed.admitted(&secret(1)).await;
    let mut changed = closed.admitted(&secret(2)).await;
    let reader =
        florin_server::ClientKey { roles: Roles::from_iter([Role::Read]), ..teller(&secret(2)) };
    closed.keys.replace([reader]);
    let last_word = revoked.reply().await;
    assert_eq!(last_word.header.outcome, Outcome::LastWord);
    assert_eq!(last_word.refusal().kind, RefusalKind::Unauthenticated);
    assert_eq!(changed.reply().await.refusal().kind, RefusalKind::Stopped);
}

/// The hello stays what it is: a server of version 1 without keys must understand a client with
/// one.
#[test]
fn wanting_a_key_is_a_bit_of_the_hello() {
    let hello = ClientHello::decode(&hello_with_key()).unwrap();
    assert_eq!(hello.features, 1);
}
