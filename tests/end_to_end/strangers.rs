//! Peers that don't keep to the protocol, while others work. What would go wrong without it: one
//! broken client, or one scan of the network, stops the bank.
//!
//! The frames are made by hand from docs/PROTOCOL.md: a client's own code would not send them.

use crate::chance::Chance;
use crate::directory::empty;
use crate::load::{Event, Orders, connect, keep_busy, open_accounts};
use crate::process::{Server, verified, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

const HELLO: &[u8] = b"\x1c\0\0\0FLORINDB\x01\0\x01\0\0\0\0\0\x04\0\0\0\0\0\0\0bank";
const HEADER_BYTES: usize = 16;
const REPLY_HEADER_BYTES: usize = 32;
const STATUS: u16 = 22;
const CREATE_TRANSFERS: u16 = 2;
const REFUSED: u8 = 1;
const LAST_WORD: u8 = 2;
const UNSUPPORTED: u8 = 2;
const MALFORMED: u8 = 11;

/// A connection that says what it likes.
struct Stranger(TcpStream);

impl Stranger {
    async fn connect(address: &str) -> Stranger {
        let stream = within("the server accepts", TcpStream::connect(address)).await;
        Stranger(stream.expect("the server listens"))
    }

    /// One who begins as he should.
    async fn introduced(address: &str) -> Stranger {
        let mut stranger = Stranger::connect(address).await;
        stranger.send(HELLO).await;
        let hello = stranger.frame().await;
        assert_eq!(hello[..8], *b"FLORINDB");
        assert_eq!(hello[14], 0, "he is let in");
        stranger
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The server may have closed already: that is for the test to see.
        let _ = within("the server reads", self.0.write_all(bytes)).await;
    }

    async fn request(&mut self, id: u64, operation: u16, body: &[u8]) {
        let length = u32::try_from(HEADER_BYTES + body.len()).expect("it is short");
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend(id.to_le_bytes());
        frame.extend(operation.to_le_bytes());
        frame.extend([0; 6]);
        frame.extend(body);
        self.send(&frame).await;
    }

    /// The payload of the next frame.
    async fn frame(&mut self) -> Vec<u8> {
        let read = async {
            let mut payload = vec![0; usize::try_from(self.0.read_u32_le().await?).expect("fits")];
            self.0.read_exact(&mut payload).await.map(|_| payload)
        };
        within("the server answers", read).await.expect("it sends a whole frame")
    }

    /// The server's last word, which must be that he is malformed and where; then it closes.
    async fn check_sent_away(mut self) {
        let word = self.frame().await;
        assert_eq!((word[10], word[32]), (LAST_WORD, MALFORMED), "{word:?}");
        let message = String::from_utf8_lossy(&word[REPLY_HEADER_BYTES + 10..]);
        assert!(message.contains("frame at byte 32 "), "{message}");
        self.check_closed().await;
    }

    async fn check_closed(mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = within("the server closes", self.0.read_to_end(&mut rest)).await;
        assert!(rest.len() <= 4_096, "it says goodbye, no more: {} bytes", rest.len());
    }

    /// Says no more, but listens.
    async fn fall_silent(&mut self) {
        let _ = self.0.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stranger_harms_the_server_or_those_who_work() {
    let mut chance = Chance::seeded(5);
    let directory = empty();
    let server = Server::start(directory.path(), &[]).await;
    let address = server.address.clone();
    let client = connect(&address).await;
    open_accounts(&client).await;
    let (event, mut events) = unbounded_channel();
    let orders = Orders::of_client(1, chance.branch());
    let working = tokio::spawn(keep_busy(client, orders, event));

    let mut strangers = JoinSet::new();
    for _ in 0..100 {
        strangers.spawn(babble(address.clone(), chance.branch()));
    }
    for _ in 0..20 {
        strangers.spawn(say_nothing(address.clone()));
    }
    strangers.spawn(boast(address.clone(), vec![0xff; 4]));
    strangers.spawn(boast(address.clone(), (1_048_576_u32 + 1).to_le_bytes().to_vec()));
    strangers.spawn(boast(address.clone(), ragged()));
    strangers.spawn(boast(address.clone(), nameless()));
    strangers.spawn(break_off(address.clone()));
    strangers.spawn(ask_the_unknown(address.clone()));
    let hanging = hang_half_way(&address).await;
    within("every stranger is dealt with", strangers.join_all()).await;

    // The others were served all the while, and are still.
    while events.try_recv().is_ok() {}
    for _ in 0..100 {
        let event = within("work goes on", events.recv()).await;
        assert!(event.is_some_and(|event| matches!(event, Event::Asked | Event::Answered)));
    }
    server.stop().await;
    let orders = within("the work ends", working).await.expect("working does not panic");
    let undone = orders.iter().filter(|order| !matches!(order.end, crate::load::End::Answered(_)));
    assert!(undone.count() <= 8, "only those in flight at the end were not done");
    drop(hanging);
    verified(directory.path()).await;
}

/// Bytes without sense, from the first on or after a hello.
async fn babble(address: String, mut chance: Chance) {
    let mut stranger = if chance.once_in(2) {
        Stranger::connect(&address).await
    } else {
        Stranger::introduced(&address).await
    };
    let count = chance.below(2_000);
    stranger.send(&chance.bytes(count)).await;
    stranger.fall_silent().await;
    stranger.check_closed().await;
}

/// A scanner of ports: the server does not wait for his hello for ever.
async fn say_nothing(address: String) {
    Stranger::connect(&address).await.check_closed().await;
}

/// A frame that can't be, and why it can't, he is told.
async fn boast(address: String, frame: Vec<u8>) {
    let mut stranger = Stranger::introduced(&address).await;
    stranger.send(&frame).await;
    stranger.check_sent_away().await;
}

/// A batch of transfers that is no whole number of them.
fn ragged() -> Vec<u8> {
    let mut frame = 116_u32.to_le_bytes().to_vec();
    frame.extend(1_u64.to_le_bytes());
    frame.extend(CREATE_TRANSFERS.to_le_bytes());
    frame.extend([0; 106]);
    frame
}

/// A request with the id zero.
fn nameless() -> Vec<u8> {
    let mut frame = 16_u32.to_le_bytes().to_vec();
    frame.extend([0; 8]);
    frame.extend(STATUS.to_le_bytes());
    frame.extend([0; 6]);
    frame
}

/// Goes in the middle of a frame.
async fn break_off(address: String) {
    let mut stranger = Stranger::introduced(&address).await;
    stranger.send(&[200, 0, 0, 0, 1, 2, 3]).await;
    stranger.fall_silent().await;
    stranger.check_closed().await;
}

/// Stops in the middle of a frame and stays: that is his own affair, and no reason not to stop.
async fn hang_half_way(address: &str) -> Stranger {
    let mut stranger = Stranger::introduced(address).await;
    stranger.send(&[200, 0, 0, 0, 1, 2, 3]).await;
    stranger
}

/// What the server can't do it says, and does what it can.
async fn ask_the_unknown(address: String) {
    let mut stranger = Stranger::introduced(&address).await;
    for operation in [0, 999, u16::MAX] {
        stranger.request(5, operation, b"please").await;
        let reply = stranger.frame().await;
        assert_eq!((reply[10], reply[32]), (REFUSED, UNSUPPORTED), "{operation}: {reply:?}");
    }
    stranger.request(6, STATUS, &[]).await;
    let reply = stranger.frame().await;
    assert_eq!((reply[0], reply[10]), (6, 0), "{reply:?}");
}
