//! The documents of a run, from the file, a bounded part at a time.
use super::{
    front::Shared,
    query::{DocumentsQuery, Query},
    reply::Answer,
};
use crate::{archive::Documents, clock::Clock};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, BytesMut, Path},
};
use bluefly_protocol::api::{ErrorBody, Request};
use futures_util::{Stream, stream};
use std::io;

/// Text that is read in one go, but for the last document of it.
const PART: usize = 64 << 10;

/// The documents of a run, in order: an array, or lines of JSON for who accepts those.
#[utoipa::path(get, path = "/api/v1/runs/{uid}/documents", tag = "runs",
    params(("uid" = String, Path, description = "Of the run"), DocumentsQuery),
    responses((status = 200, content((Vec<Object> = "application/json"), (Object = "application/x-ndjson"))),
        (status = "default", body = ErrorBody)))]
pub(super) async fn documents(
    front: Shared,
    request: HttpRequest,
    uid: Path<String>,
    query: Query<DocumentsQuery>,
) -> Answer {
    let DocumentsQuery { start, limit } = query.0;
    let uid = uid.into_inner();
    let documents = front.desk.documents(uid.clone()).await?;
    if documents.is_none() {
        // There is nothing to tell of a run that waits; of one that never was, that it is unknown.
        front.dispatch(Request::Run(uid)).await?;
    }
    let shape = wanted(&request);
    let left = limit.unwrap_or(usize::MAX);
    let reader = Reader { documents, start, left, shape, before: "", state: State::Begun };
    Ok(HttpResponse::Ok()
        .content_type(match shape {
            Shape::Array => "application/json",
            Shape::Lines => NDJSON,
        })
        .streaming(parts(reader, front.clock.clone())))
}

const NDJSON: &str = "application/x-ndjson";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Array,
    Lines,
}

fn wanted(request: &HttpRequest) -> Shape {
    let accepted = request.headers().get_all(header::ACCEPT);
    let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
    if accepted.any(|accepted| accepted.contains(NDJSON)) { Shape::Lines } else { Shape::Array }
}

struct Reader {
    documents: Option<Documents>,
    /// Documents to leave out.
    start: usize,
    /// Documents that may still come.
    left: usize,
    shape: Shape,
    /// What comes before the next document.
    before: &'static str,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begun,
    UnderWay,
    Ended,
}

impl Reader {
    fn next(&mut self) -> Option<io::Result<String>> {
        self.left = self.left.checked_sub(1)?;
        self.documents.as_mut()?.next()
    }

    /// The next part of the text. Blocks.
    fn read(&mut self) -> io::Result<Bytes> {
        let (opening, between, after, closing) = match self.shape {
            Shape::Array => ("[", ",", "", "]"),
            Shape::Lines => ("", "", "\n", ""),
        };
        let mut text = BytesMut::new();
        if self.state == State::Begun {
            text.extend_from_slice(opening.as_bytes());
            self.state = State::UnderWay;
            if let Some(documents) = &mut self.documents {
                documents.skip_to(self.start)?;
            }
        }
        while text.len() < PART {
            let Some(document) = self.next().transpose()? else {
                text.extend_from_slice(closing.as_bytes());
                self.state = State::Ended;
                break;
            };
            for part in [self.before, &document, after] {
                text.extend_from_slice(part.as_bytes());
            }
            self.before = between;
        }
        Ok(text.freeze())
    }
}

/// The text, each part read on a thread that may block, when the one before is sent.
///
/// An error breaks the answer off: who reads it sees that it is not whole.
fn parts(reader: Reader, clock: Clock) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((reader, clock), async |(mut reader, clock)| {
        if reader.state == State::Ended {
            return Ok(None);
        }
        let (reader, part) = clock
            .foreign(move || {
                let part = reader.read();
                (reader, part)
            })
            .await;
        let logged =
            |error: &io::Error| tracing::error!(%error, "the documents of a run cannot be read");
        let part = part.inspect_err(logged)?;
        Ok(Some((part, (reader, clock))))
    })
}
