//! The queue in front of the engine: bounded by count and bytes, in order of arrival. A full queue
//! is answered `busy` at once, by the thread that submits.

use super::promise::{Promise, stopped};
use crate::engine::ask::{Answer, Ask};
use crate::error::{Error, ErrorKind};
use crate::limits::{QUEUE_BYTES_MAX, QUEUE_REQUESTS_MAX, TURN_BYTES_MAX};
use crate::metrics::QueueFigures;
use crate::request::{Reply, Request};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For how long nothing is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// Until a moment of the clock's elapsed time; one that is past ends it.
    Until(Duration),
    ForGood,
}

/// One thing for the engine to do.
pub(crate) enum Task {
    /// A caller's request.
    Request(Request, Promise<Reply>),
    /// A reader's question.
    Ask(Ask, Promise<Answer>),
    /// Decide nothing, and say in a last frame that all before it is durable.
    Rest(Rest, Promise<Reply>),
    /// Finish what was accepted, then stop.
    Close(Promise<()>),
}

impl Task {
    /// Bytes of memory that it stands for.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Task::Request(request, _) => request.bytes(),
            Task::Ask(ask, _) => ask.bytes(),
            Task::Rest(..) | Task::Close(_) => 0,
        }
    }

    /// Callers are turned away when the queue is full; the engine's own threads never are.
    fn is_bounded(&self) -> bool {
        matches!(self, Task::Request(..) | Task::Ask(..))
    }

    fn refuse(self, error: Error) {
        match self {
            Task::Request(_, promise) => promise.resolve(Err(error)),
            Task::Ask(_, promise) => promise.resolve(Err(error)),
            Task::Rest(_, promise) => promise.resolve(Err(error)),
            Task::Close(promise) => promise.resolve(Err(error)),
        }
    }
}

/// The queue. One engine thread takes; any thread submits.
#[derive(Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

type Watcher = Box<dyn FnOnce(Error) + Send>;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    bytes: usize,
    /// Tasks that found it full.
    refused: u64,
    /// Why nothing is taken any more.
    closed: Option<Error>,
    /// Called once with the reason.
    watchers: Vec<Watcher>,
    /// The taker shall look at something else than tasks.
    is_nudged: bool,
    taker_waits: bool,
}

