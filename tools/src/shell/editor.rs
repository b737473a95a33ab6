//! The terminal's side of the shell: editing, completion, and a history kept between sessions.

use super::grammar::COMMANDS;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Context, Editor, Helper, Highlighter, Hinter, Validator};
use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

/// Lines kept between sessions.
const HISTORY_LINES_MAX: usize = 1_000;

/// Reads lines from the terminal, or from a pipe.
pub(crate) struct LineEditor {
    editor: Editor<Completion, FileHistory>,
    /// `None` when lines come from a pipe, or there is no home to keep them in.
    history: Option<PathBuf>,
    prompt: &'static str,
}

/// What the terminal gave.
pub(crate) enum Line {
    Typed(String),
    /// Ctrl-C: forget the line.
    Forgotten,
    /// Ctrl-D, or the end of a pipe.
    End,
}

impl LineEditor {
    pub(crate) fn new() -> io::Result<LineEditor> {
        let config = rustyline::Config::builder()
            .max_history_size(HISTORY_LINES_MAX)
            .map_err(io::Error::other)?
            .completion_type(rustyline::CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
        editor.set_helper(Some(Completion));
        let interactive = io::stdin().is_terminal();
        let history = env::home_dir()
            .filter(|home| interactive && home.is_dir())
            .map(|home| home.join(".florin_history"));
        if let Some(path) = &history {
            // None the first time; a history that can't be read is no reason not to work.
            let _ = editor.load_history(path);
        }
        Ok(LineEditor { editor, history, prompt: if interactive { "florin> " } else { "" } })
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> io::Result<Line> {
        match self.editor.readline(self.prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    self.editor.add_history_entry(&line).map_err(io::Error::other)?;
                }
                Ok(Line::Typed(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Line::Forgotten),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Keeps the history for the next session.
    pub(crate) fn save(&mut self) {
        if let Some(path) = &self.history {
            // A history that can't be kept is no reason to fail what was done.
            let _ = self.editor.save_history(path);
        }
    }
}

/// Completes commands, and behind a command the words it knows.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Completion;

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(line.get(..position).unwrap_or(line)))
    }
}

/// Where the word at the end of `typed` starts, and the words that it may become.
fn candidates(typed: &str) -> (usize, Vec<String>) {
    let start = typed.rfind(char::is_whitespace).map_or(0, |space| space + 1);
    let (before, begun) = typed.split_at(start);
    let words: Vec<&str> = match before.split_whitespace().next() {
        None => COMMANDS.iter().map(|command| command.name).collect(),
        Some(name) => {
            let command = COMMANDS.iter().find(|command| command.name == name);
            command.map_or(Vec::new(), |command| command.words.to_vec())
        }
    };
    let fitting = words.into_iter().filter(|word| word.starts_with(begun));
    (start, fitting.map(|word| format!("{word} ")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_completed_by_what_may_stand_there() {
        let cases: &[(&str, usize, &[&str])] = &[
            ("tri", 0, &["trial "]),
            ("  tri", 2, &["trial "]),
            ("account 1 led", 10, &["ledger "]),
            ("account 1 ledger 840 fl", 21, &["flags "]),
            ("post 1 am", 7, &["amount "]),
            ("nonsense 1 am", 11, &[]),
        ];
        for (typed, start, expect) in cases {
            let expect: Vec<String> = expect.iter().map(|word| String::from(*word)).collect();
            assert_eq!(candidates(typed), (*start, expect), "{typed:?}");
        }
        assert_eq!(candidates("").1.len(), COMMANDS.len());
    }
}
