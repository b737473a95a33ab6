//! The examples of docs/PROTOCOL.md for commits and documents, as printed there, through both paths.
//! What would go wrong without it: a script that was written from the page is misunderstood, or reads
//! another answer from a server than from a directory.

use crate::directory::empty;
use crate::examples::CLOCK_START;
use crate::positions::Positions;
use crate::process::{Running, Server, argument};

const PAGE: &str = include_str!("../../docs/PROTOCOL.md");

/// Each line of the page with its answer.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = PAGE.split("```jsonl\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    let (pairs, rest) = lines.as_chunks::<2>();
    assert!(rest.is_empty(), "a line without an answer");
    let pair = |[question, answer]: &[&'static str; 2]| {
        (*question, answer.strip_prefix("-> ").expect("an answer begins with an arrow"))
    };
    pairs.iter().map(pair).collect()
}

/// Says the page's lines and compares what is heard, positions by name: the page's are its own.
async fn check(mut exec: Running) {
    let mut positions = Positions::default();
    for (question, expect) in examples() {
        exec.say(&positions.translated(question));
        let answer = exec.hear().await.expect("every line is answered");
        positions.bind(expect, &answer);
        assert_eq!(answer, positions.translated(expect), "to {question}");
    }
    assert_eq!(exec.finish().await, Some(1), "the last lines can't be read");
}

#[tokio::test]
async fn a_directory_and_a_server_answer_the_pages_examples_as_printed() {
    assert!(20 < examples().len(), "the page lost its examples");
    let directory = empty();
    let data = argument(directory.path());
    check(Running::start(&["exec", "--data", data, "--clock-start", CLOCK_START])).await;

    let served = empty();
    let server = Server::start(served.path(), &["--clock-start", CLOCK_START]).await;
    check(Running::start(&["exec", "--connect", &server.address])).await;
    server.stop().await;
}