impl Inbox {
    /// Queues a task, or answers it at once when there is no room or the engine has stopped.
    pub(crate) fn submit(&self, task: Task) {
        let bytes = task.bytes();
        let mut queue = self.lock();
        if let Some(reason) = queue.closed.clone() {
            drop(queue);
            return task.refuse(reason);
        }
        let is_full = QUEUE_REQUESTS_MAX <= queue.tasks.len()
            || (QUEUE_BYTES_MAX < queue.bytes + bytes && !queue.tasks.is_empty());
        if is_full && task.is_bounded() {
            queue.refused += 1;
            drop(queue);
            return task.refuse(Error::new(
                ErrorKind::Busy,
                "the engine's queue is full; nothing happened: send it again later",
            ));
        }
        queue.bytes += bytes;
        queue.tasks.push_back(task);
        let wake = std::mem::take(&mut queue.taker_waits);
        drop(queue);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// Moves what has arrived, up to a turn's worth, into `tasks`; waits for the first at most
    /// `patience`. Nothing is moved if nothing arrived in time.
    pub(crate) fn take_turn(&self, patience: Duration, tasks: &mut Vec<Task>) {
        let mut queue = self.lock();
        if queue.tasks.is_empty() && !patience.is_zero() {
            queue.taker_waits = true;
            let waited = self.arrived.wait_timeout_while(queue, patience, |queue| {
                queue.tasks.is_empty() && queue.closed.is_none() && !queue.is_nudged
            });
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            queue.taker_waits = false;
        }
        queue.is_nudged = false;
        let mut turn_bytes = 0;
        while let Some(task) = queue.tasks.front() {
            let bytes = task.bytes();
            if !tasks.is_empty() && TURN_BYTES_MAX < turn_bytes + bytes {
                break;
            }
            turn_bytes += bytes;
            tasks.extend(queue.tasks.pop_front());
        }
        queue.bytes -= turn_bytes;
    }

    /// Ends the taker's wait without a task.
    pub(crate) fn nudge(&self) {
        self.lock().is_nudged = true;
        self.arrived.notify_one();
    }

    /// Refuses everything from now on, and what is queued, for the first reason given.
    pub(crate) fn close_because(&self, reason: Error) {
        let mut queue = self.lock();
        let reason = queue.closed.get_or_insert(reason).clone();
        let tasks = std::mem::take(&mut queue.tasks);
        let watchers = std::mem::take(&mut queue.watchers);
        queue.bytes = 0;
        drop(queue);
        tasks.into_iter().for_each(|task| task.refuse(reason.clone()));
        watchers.into_iter().for_each(|watcher| watcher(reason.clone()));
        self.arrived.notify_one();
    }

    /// Refuses everything from now on, and what is queued.
    pub(crate) fn close(&self) {
        self.close_because(stopped());
    }

    /// Calls `watcher` with the reason when everything is refused from then on; at once if it is.
    pub(crate) fn on_close(&self, watcher: impl FnOnce(Error) + Send + 'static) {
        let mut queue = self.lock();
        match queue.closed.clone() {
            None => queue.watchers.push(Box::new(watcher)),
            Some(reason) => {
                drop(queue);
                watcher(reason);
            }
        }
    }

    /// How full it is.
    pub(crate) fn figures(&self) -> QueueFigures {
        let queue = self.lock();
        let count = |items: usize| u64::try_from(items).expect("a usize fits 64 bits");
        QueueFigures {
            tasks_count: count(queue.tasks.len()),
            bytes: count(queue.bytes),
            refused: queue.refused,
        }
    }

    /// Whether everything is refused.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while holding the lock except by a bug that has already closed the queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::TransferBatch;
    use florin_ledger::Transfer;
    use std::sync::mpsc;

    fn status(answers: &mpsc::Sender<Result<Reply, Error>>) -> Task {
        let answers = answers.clone();
        let promise = Promise::new(move |answer| answers.send(answer).unwrap());
        Task::Request(Request::Status, promise)
    }

    /// Prevents: a flood of requests grows memory without bound.
    #[test]
    fn one_request_too_many_is_answered_busy_and_the_others_stay() {
        let (sender, receiver) = mpsc::channel();
        let inbox = Inbox::default();
        for _ in 0..QUEUE_REQUESTS_MAX {
            inbox.submit(status(&sender));
        }
        assert!(receiver.try_recv().is_err());
        inbox.submit(status(&sender));
        assert_eq!(receiver.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Busy);
        let count = u64::try_from(QUEUE_REQUESTS_MAX).unwrap();
        assert_eq!(inbox.figures(), QueueFigures { tasks_count: count, bytes: 0, refused: 1 });
        let mut tasks = Vec::new();
        inbox.take_turn(Duration::ZERO, &mut tasks);
        assert_eq!(tasks.len(), QUEUE_REQUESTS_MAX);
    }

    /// Prevents: one turn swallows so much that its replies come late and its frames grow large.
    #[test]
    fn a_turn_is_bounded_by_bytes_and_keeps_order() {
        let (sender, receiver) = mpsc::channel();
        let inbox = Inbox::default();
        let batch = TransferBatch::new(&vec![Transfer::default(); 8_190]).unwrap();
        let batches_count = 1 + TURN_BYTES_MAX / (8_190 * 128);
        for number in 0..batches_count {
            let sender = sender.clone();
            let promise = Promise::new(move |_| sender.send(number).unwrap());
            inbox.submit(Task::Request(Request::CreateTransfers(batch.clone()), promise));
        }
        let mut tasks = Vec::new();
        inbox.take_turn(Duration::ZERO, &mut tasks);
        assert_eq!(tasks.len(), batches_count - 1);
        drop(tasks);
        let order: Vec<usize> = receiver.try_iter().collect();
        assert_eq!(order, (0..batches_count - 1).collect::<Vec<_>>());
    }

    /// Prevents: a server goes on for days over an engine that has stopped, or hears of it twice.
    #[test]
    fn whoever_watches_hears_once_why_it_stopped() {
        let (sender, receiver) = mpsc::channel();
        let inbox = Inbox::default();
        let (early, late) = (sender.clone(), sender);
        inbox.on_close(move |reason| early.send(reason).unwrap());
        assert!(receiver.try_recv().is_err());
        inbox.close_because(Error::new(ErrorKind::Io, "the first reason"));
        inbox.close();
        inbox.on_close(move |reason| late.send(reason).unwrap());
        let heard: Vec<ErrorKind> = receiver.iter().map(|reason| reason.kind()).collect();
        assert_eq!(heard, [ErrorKind::Io, ErrorKind::Io]);
    }

    /// Prevents: a caller waits for ever on an engine that has stopped.
    #[test]
    fn a_closed_inbox_answers_stopped_to_what_is_queued_and_what_comes() {
        let (sender, receiver) = mpsc::channel();
        let inbox = Inbox::default();
        inbox.submit(status(&sender));
        inbox.close();
        inbox.submit(status(&sender));
        for _ in 0..2 {
            assert_eq!(receiver.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Stopped);
        }
    }
}
