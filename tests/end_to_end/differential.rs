//! One conversation, held with a directory and with a server. What would go wrong without it: what
//! was tried out on an embedded engine behaves otherwise in production, or a script that migrates
//! a bank reads another answer than the one it was tested with.

use crate::chance::Chance;
use crate::directory::empty;
use crate::examples::CLOCK_START;
use crate::positions::{Positions, is_position};
use crate::process::{Running, Server, argument, verified};
use crate::script::{AFTER, CURSOR, Conversation, VERSION};
use std::collections::BTreeSet;

const LINES: usize = 1_500;
/// A page after a page, as long as there is one, up to so many.
const PAGES_MAX: usize = 4;

/// One of the two who answer.
struct Side {
    exec: Running,
    cursor: String,
    /// The members that go on behind the last page of documents.
    after: String,
    /// The last version that was heard of.
    version: String,
}

impl Side {
    fn new(exec: Running) -> Side {
        let mut side = Side {
            exec,
            cursor: String::new(),
            after: String::new(),
            version: String::from("0:0"),
        };
        side.begin();
        side
    }

    /// Forgets the page before.
    fn begin(&mut self) {
        self.cursor = String::from("null");
        self.after.clear();
    }

    async fn ask(&mut self, question: &str) -> String {
        let question = question.replace(CURSOR, &self.cursor).replace(AFTER, &self.after);
        self.exec.say(&question.replace(VERSION, &self.version));
        let answer = self.exec.hear().await.expect("every line is answered");
        let parsed: serde_json::Value = serde_json::from_str(&answer).expect("answers are JSON");
        self.cursor = parsed.get("next_cursor").map_or(String::from("null"), ToString::to_string);
        let next = [("next", "after"), ("next_hex", "after_hex")]
            .into_iter()
            .find_map(|(next, after)| Some(format!(r#","{after}":{}"#, parsed.get(next)?)));
        self.after = next.unwrap_or_default();
        if let Some(version) = answer.split('"').rfind(|part| is_position(part)) {
            self.version = String::from(version);
        }
        answer
    }

    fn is_at_end(&self) -> bool {
        self.cursor == "null" && self.after.is_empty()
    }
}

/// Asks both the same lines, pages to their end; what their answers say, if they are the same to
/// the byte.
async fn compare(
    embedded: &mut Side,
    served: &mut Side,
    conversation: &mut Conversation,
    statuses: &mut BTreeSet<String>,
) {
    let mut positions = Positions::default();
    for _ in 0..LINES {
        let question = conversation.next();
        for _ in 0..PAGES_MAX {
            let answer = embedded.ask(&question).await;
            let served_answer = served.ask(&question).await;
            positions.bind(&answer, &served_answer);
            assert_eq!(served_answer, positions.translated(&answer), "to {question}");
            statuses.extend(statuses_of(&answer));
            if embedded.is_at_end() {
                break;
            }
        }
        for side in [&mut *embedded, &mut *served] {
            side.begin();
        }
    }
}

fn statuses_of(answer: &str) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).expect("answers are JSON");
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    let results = results.iter().filter_map(|result| result["status"].as_str());
    // Outcomes of commits, and of what stands alone.
    let alone = ["outcome", "what", "status"].into_iter().filter_map(|name| answer[name].as_str());
    results.chain(alone).map(String::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_and_a_server_answer_the_same_bytes() {
    let (directory, served_directory) = (empty(), empty());
    let mut conversation = Conversation::new(Chance::seeded(3));
    let mut statuses = BTreeSet::new();
    // The second time, both have a past to recover.
    for _ in 0..2 {
        let data = argument(directory.path());
        let embedded = Running::start(&["exec", "--data", data, "--clock-start", CLOCK_START]);
        let clock = ["--clock-start", CLOCK_START];
        let server = Server::start(served_directory.path(), &clock).await;
        let served = Running::start(&["exec", "--connect", &server.address]);
        let (mut embedded, mut served) = (Side::new(embedded), Side::new(served));
        compare(&mut embedded, &mut served, &mut conversation, &mut statuses).await;
        assert_eq!(embedded.exec.finish().await, Some(1), "some lines could not be read");
        assert_eq!(served.exec.finish().await, Some(1), "some lines could not be read");
        server.stop().await;
    }
    // A conversation of refusals of one kind would compare nothing.
    assert!(30 < statuses.len(), "only {statuses:?}");
    for status in [
        "done",
        "refused",
        "unmet",
        "exists_with_different_digest",
        "document",
        "balance",
        "hold",
        "write",
        "append_only",
        "written",
        "stale",
        "fresh",
        "seen",
    ] {
        assert!(statuses.contains(status), "never {status}: {statuses:?}");
    }
    let (report, served_report) =
        (verified(directory.path()).await, verified(served_directory.path()).await);
    for same in ["epoch", "accounts", "transfers", "live_holds", "ledgers"] {
        assert_eq!(served_report[same], report[same], "{same}");
    }
}
