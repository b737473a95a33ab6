//! `florin shell`: a ledger, interactively.

use crate::commands::status;
use crate::exit::{Exit, Failure};
use crate::json;
use crate::operation::Operation;
use crate::shell::editor::{Line, LineEditor};
use crate::shell::grammar::{self, Request};
use crate::shell::render;
use crate::target::{Destination, Ledger, runtime};
use clap::Args;
use florin_ledger::query::Cursor;
use std::io::{self, IsTerminal, Write};
use tokio::runtime::Runtime;

/// Work with a ledger interactively: type `help` inside
#[derive(Args, Debug)]
pub(crate) struct Shell {
    #[command(flatten)]
    destination: Destination,
}

impl Shell {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let runtime = runtime()?;
        let mut editor = LineEditor::new()?;
        let ledger = self.destination.open(&runtime, None)?.patient();
        let mut session = Session { runtime: &runtime, ledger: &ledger, page: None };
        let ended = session.hold(&mut editor);
        editor.save();
        let closed = ledger.close();
        let exit = ended?;
        closed?;
        Ok(exit)
    }
}

struct Session<'a> {
    runtime: &'a Runtime,
    ledger: &'a Ledger,
    /// The question that was answered with a page, and where its next page starts.
    page: Option<(Operation, Cursor)>,
}

impl Session<'_> {
    fn hold(&mut self, editor: &mut LineEditor) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        let mut output = io::stdout().lock();
        let is_interactive = io::stdin().is_terminal();
        if is_interactive {
            writeln!(output, "florin {}: type help", super::version::VERSION)?;
        }
        loop {
            let request = match editor.next()? {
                Line::Typed(line) => grammar::parse(&line),
                Line::Forgotten => continue,
                Line::End => return Ok(exit),
            };
            let answer = match request {
                Ok(Request::Quit) => return Ok(exit),
                Ok(request) => self.answer(request),
                Err(mistake) => Err(mistake),
            };
            match answer {
                Ok(text) => write!(output, "{text}")?,
                Err(mistake) => {
                    writeln!(output, "error: {mistake}")?;
                    // Whoever types has read it; a script looks at the exit status.
                    if !is_interactive {
                        exit = Exit::Findings;
                    }
                }
            }
            output.flush()?;
        }
    }

    fn answer(&mut self, request: Request) -> Result<String, String> {
        let client = &self.ledger.client;
        match request {
            Request::Nothing | Request::Quit => Ok(String::new()),
            Request::Help => Ok(render::help()),
            Request::Status => {
                let status = self.runtime.block_on(client.status());
                status.map(|status| status::text(&status)).map_err(|error| error.to_string())
            }
            Request::More => {
                let (operation, cursor) = self.page.clone().ok_or("there is no next page")?;
                let next = grammar::next_page(&operation, cursor).ok_or("there is no next page")?;
                self.ask(next)
            }
            Request::Ask(operation) => self.ask(operation),
            Request::AskJson(operation) => {
                let answer = self.runtime.block_on(operation.perform(client));
                let answer = answer.map_err(|error| error.to_string())?;
                // Its cursor is in the answer; `more` must not go on with an older question.
                self.page = None;
                Ok(json::write::answer(&answer) + "\n")
            }
        }
    }

    fn ask(&mut self, operation: Operation) -> Result<String, String> {
        let answer = self.runtime.block_on(operation.perform(&self.ledger.client));
        let answer = answer.map_err(|error| error.to_string())?;
        self.page = render::next_cursor(&answer).map(|cursor| (operation, cursor));
        Ok(render::answer(&answer))
    }
}
