//! Balances read by many readers at the same time, in rounds.
//!
//! - What a round asks is made before its clock starts, proofs signed and all: signing is the phones' work, and would
//!   take the bank's processors here. A round has so few that none of their proofs grows old meanwhile.
//! - Time and processor time are the rounds' alone.

use super::{Door, Teller, answer, failed};
use crate::bench::process::Process;
use crate::bench::web::App;
use crate::exit::Failure;
use florin_adapter::accounts;
use florin_adapter::customers::Sessions;
use florin_adapter::{Bank, BankError};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Reads of a round.
const ROUND_READS: usize = 10_000;

/// What came of reading.
#[derive(Default)]
pub(super) struct Reads {
    /// How long each took.
    pub(super) latencies: Vec<Duration>,
    /// All rounds together.
    pub(super) elapsed: Duration,
    /// Processor time of load, bank and ledger; zero where the system does not tell.
    pub(super) cpu: Duration,
}

impl Reads {
    /// Reads for as long as `lasting`, to the end of a round.
    pub(super) async fn of(
        door: &Arc<Door>,
        tellers: &[Teller],
        readers: u32,
        lasting: Duration,
    ) -> Result<Reads, Failure> {
        let mut reads = Reads::default();
        let mut next = tellers.iter().cycle();
        while reads.elapsed < lasting {
            let round = next.by_ref().take(ROUND_READS).map(|teller| door.look(teller));
            reads.round(door, round.collect::<Result<_, _>>()?, readers).await?;
        }
        Ok(reads)
    }

    async fn round(
        &mut self,
        door: &Arc<Door>,
        looks: Vec<Look>,
        readers: u32,
    ) -> Result<(), Failure> {
        let left = Arc::new(Mutex::new(looks));
        let (began, cpu) = (Instant::now(), Process::current().cpu());
        let mut reading = JoinSet::new();
        for _ in 0..readers {
            let (door, left) = (Arc::clone(door), Arc::clone(&left));
            let take = move || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
            reading.spawn(async move {
                let mut latencies = Vec::new();
                while let Some(look) = take() {
                    let asked = Instant::now();
                    door.answer(look).await?;
                    latencies.push(asked.elapsed());
                }
                Ok::<_, Failure>(latencies)
            });
        }
        while let Some(read) = reading.join_next().await {
            self.latencies.extend(read.map_err(failed)??);
        }
        self.elapsed += began.elapsed();
        let used = Process::current().cpu().zip(cpu).map(|(after, before)| after - before);
        self.cpu += used.unwrap_or_default();
        Ok(())
    }
}

/// A read that was made ready.
struct Look {
    teller: Teller,
    /// How it is asked over HTTPS.
    request: Option<Request<Full<Bytes>>>,
}

impl Door {
    /// Makes a read ready.
    fn look(&self, teller: &Teller) -> Result<Look, Failure> {
        let request = match self {
            Door::Here(_) => None,
            Door::Https(bank, _, app) => Some(request(bank, app, teller)?),
        };
        Ok(Look { teller: teller.clone(), request })
    }

    /// Reads.
    async fn answer(&self, look: Look) -> Result<(), Failure> {
        let Look { teller, request: mut ready } = look;
        match self {
            Door::Here(bank) => look_here(bank, &teller).await.map_err(failed),
            Door::Https(bank, connections, app) => {
                // Asked again it has another proof: the bank may have seen the first.
                let ask = || ready.take().map_or_else(|| request(bank, app, &teller), Ok);
                match connections.ask(ask).await? {
                    (StatusCode::OK, _) => Ok(()),
                    (status, body) => Err(failed(answer(status, &body))),
                }
            }
        }
    }
}

fn request(bank: &Bank, app: &App, teller: &Teller) -> Result<Request<Full<Bytes>>, Failure> {
    let path = format!("/v1/accounts/{}", teller.sends);
    app.request(&path, &teller.app_login.token(bank), None)
}

/// What a page of one account asks for.
async fn look_here(bank: &Bank, teller: &Teller) -> Result<(), BankError> {
    let Bank { store, clock, .. } = bank;
    let found = Sessions::find(store, &**clock, &teller.token).await?;
    found.ok_or_else(|| BankError::Odd(String::from("the login is over")))?;
    let account = accounts::owned(store, teller.customer, teller.sends).await?;
    let account = account.ok_or_else(|| BankError::Odd(String::from("no such account")))?;
    accounts::balances(store.client(), &[&account.row.open]).await.map(drop)
}
