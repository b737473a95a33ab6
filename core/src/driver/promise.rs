//! A reply that will be given exactly once. Dropped unanswered (its thread died, the engine
//! stopped), it answers `stopped`, so no caller waits for ever.

use crate::error::{Error, ErrorKind};

type Callback<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// The duty to answer one request.
pub(crate) struct Promise<T>(Option<Callback<T>>);

impl<T> Promise<T> {
    pub(crate) fn new(callback: impl FnOnce(Result<T, Error>) + Send + 'static) -> Promise<T> {
        Promise(Some(Box::new(callback)))
    }

    /// Answers.
    pub(crate) fn resolve(mut self, answer: Result<T, Error>) {
        let callback = self.0.take().expect("a promise is resolved once, by value");
        callback(answer);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(stopped()));
        }
    }
}

/// The answer of an engine that is no more.
pub(crate) fn stopped() -> Error {
    Error::new(
        ErrorKind::Stopped,
        "the engine has stopped before answering; what was asked may or may not have taken effect: \
         open the database again and send it with the same ids",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Prevents: a caller hangs because the thread that owed it an answer died.
    #[test]
    fn a_dropped_promise_answers_stopped() {
        let (sender, receiver) = mpsc::channel();
        drop(Promise::<u8>::new(move |answer| sender.send(answer).unwrap()));
        assert_eq!(receiver.recv().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    }

    /// Prevents: a reply is followed by a second, contradicting one.
    #[test]
    fn a_resolved_promise_answers_once() {
        let (sender, receiver) = mpsc::channel();
        Promise::new(move |answer| sender.send(answer).unwrap()).resolve(Ok(7));
        assert_eq!(receiver.recv(), Ok(Ok(7)));
        assert!(receiver.recv().is_err());
    }
}
