//! What a client tells of its requests. What would go wrong without: a payment that a caller asks about
//! under its own name for it, and that nobody finds in the messages of the ledger's server.

use crate::harness::{HandServer, created, once, transfer};
use serde_json::Value;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, info_span};

/// Lines of messages.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A server's messages number the connection of each peer, and name its requests as the peer does.
#[tokio::test]
async fn a_callers_span_leads_to_the_connection_and_request_that_the_server_tells_of() {
    let told = Told::default();
    let lines = tracing_subscriber::fmt().json().with_max_level(LevelFilter::DEBUG);
    let writer = told.clone();
    let _capture =
        tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish());
    let server = HandServer::start().await;
    let (client, mut served) = server.client(once()).await;
    let peer = served.peer().to_string();
    let pay = async {
        client.create_transfers(&[transfer(770_001)]).await.unwrap();
    };
    let mut asked = None;
    let serve = async {
        let (header, _) = served.transfers().await;
        served.answer(header, &[created(1)]).await;
        asked = Some(header.id);
    };
    tokio::join!(pay.instrument(info_span!("payment", correlation = "c-17")), serve);
    let asked = asked.unwrap();

    let text = told.text();
    assert!(!text.contains("770001"), "ids of customers are nobody's: {text}");
    let of_payment: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["spans"][0]["correlation"] == "c-17")
        .collect();
    assert_eq!(of_payment.len(), 2, "{text}");
    for line in &of_payment {
        assert_eq!(line["fields"]["local"], peer.as_str());
        assert_eq!(line["fields"]["request"], asked);
        assert_eq!(line["spans"][1]["call"], "create_transfers");
    }
    assert_eq!(of_payment[0]["fields"]["message"], "asked");
    assert_eq!(of_payment[1]["fields"]["became"], "answered");
}
