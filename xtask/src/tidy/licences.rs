//! Every dependency is under a licence that lets Florin be given away under its own. The list of
//! those is deny.toml's, so that cargo-deny and this check can't disagree.

use super::Violation;
use super::repository::Repository;

const LIST: &str = "deny.toml";

pub(super) fn check(repository: &Repository) -> Vec<Violation> {
    let allowed = allowed(repository);
    let mut violations = Vec::new();
    for package in &repository.dependencies {
        let licence = package.licence.as_deref().unwrap_or("none");
        let words = words(licence);
        let mut expression = Expression { words: &words, at: 0, allowed: &allowed };
        let is_allowed = expression.any() && expression.at == words.len();
        if !is_allowed {
            let message = format!(
                "{} {} is under `{licence}`: choose another package, or add the licence to {LIST} \
                 with a decision page",
                package.name, package.version
            );
            violations.push(Violation::new("Cargo.lock", 1, message));
        }
    }
    violations
}

/// The quoted names of `allow = [..]` under `[licenses]`.
fn allowed(repository: &Repository) -> Vec<String> {
    let text = repository.file(LIST).map_or("", |file| file.text.as_str());
    let list = text.split_once("[licenses]").map_or("", |(_, after)| after);
    let list = list.split_once("allow = [").map_or("", |(_, after)| after);
    let list = list.split_once(']').map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A licence expression's words. `/` is how older packages write `OR`.
fn words(licence: &str) -> Vec<String> {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    while let Some(at) = words.iter().position(|word| word == "WITH").filter(|at| 0 < *at) {
        let end = words.len().min(at + 2);
        let joined = words[at - 1..end].join(" ");
        words.splice(at - 1..end, [joined]);
    }
    words
}

/// Reads `A OR (B AND C)`; AND binds more tightly.
struct Expression<'a> {
    words: &'a [String],
    at: usize,
    allowed: &'a [String],
}

impl Expression<'_> {
    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.skip("OR") {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.skip("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.skip("(") {
            let holds = self.any();
            return self.skip(")") && holds;
        }
        let Some(name) = self.words.get(self.at) else { return false };
        self.at += 1;
        self.allowed.contains(name)
    }

    fn skip(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(is_next);
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::super::expect_clean;
    use super::super::repository::{Package, Repository};
    use super::check;

    #[test]
    fn every_dependency_may_be_given_away() {
        expect_clean(check);
    }

    fn is_allowed(licence: Option<&str>) -> bool {
        let list = "[licenses]\nallow = [\n  \"MIT\",\n  \"A WITH B\",\n]\n";
        let mut repository = Repository::of(&[("deny.toml", list)]);
        let licence = licence.map(str::to_owned);
        repository.dependencies = vec![Package { licence, ..Package::default() }];
        check(&repository).is_empty()
    }

    #[test]
    fn licence_expressions_are_read_as_written() {
        for good in ["MIT", "MIT OR GPL", "GPL/MIT", "(GPL OR MIT) AND MIT", "A WITH B OR GPL"] {
            assert!(is_allowed(Some(good)), "{good}");
        }
        for bad in ["GPL", "MIT AND GPL", "A", "A WITH C", "MIT AND (GPL OR X)", "", "WITH"] {
            assert!(!is_allowed(Some(bad)), "{bad}");
        }
        assert!(!is_allowed(None), "no licence");
    }
}
