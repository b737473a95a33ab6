//! Asking again: how often, after which pauses, and how long an answer may take.

use super::trouble::Trouble;
use futures_util::{Stream, StreamExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often a question is asked.
const ATTEMPTS_MAX: u32 = 8;
/// The pause after the first attempt; twice as long after each further one, in all some 13 seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a question is asked again, however long each attempt takes.
const AGAIN_MAX: Duration = Duration::from_secs(600);
/// How long a server may say nothing.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How often a server is asked.
#[derive(Default)]
pub(super) struct Patience {
    /// Whether it has ever said anything.
    has_answered: AtomicBool,
}

impl Patience {
    /// Asks until there is an answer, or trouble that does not pass, or patience is at its end. Says how often
    /// it was asked.
    pub(super) async fn ask<T>(
        &self,
        mut question: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> (Result<T, Trouble>, u32) {
        let began = Instant::now();
        for attempt in 1..ATTEMPTS_MAX {
            let answer = question().await;
            let Err(trouble) = &answer else {
                self.has_answered.store(true, Ordering::Relaxed);
                return (answer, attempt);
            };
            let is_reached = !matches!(trouble, Trouble::Unreachable(_));
            self.has_answered.fetch_or(is_reached, Ordering::Relaxed);
            let is_over = AGAIN_MAX <= began.elapsed();
            if is_over || !trouble.passes() || !self.has_answered.load(Ordering::Relaxed) {
                return (answer, attempt);
            }
            sleep(pause(attempt)).await;
        }
        (question().await, ATTEMPTS_MAX)
    }
}

/// Between half of a pause and all of it, so that those who were refused together don't come back together.
fn pause(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE * 2_u32.pow(attempt - 1);
    let mut chance = [0; 4];
    // Without chance it is the longest.
    let share = getrandom::fill(&mut chance).map_or(u32::MAX, |()| u32::from_le_bytes(chance));
    let thousandths = 500 + share % 501;
    longest * thousandths / 1_000
}

/// An answer, if it comes within a time.
pub(super) async fn within<T>(
    time_max: Duration,
    answer: impl Future<Output = object_store::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(time_max, answer).await {
        Ok(answer) => answer.map_err(|error| Trouble::of(&error)),
        Err(_) => Err(Trouble::Late),
    }
}

/// The next part of an answer.
pub(super) async fn next_of<T>(
    parts: &mut (impl Stream<Item = object_store::Result<T>> + Unpin),
) -> Result<Option<T>, Trouble> {
    match timeout(SILENCE_MAX, parts.next()).await {
        Ok(part) => part.transpose().map_err(|error| Trouble::of(&error)),
        Err(_) => Err(Trouble::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Trouble {
        Trouble::refused(hyper::StatusCode::from_u16(status).unwrap(), b"")
    }

    async fn attempts(patience: &Patience, troubles: Vec<Trouble>) -> (bool, u32) {
        let mut troubles = troubles.into_iter();
        let (answer, attempts) = patience.ask(async || troubles.next().map_or(Ok(()), Err)).await;
        (answer.is_ok(), attempts)
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again_so_often() {
        let patience = Patience::default();
        let often = |count| vec![refused(503); count];
        assert_eq!(attempts(&patience, often(0)).await, (true, 1));
        assert_eq!(attempts(&patience, often(7)).await, (true, 8));
        assert_eq!(attempts(&patience, often(8)).await, (false, 8));
        assert_eq!(attempts(&patience, vec![refused(403)]).await, (false, 1));
        let mixed = vec![Trouble::Late, Trouble::Cut(String::new()), refused(409)];
        assert_eq!(attempts(&patience, mixed).await, (true, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_not_waited_for_all_day() {
        let patience = Patience::default();
        let silent = async || within::<()>(AGAIN_MAX / 3, std::future::pending()).await;
        let (answer, attempts) = patience.ask(silent).await;
        assert_eq!((answer, attempts), (Err(Trouble::Late), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_never_reached_is_not_waited_for() {
        let patience = Patience::default();
        let gone = || vec![Trouble::Unreachable(String::new())];
        assert_eq!(attempts(&patience, gone()).await, (false, 1));
        assert_eq!(attempts(&patience, vec![refused(403)]).await, (false, 1));
        assert_eq!(attempts(&patience, gone()).await, (true, 2));
    }

    #[test]
    fn pauses_grow_and_differ() {
        for attempt in 1..ATTEMPTS_MAX {
            let longest = FIRST_PAUSE * 2_u32.pow(attempt - 1);
            let pauses: Vec<Duration> = (0..100).map(|_| pause(attempt)).collect();
            assert!(pauses.iter().all(|it| longest / 2 <= *it && *it <= longest));
            assert!(pauses.iter().any(|it| *it != pauses[0]));
        }
    }
}
