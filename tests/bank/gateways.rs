//! A gateway over a real connection that is slow, in trouble, or not there (IN2). What would go wrong without: messages
//! that are lost or sent twice, a gateway in trouble that is asked all the time, or a stranger's that is told everything.

use crate::branch::Branch;
use crate::mailbox::{Mailbox, postman};
use crate::phones::gives_number;
use crate::preferences::{puts, ways};
use crate::telephones::Telephones;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use florin_adapter::clock::{Clock, HOUR, MINUTE, SECOND};
use florin_adapter::edge::{Listener, TlsFiles, server_config};
use florin_adapter::id::Id;
use florin_adapter::notify::{
    Couriers, Gateway, NotTaken, Notice, Platform, Push, ShortMessage, Sms,
};
use florin_adapter::phone::PhoneNumber;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How a gateway behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    /// It answers with this status.
    Refusing(u16),
    /// It takes what it is sent, and never says so.
    Silent,
}

/// What a gateway was sent: the id, whether it was answered well, and what.
type Seen = Vec<(String, bool, Value)>;

struct Desk {
    mood: Mutex<Mood>,
    seen: Mutex<Seen>,
    never: Notify,
}

async fn takes(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mood = *desk.mood.lock().unwrap();
    let header = |name: &str| String::from(headers[name].to_str().unwrap());
    assert_eq!(header("authorization"), "Bearer s3cret");
    assert_eq!(header("content-type"), "application/json");
    let json: Value = serde_json::from_slice(&body).unwrap();
    let id = header("idempotency-key");
    assert_eq!(json["id"], json!(id));
    desk.seen.lock().unwrap().push((id, mood == Mood::Well, json));
    match mood {
        Mood::Well => StatusCode::ACCEPTED,
        Mood::Refusing(status) => StatusCode::from_u16(status).unwrap(),
        Mood::Silent => {
            desk.never.notified().await;
            StatusCode::ACCEPTED
        }
    }
}

/// An authority, and what it vouches for.
struct Papers {
    authority: String,
    certificate: String,
    key: String,
}

