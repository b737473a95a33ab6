//! Rust text as the checks see it: comments and the insides of literals blanked out, so that a name
//! in a message or a comment is never mistaken for a use of it. Every byte keeps its place: line
//! numbers found in blanked text are those of the file.

use std::iter::Peekable;
use std::str::CharIndices;

/// A word, or one mark (`::` counts as one), with the line it stands on, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<'text> {
    pub(super) line: usize,
    pub(super) text: &'text str,
}

impl Token<'_> {
    /// Whether it is a name or a keyword.
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Replaces comments, and strings and character literals, by spaces.
pub(super) fn blank(text: &str) -> String {
    blank_where(text, |_| true)
}

/// Replaces comments alone by spaces.
pub(super) fn blank_comments(text: &str) -> String {
    blank_where(text, |skipped| skipped.starts_with("//") || skipped.starts_with("/*"))
}

/// Replaces those comments and literals by spaces of which `is_blanked` says so.
fn blank_where(text: &str, is_blanked: fn(&str) -> bool) -> String {
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let Some(bytes) = literal_or_comment_bytes(rest, previous) else {
            output.push(first);
            previous = first;
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let (skipped, after) = rest.split_at(bytes);
        if is_blanked(skipped) {
            output.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            output.push_str(skipped);
        }
        rest = after;
        previous = ' ';
    }
    output
}

/// The length of the comment or literal that `text` starts with, if it starts with one.
fn literal_or_comment_bytes(text: &str, previous: char) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment_bytes(text));
    }
    if previous.is_alphanumeric() || previous == '_' {
        // Inside a word: `br` of `number"` would be a prefix otherwise.
        return text.starts_with('"').then(|| string_bytes(text, 0));
    }
    let unprefixed = text.trim_start_matches(['b', 'c']);
    let prefix_bytes = text.len() - unprefixed.len();
    if 1 < prefix_bytes {
        return None;
    }
    if unprefixed.starts_with('"') {
        return Some(string_bytes(text, prefix_bytes));
    }
    let bytes = raw_string_bytes(unprefixed).or_else(|| character_bytes(unprefixed))?;
    Some(prefix_bytes + bytes)
}

/// The length of the block comment, nested ones included, that `text` starts with.
fn block_comment_bytes(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string whose opening quote stands at `open`.
fn string_bytes(text: &str, open: usize) -> usize {
    let mut characters = text[open + 1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => return open + 1 + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string that `text` starts with.
fn raw_string_bytes(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let body = after.trim_start_matches('#');
    let hashes = &after[..after.len() - body.len()];
    let body = body.strip_prefix('"')?;
    let close = format!("\"{hashes}");
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(text.len() - body.len() + end)
}

/// The length of the character literal that `text` starts with; a lifetime is none.
fn character_bytes(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let mut characters = body.char_indices();
    match characters.next()?.1 {
        '\\' => {
            characters.next()?;
            let close = characters.find(|(_, character)| *character == '\'')?.0;
            Some(1 + close + 1)
        }
        '\'' => None,
        _ => match characters.next()? {
            (close, '\'') => Some(1 + close + 1),
            _ => None,
        },
    }
}

/// The words and marks of blanked text, in order.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut characters = code.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if first == '\n' {
            line += 1;
        } else if first.is_alphanumeric() || first == '_' {
            let end = word_end(&mut characters, code.len());
            found.push(Token { line, text: &code[start..end] });
        } else if code[start..].starts_with("::") {
            characters.next();
            found.push(Token { line, text: "::" });
        } else if !first.is_whitespace() {
            found.push(Token { line, text: &code[start..start + first.len_utf8()] });
        }
    }
    found
}

fn word_end(characters: &mut Peekable<CharIndices<'_>>, text_bytes: usize) -> usize {
    while characters.next_if(|(_, next)| next.is_alphanumeric() || *next == '_').is_some() {}
    characters.peek().map_or(text_bytes, |(at, _)| *at)
}

/// Every path that is written out in blanked text (`a::b`, and each branch of `a::{b, c::d}`), with
/// its line. A word alone counts as a path of one.
pub(super) fn paths(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].is_word() {
            at = branch(&tokens, at, "", &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path from `at` on, pushes its ends, and returns where it stops.
fn branch(
    tokens: &[Token<'_>],
    mut at: usize,
    prefix: &str,
    found: &mut Vec<(usize, String)>,
) -> usize {
    let line = tokens[at].line;
    let mut path = prefix.to_owned();
    loop {
        if !path.is_empty() {
            path.push_str("::");
        }
        path.push_str(tokens[at].text);
        at += 1;
        let Some(next) = tokens.get(at + 1).filter(|_| tokens[at].text == "::") else { break };
        if next.text == "{" {
            return group(tokens, at + 2, &path, found);
        }
        if !next.is_word() && next.text != "*" {
            break;
        }
        at += 1;
    }
    found.push((line, path));
    at
}

/// Reads the branches of a group whose brace has been read, and returns where it stops.
fn group(
    tokens: &[Token<'_>],
    mut at: usize,
    prefix: &str,
    found: &mut Vec<(usize, String)>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            _ if token.is_word() || token.text == "*" => at = branch(tokens, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

/// The line after the item that starts at line index `start` (from 0) of blanked text: the end of
/// its outermost braces, or of its semicolon if that comes first.
pub(super) fn item_end(lines: &[&str], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, line) in lines.iter().enumerate().skip(start) {
        for character in line.chars() {
            match character {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && character == '}' {
                        return index + 1;
                    }
                }
                ';' if depth == 0 => return index + 1,
                _ => {}
            }
        }
    }
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::{blank, paths, tokens};

    fn check(text: &str, expected: &str) {
        let blanked = blank(text);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        assert_eq!(blanked.lines().count(), text.lines().count(), "{text}");
    }

    #[test]
    fn names_in_comments_and_literals_are_no_code() {
        check("a // tokio\nb", "a b");
        check("a /* x /* tokio */ y */ b", "a b");
        check("a(\"to\\\"kio\") b", "a( ) b");
        check("a(r#\"to\"kio\"#) b", "a( ) b");
        check("a(b\"x\", br\"y\", 'z', '\\'', b'\"')", "a( , , , , )");
        check("fn f<'a>(x: &'a str) -> &'a str { 'b: loop {} }", {
            "fn f<'a>(x: &'a str) -> &'a str { 'b: loop {} }"
        });
        check("let number = \"tokio\"; x", "let number = ; x");
    }

    #[test]
    fn grouped_imports_are_read_branch_by_branch() {
        let found = paths("use std::{fs, io::{self, Read}};\nlet x = a::b::<C>::d();");
        let found: Vec<_> = found.iter().map(|(line, path)| (*line, path.as_str())).collect();
        assert!(found.contains(&(1, "std::fs")), "{found:?}");
        assert!(found.contains(&(1, "std::io::self")), "{found:?}");
        assert!(found.contains(&(1, "std::io::Read")), "{found:?}");
        assert!(found.contains(&(2, "a::b")), "{found:?}");
    }

    #[test]
    fn tokens_know_their_lines() {
        let found = tokens("a\n  b::c");
        let found: Vec<_> = found.iter().map(|token| (token.line, token.text)).collect();
        assert_eq!(found, [(1, "a"), (2, "b"), (2, "::"), (2, "c")]);
    }
}
