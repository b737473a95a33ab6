//! The words of a line, taken one by one.

use std::str::SplitWhitespace;

/// What is left of a line.
pub(super) struct Words<'a> {
    rest: SplitWhitespace<'a>,
    /// The names that were taken.
    names: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn of(line: &'a str) -> Words<'a> {
        Words { rest: line.split_whitespace(), names: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// The next word as the name of a value. No name comes twice: of two amounts, nobody knows
    /// which was meant.
    pub(super) fn name(&mut self) -> Result<Option<&'a str>, String> {
        let Some(name) = self.next() else { return Ok(None) };
        if self.names.contains(&name) {
            return Err(format!("{name} is said twice"));
        }
        self.names.push(name);
        Ok(Some(name))
    }

    /// Refuses a line that did not name a value.
    pub(super) fn require(&self, name: &str) -> Result<(), String> {
        if self.names.contains(&name) { Ok(()) } else { Err(format!("{name} is missing")) }
    }

    /// The next word as a number that fits the field; `what` names it in the error.
    pub(super) fn number<N: TryFrom<u128>>(&mut self, what: &str) -> Result<N, String> {
        let word = self.next().ok_or_else(|| format!("{what} is missing"))?;
        number(word, what)
    }

    /// Refuses words that nothing asked for.
    pub(super) fn finish(mut self) -> Result<(), String> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(format!("there is something too much: {word}")),
        }
    }
}

/// A word of digits; `_` between digits is for the eye.
pub(super) fn number<N: TryFrom<u128>>(word: &str, what: &str) -> Result<N, String> {
    let digits: String = word.chars().filter(|character| *character != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{what} must be a whole number, not {word}"));
    }
    let number = digits.parse::<u128>().ok().and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| format!("{what} is too large: {word}"))
}
