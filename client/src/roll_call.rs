//! A roll call: every server that is named is asked at once what it is, and a primary is taken.
//!
//! - The round ends with the connect timeout, or a moment after a primary has answered: a machine that is
//!   off does not say so, and nobody should wait for it each time.
//! - Whoever has another database is not taken. While none is known yet, all who answer must have the same:
//!   which of them is meant nobody can tell.

use crate::addresses::Addresses;
use crate::choice::{self, Candidate};
use crate::connection::Connection;
use crate::dial;
use crate::failure::Failure;
use crate::limits::{ADDRESSES_MAX, RIVAL_PATIENCE};
use crate::link::check_database;
use crate::options::ClientOptions;
use bytes::Bytes;
use florin_wire::Operation;
use florin_wire::replication::ReplicationStatus;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

/// A server that said what it is.
struct Present {
    connection: Connection,
    status: ReplicationStatus,
}

/// A connection to whoever decides, and the index of its address. `known` is the database that was found
/// before, `declined` the server that has just said that it decides nothing.
pub(crate) async fn find_primary(
    addresses: &Addresses,
    options: &ClientOptions,
    known: Option<u128>,
    declined: Option<usize>,
) -> Result<(usize, Connection), Failure> {
    let named = addresses.all();
    if ADDRESSES_MAX < named.len() {
        let count = named.len();
        let message = format!("{count} servers are named: name {ADDRESSES_MAX} at most");
        return Err(Failure::Hopeless(message));
    }
    let answers = call(named, options, known).await;
    check_alike(named, &answers)?;
    let (mut candidates, mut failures) = (Vec::new(), Vec::new());
    for ((index, address), answer) in named.iter().enumerate().zip(answers) {
        let failure = match answer {
            Ok(Present { status, .. }) if status.is_deposed => {
                Failure::NotSent(format!("{address} is a primary no more"))
            }
            Ok(Present { connection, status }) => match &status.standby {
                None => {
                    candidates.push(Candidate { index, connection, status });
                    continue;
                }
                Some(standby) => {
                    let primary = &standby.primary;
                    Failure::NotSent(format!("{address} is a standby and follows {primary}"))
                }
            },
            Err(failure) => failure,
        };
        failures.push((address.as_str(), failure));
    }
    match choice::choose(candidates, declined) {
        Some(Candidate { index, connection, .. }) => Ok((index, connection)),
        None => Err(choice::none_taken(&addresses.to_string(), failures)),
    }
}

/// What each of them answers.
async fn call(
    named: &[String],
    options: &ClientOptions,
    known: Option<u128>,
) -> Vec<Result<Present, Failure>> {
    let connect_timeout = options.connect_timeout;
    let mut patience = Instant::now() + connect_timeout;
    let mut asking: FuturesUnordered<_> = named
        .iter()
        .enumerate()
        .map(|(index, address)| async move { (index, ask(address, options, patience).await) })
        .collect();
    let unanswered = |address: &String| Err(dial::unanswered(address, connect_timeout));
    let mut answers: Vec<_> = named.iter().map(unanswered).collect();
    while let Ok(Some((index, answer))) = timeout_at(patience, asking.next()).await {
        let answer: Result<Present, Failure> = answer;
        let answer = answer.and_then(|present| match known {
            Some(known) => {
                check_database(known, &present.connection, &named[index]).map(|()| present)
            }
            None => Ok(present),
        });
        if answer.as_ref().is_ok_and(|present| present.status.standby.is_none()) {
            patience = patience.min(Instant::now() + RIVAL_PATIENCE);
        }
        answers[index] = answer;
    }
    answers
}

/// Connects to a server and asks what it is; every key may ask that.
async fn ask(address: &str, options: &ClientOptions, until: Instant) -> Result<Present, Failure> {
    let connection = dial::open(address, options).await?;
    let asked = connection.request(Operation::ReplicationStatus, Bytes::new(), until).await;
    // The call itself was not sent, whatever became of this.
    let reply = asked.map_err(|failure| match failure {
        Failure::Lost(message) => Failure::NotSent(message),
        failure => failure,
    })?;
    let status = ReplicationStatus::decode(&reply).map_err(|error| {
        Failure::Hopeless(format!("{address} says something malformed of its replication {error}"))
    })?;
    Ok(Present { connection, status })
}

/// That all who answered have the same database.
fn check_alike(named: &[String], answers: &[Result<Present, Failure>]) -> Result<(), Failure> {
    let mut found = named.iter().zip(answers).filter_map(|(address, answer)| {
        let present = answer.as_ref().ok()?;
        Some((address, present.connection.incarnation()))
    });
    let Some((first, database)) = found.next() else { return Ok(()) };
    match found.find(|(_, other)| *other != database) {
        None => Ok(()),
        Some((address, other)) => Err(Failure::Hopeless(format!(
            "{first} and {address} serve different databases ({database:032x} and {other:032x}): name servers \
             of one ledger"
        ))),
    }
}
