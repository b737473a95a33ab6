//! Parameters of a query, read strictly: each once, and none that the operation does not have.

use super::problem::{Code, Problem};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// The parameters of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters<T>, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Parameters)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let refused = || {
        Problem::from(Code::InvalidRequest).because(
            "A parameter of the query is not known, comes twice, or can't be what it says.",
        )
    };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|_| refused())?;
    let names: BTreeSet<&String> = pairs.iter().map(|(name, _)| name).collect();
    if names.len() != pairs.len() {
        return Err(refused());
    }
    serde_urlencoded::from_str(query).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Range {
        limit: Option<u32>,
    }

    /// Rows 10 and 52 of the threat table.
    #[test]
    fn parameters_come_once_and_are_known() {
        for (query, limit) in [("", None), ("limit=5", Some(5)), ("%6cimit=5", Some(5))] {
            assert_eq!(read::<Range>(query).unwrap(), Range { limit }, "{query}");
        }
        for query in
            ["limit=5&limit=5", "limit=5&%6cimit=6", "limit=-1", "limit=", "all=1", "limit=1.0"]
        {
            assert_eq!(read::<Range>(query).unwrap_err().code, Code::InvalidRequest, "{query}");
        }
    }
}
