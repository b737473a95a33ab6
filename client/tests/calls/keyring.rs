//! Keys over a connection that ends: a key that was made is the same when it is asked for again, and a
//! key that was destroyed is.

use crate::harness::{HandServer, WELCOME};
use bytes::BytesMut;
use florin_client::{ClientError, ClientOptions, DestroyResult, HeldKey, RefusalKind};
use florin_wire::keyring::{self, KeyNames};
use florin_wire::{Operation, ReplyHeader};

/// Not sent again, an erasure of which the answer was lost would be reported as unknown.
#[tokio::test(start_paused = true)]
async fn names_make_it_safe_to_ask_again() {
    let server = HandServer::start().await;
    let (client, mut first) = server.client(ClientOptions::default()).await;
    let serve = async {
        let (_, sent) = first.request().await;
        drop(first);
        let mut second = server.welcome(WELCOME).await;
        let (header, again) = second.request().await;
        assert_eq!(again, sent);
        let names = KeyNames(vec![b"ann".to_vec(), b"bob".to_vec()]);
        assert_eq!(keyring::decode_names(&again), Ok(names));
        let mut body = BytesMut::new();
        keyring::write_results(
            &[DestroyResult::AlreadyDestroyed, DestroyResult::Destroyed],
            &mut body,
        );
        let answer = ReplyHeader::answered(header.id, Operation::DestroyKeys);
        second.reply(answer, &body).await;
        second
    };
    let (result, _open) = tokio::join!(client.destroy_keys(&[b"ann", b"bob"]), serve);
    assert_eq!(result, Ok(vec![DestroyResult::AlreadyDestroyed, DestroyResult::Destroyed]));
}

/// Taken for a key that was never made, a name without one would be sealed under nothing.
#[tokio::test]
async fn an_answer_that_makes_no_key_is_none() {
    let server = HandServer::start().await;
    let options = ClientOptions { attempts_max: 1, ..ClientOptions::default() };
    let (client, mut served) = server.client(options).await;
    let serve = async {
        let (header, _) = served.request().await;
        let mut body = BytesMut::new();
        keyring::write_held(&[HeldKey::Unknown], &mut body);
        served.reply(ReplyHeader::answered(header.id, Operation::MakeKeys), &body).await;
        served
    };
    let (result, _open) = tokio::join!(client.make_keys(&[b"ann"]), serve);
    assert!(matches!(result, Err(ClientError::Unknown { .. })), "{result:?}");
}

#[tokio::test]
async fn names_that_no_server_takes_are_not_sent() {
    let server = HandServer::start().await;
    let (client, mut served) = server.client(ClientOptions::default()).await;
    let long = [1; 129];
    let many = vec![&b"a"[..]; 1_025];
    for (names, expected) in [
        (&[&b""[..]][..], RefusalKind::Invalid),
        (&[&long[..]], RefusalKind::Invalid),
        (&many, RefusalKind::TooLarge),
    ] {
        let result = client.make_keys(names).await;
        assert!(
            matches!(result, Err(ClientError::Refused { kind, .. }) if kind == expected),
            "{result:?}"
        );
    }
    assert!(served.has_nothing_to_read().await);
}