fn papers() -> Papers {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Papers { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A gateway that listens, or not.
struct Station {
    desk: Arc<Desk>,
    papers: Papers,
    address: SocketAddr,
    open: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
}

impl Station {
    async fn open() -> Station {
        let (mood, seen) = (Mutex::new(Mood::Well), Mutex::default());
        let desk = Arc::new(Desk { mood, seen, never: Notify::new() });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut station = Station { desk, papers: papers(), address, open: None };
        station.opens().await;
        station
    }

    async fn opens(&mut self) {
        let Papers { certificate, key, .. } = &self.papers;
        let tls = TlsFiles { certificates: certificate.as_bytes(), key: key.as_bytes() };
        let listener = Listener::bind(self.address, server_config(&tls).unwrap()).await.unwrap();
        self.address = listener.address();
        let router = Router::new().route("/send", post(takes)).with_state(Arc::clone(&self.desk));
        let (stop, stopped) = oneshot::channel();
        let serving = listener.serve(router, async { drop(stopped.await) });
        self.open = Some((tokio::spawn(serving), stop));
    }

    /// Nobody listens any more.
    async fn closes(&mut self) {
        self.desk.never.notify_waiters();
        let (serving, stop) = self.open.take().unwrap();
        stop.send(()).unwrap();
        serving.await.unwrap();
    }

    fn is(&self, mood: Mood) {
        *self.desk.mood.lock().unwrap() = mood;
    }

    /// What it was sent since.
    fn seen(&self) -> Seen {
        std::mem::take(&mut self.desk.seen.lock().unwrap())
    }

    fn gateway(&self, authority: &str, clock: Arc<dyn Clock>) -> Gateway {
        let url = format!("https://localhost:{}/send", self.address.port());
        let url = url.parse().unwrap();
        let gateway = Gateway::new(url, "s3cret\n", Some(authority.as_bytes()), clock).unwrap();
        gateway.with_patience(Duration::from_millis(400))
    }

    fn own(&self, branch: &Branch) -> Arc<Gateway> {
        Arc::new(self.gateway(&self.papers.authority, branch.bank.clock.clone()))
    }
}

fn message() -> ShortMessage {
    ShortMessage {
        id: Id::from_number(7),
        to: PhoneNumber::parse("+491701234567").unwrap(),
        text: String::from("hello"),
    }
}

fn notice() -> Notice {
    Notice {
        id: Id::from_number(8),
        platform: Platform::Android,
        token: String::from("t0ken"),
        title: String::from("Bank"),
        text: String::from("hello"),
    }
}

#[tokio::test]
async fn a_gateway_is_told_what_to_send_and_to_whom() {
    let (branch, station) = (Branch::open().await, Station::open().await);
    let gateway = station.own(&branch);
    Sms::send(&*gateway, &message()).await.unwrap();
    Push::send(&*gateway, &notice()).await.unwrap();
    let seen: Vec<_> = station.seen().into_iter().map(|(_, _, json)| json).collect();
    let [sms, push] = [message().id, notice().id].map(|id| id.to_string());
    assert_eq!(
        seen,
        [
            json!({"id": sms, "to": "+491701234567", "text": "hello"}),
            json!({
                "id": push, "platform": "android", "token": "t0ken",
                "title": "Bank", "text": "hello",
            }),
        ]
    );
    for status in [404, 410] {
        station.is(Mood::Refusing(status));
        assert_eq!(Push::send(&*gateway, &notice()).await, Err(NotTaken::Gone));
        let refused = Sms::send(&*gateway, &message()).await;
        assert!(matches!(refused, Err(NotTaken::Now(_))), "{refused:?}");
    }
    // A redirect is none: it leads wherever the gateway, or who has taken it over, wants.
    for status in [302, 307, 400, 401] {
        station.is(Mood::Refusing(status));
        for _ in 0..6 {
            assert!(Sms::send(&*gateway, &message()).await.is_err(), "{status}");
        }
        assert!(Sms::is_ready(&*gateway), "{status}: the message is to blame, not the gateway");
    }
}

/// Prevents: whoever sits in between, and reads every code.
#[tokio::test]
async fn a_gateway_that_another_authority_vouches_for_is_told_nothing() {
    let (branch, station) = (Branch::open().await, Station::open().await);
    let gateway = station.gateway(&papers().authority, branch.bank.clock.clone());
    let refused = Sms::send(&gateway, &message()).await.unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let url = format!("https://127.0.0.1:{}/send", station.address.port());
    let authority = station.papers.authority.as_bytes();
    let clock = branch.bank.clock.clone();
    let gateway = Gateway::new(url.parse().unwrap(), "s3cret", Some(authority), clock).unwrap();
    assert!(Sms::send(&gateway, &message()).await.is_err(), "it is for another name");
    assert!(station.seen().is_empty());
    for odd in ["", " ", "two words", "line\nline", "ü"] {
        let url = "https://localhost/send".parse().unwrap();
        let clock = branch.bank.clock.clone();
        assert!(Gateway::new(url, odd, Some(authority), clock).is_err(), "{odd:?}");
    }
}

/// IN2: prevents a gateway in trouble that is asked all the time, and messages that are lost or sent twice.
#[tokio::test]
async fn in2_the_breaker_opens_and_nothing_is_lost_or_sent_twice() {
    let (branch, mut station) = (Branch::open().await, Station::open().await);
    let (mailbox, telephones) = (Mailbox::new(), Telephones::new());
    let ada = branch.customer("ada@example.org").await;
    gives_number(&branch, (&mailbox, &telephones), &ada, "%2B491701234567").await;
    let (one, other) = (branch.account(&ada, 10_000).await, branch.account(&ada, 0).await);
    let app = crate::app::App::logged_in(&branch, &ada).await;
    let (none, sms) = (ways(false, false, false), ways(false, true, false));
    let body = json!({"money_in": sms, "money_out": none, "money_out_failed": none});
    puts(&app, &body).await.good();
    mailbox.fills(&branch).await;
    for cents in 1..=8 {
        branch.sends(&ada, one, other, cents).await.unwrap();
    }
    branch.works().await;
    branch.announces().await;

    let gateway = station.own(&branch);
    let sms = Arc::<Gateway>::clone(&gateway);
    let couriers = Couriers { sms: Some(sms), ..Couriers::default() };
    let postman = postman(&branch, couriers);
    let sends = async || postman.step().await.unwrap();
    station.closes().await;
    // Who sees that it has opened waits as they are.
    assert!((5..=8).contains(&sends().await), "they are tried, and nobody is there");
    assert!(!Sms::is_ready(&*gateway), "five failures open it");
    branch.pass(29 * SECOND);
    assert_eq!(sends().await, 0);
    station.opens().await;
    let mut taken = Vec::new();
    for mood in [Mood::Refusing(500), Mood::Refusing(429), Mood::Silent] {
        station.is(mood);
        branch.pass(10 * MINUTE);
        // Who sees that it is asked already waits as it is.
        assert!((1..=8).contains(&sends().await), "{mood:?}");
        let seen = station.seen();
        assert_eq!(seen.len(), 1, "{mood:?}: one is let through");
        if mood == Mood::Silent {
            taken.push(seen[0].0.clone());
        }
        // While it is open nothing is asked, and nothing is counted as tried.
        branch.pass(59 * SECOND);
        assert_eq!((sends().await, station.seen().len()), (0, 0), "{mood:?}");
    }
    station.is(Mood::Well);
    for _ in 0..6 {
        branch.pass(HOUR);
        sends().await;
    }
    let well = station.seen();
    assert!(well.iter().all(|(_, is_well, _)| *is_well));
    let mut ids: Vec<_> = well.iter().map(|(id, ..)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((well.len(), ids.len()), (8, 8), "each was taken once, and none is lost");
    // Of the one that was taken without a word the gateway has the same id again, and knows it by that.
    assert!(taken.iter().all(|id| ids.contains(id)));
    assert_eq!(sends().await, 0);
}
