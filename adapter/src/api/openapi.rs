//! What describes the API: an OpenAPI 3.1 document, made from the operations and types themselves.

use super::operations;
use super::problem::ProblemBody;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, Server};
use utoipa::{PartialSchema, ToSchema};

const DESCRIPTION: &str = "Money is an integer in the smallest unit of its currency (`*_cents`). \
    Times are RFC 3339 in UTC. Whoever asks proves with every request that they have the key that their token is bound \
    to (DPoP, RFC 9449). Whatever goes wrong is a problem (RFC 9457) with a stable `code`. \
    Members that are not described are refused in requests; new ones may come in answers.";

/// The document, of a bank that is found at an origin.
pub(super) fn describe(origin: &str) -> OpenApi {
    let (_, mut document) = operations().split_for_parts();
    document.info =
        InfoBuilder::new().title("Florin").version("1").description(Some(DESCRIPTION)).build();
    document.servers = Some(vec![Server::new(origin)]);
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths =
        paths.into_iter().map(|(path, item)| (format!("/v1{path}"), item)).collect();
    let dpop = ApiKeyValue::with_description(
        "Authorization",
        "`DPoP` and an access token, with a proof for this request in the header `DPoP`.",
    );
    let components = document.components.take();
    let mut components = components.unwrap_or_else(|| ComponentsBuilder::new().build());
    components.add_security_scheme("dpop", SecurityScheme::ApiKey(ApiKey::Header(dpop)));
    let mut of_problems = vec![(ProblemBody::name().into(), ProblemBody::schema())];
    ProblemBody::schemas(&mut of_problems);
    components.schemas.extend(of_problems);
    document.components = Some(components);
    document
}

/// The same as text.
pub(super) fn text(origin: &str) -> String {
    let document = describe(origin);
    let text = serde_json::to_string_pretty(&document).expect("the document is plain");
    format!("{text}\n")
}
