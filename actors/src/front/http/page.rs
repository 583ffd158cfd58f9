//! A small page: what runs, how far it is, and what it tells.
use super::{
    query::{NoQuery, Query},
    reply::Answer,
};
use actix_web::{HttpResponse, http::header};

/// The page. It has no secrets and asks for the rest as any client does, so that it is given to
/// anybody.
pub const PAGE: &str = include_str!("page.html");

/// What the page may do: run its own script, by its digest, and talk to this server.
pub const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-yRu5Ow3GB4JgrVITuqanvBDYA5EDf6eqagBqQlIe5Og='; \
    style-src 'sha256-Ecky9hnxF00DVJtZHPdVFEhXzOi9eJQ9Yy7a9QwL6pM='; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn page(_: Query<NoQuery>) -> Answer {
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(PAGE))
}
