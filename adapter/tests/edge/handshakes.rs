//! Which TLS is spoken.

use crate::site::Site;
use florin_adapter::edge::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A greeting of a client that speaks a version of TLS before 1.3, and nothing newer.
fn hello(version: u8) -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x0a, 0x00, 0x2f];
    let groups = [0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17];
    let signatures = [0x00, 0x0d, 0x00, 0x08, 0x00, 0x06, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01];
    let extensions = [&groups[..], &signatures].concat();
    let mut body = vec![3, version];
    body.extend([7; 32]);
    body.extend([0, 0, u8::try_from(suites.len()).unwrap()]);
    body.extend(suites);
    body.extend([1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

/// Row 49 of the threat table: on this listener everything before 1.3 is refused, by the alert that says so.
#[tokio::test(start_paused = true)]
async fn nothing_older_than_tls_1_3_is_spoken() {
    const PROTOCOL_VERSION: u8 = 70;
    let site = Site::open(Limits::default()).await;
    for version in [0, 1, 2, 3] {
        let mut stream = site.tcp().await;
        stream.write_all(&hello(version)).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, PROTOCOL_VERSION]), "{answer:?}");
    }
    let stream = site.tls("http/1.1").await;
    let version = stream.get_ref().1.protocol_version();
    assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
}
