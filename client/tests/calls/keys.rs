//! To whom a client proves its key. What would go wrong without it: it shows who it is, or worse lets
//! its requests be answered, where somebody else listens.

use crate::harness::{HandServer, Served, WELCOME, once};
use bytes::BytesMut;
use florin_client::{Client, ClientError, ClientOptions, SecretKey};
use florin_wire::proof::FEATURE_KEY;
use florin_wire::{
    AddressRole, Challenge, RefusalKind, Role, Roles, ServerHello, Verdict, Welcome, frame,
};

fn with_key() -> ClientOptions {
    ClientOptions { key: Some(SecretKey::generate().unwrap()), ..once() }
}

fn challenge(binding_number: u8) -> Challenge {
    Challenge { nonce: [7; 32], address_role: AddressRole::Ledger, binding_number }
}

/// The server's end of a connection that gets a challenge.
async fn challenged(server: &HandServer, binding_number: u8) -> Served {
    let mut served = server.accept().await;
    assert_eq!(served.hear_hello().await.features, FEATURE_KEY);
    let welcome = Welcome { features: FEATURE_KEY, ..WELCOME };
    served.say_hello(&ServerHello::Welcome(welcome)).await;
    let mut out = BytesMut::new();
    frame::write(&mut out, &[], |out| challenge(binding_number).write(out));
    served.say(&out).await;
    served
}

async fn say_verdict(served: &mut Served, verdict: &Verdict) {
    let mut out = BytesMut::new();
    frame::write(&mut out, &[], |out| verdict.write(out));
    served.say(&out).await;
}

/// Someone in between takes the feature out of the hello, and answers himself.
#[tokio::test]
async fn a_server_that_asks_for_no_key_is_not_the_one() {
    let server = HandServer::start().await;
    let address = server.address();
    let serve = async {
        let mut served = server.welcome(WELCOME).await;
        served.is_closed_without_a_request().await
    };
    let (result, closed) = tokio::join!(Client::connect(&address, with_key()), serve);
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("asks for no key"), "{message}");
    assert!(closed);
}

/// A server that says it sees TLS where there is none has it from somebody else's connection.
#[tokio::test]
async fn nothing_is_proved_to_who_sees_another_connection() {
    let server = HandServer::start().await;
    let address = server.address();
    let serve = async {
        let mut served = challenged(&server, 1).await;
        served.is_closed_without_a_request().await
    };
    let (result, closed) = tokio::join!(Client::connect(&address, with_key()), serve);
    let Err(ClientError::NotSent { message }) = result else { unreachable!("{result:?}") };
    assert!(message.contains("somebody sits in between"), "{message}");
    assert!(closed, "no proof was sent");
}

#[tokio::test]
async fn a_refused_key_is_not_tried_again() {
    let server = HandServer::start().await;
    let address = server.address();
    let options = ClientOptions { attempts_max: 16, ..with_key() };
    let serve = async {
        let mut served = challenged(&server, 0).await;
        let proof = served.payload().await;
        assert_eq!(proof.len(), 96);
        let kind = RefusalKind::Unauthenticated;
        say_verdict(&mut served, &Verdict::Refused { kind, message: String::from("no") }).await;
        served
    };
    let (result, _served) = tokio::join!(Client::connect(&address, options), serve);
    let Err(ClientError::Refused { kind, .. }) = result else { unreachable!("{result:?}") };
    assert_eq!(kind, RefusalKind::Unauthenticated);
}

#[tokio::test]
async fn a_key_that_is_admitted_may_ask() {
    let server = HandServer::start().await;
    let address = server.address();
    let serve = async {
        let mut served = challenged(&server, 0).await;
        served.payload().await;
        let roles = Roles::from_iter([Role::Read]);
        say_verdict(&mut served, &Verdict::Admitted { name: String::from("shop"), roles }).await;
        served
    };
    let (client, mut served) = tokio::join!(Client::connect(&address, with_key()), serve);
    let client = client.unwrap();
    let asking = tokio::spawn(async move { client.status().await });
    let (header, _) = served.request().await;
    assert_eq!(header.operation, florin_wire::Operation::Status.number());
    drop(served);
    assert!(asking.await.unwrap().is_err());
}
