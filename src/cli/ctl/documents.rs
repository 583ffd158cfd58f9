//! The documents of a run.
use super::{CliError, Format, Remote, arguments::DocumentsArguments, queue::checked, render, say};
use crate::client::{Call, ClientError};
use bluefly_protocol::document::Document;

/// Prints the documents as they come: a long run has more than fit into memory.
pub(super) async fn print(remote: &Remote, arguments: &DocumentsArguments) -> Result<(), CliError> {
    let path = format!("runs/{}/documents", checked(&arguments.uid)?);
    let mut begun: Vec<u8> = vec![];
    let streamed = remote.client.stream(Call::get(path), |chunk| {
        begun.extend_from_slice(chunk);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            print_line(remote, &line).map_err(Stopped::Here)?;
        }
        Ok(())
    });
    match streamed.await {
        Ok(()) if begun.is_empty() => Ok(()),
        Ok(()) => print_line(remote, &begun),
        Err(Stopped::There(error)) => Err(remote.unanswered(error)),
        Err(Stopped::Here(error)) => Err(error),
    }
}

/// On which side it went wrong.
enum Stopped {
    Here(CliError),
    There(ClientError),
}

impl From<ClientError> for Stopped {
    fn from(error: ClientError) -> Self {
        Self::There(error)
    }
}

fn print_line(remote: &Remote, line: &[u8]) -> Result<(), CliError> {
    let parsed: Result<Document, _> = serde_json::from_slice(line);
    let document = parsed.map_err(|error| {
        let cause = format!("a line is no document: {error}");
        let request = "GET documents".to_owned();
        remote.unanswered(ClientError::Foreign { request, cause })
    })?;
    match remote.format {
        Format::Text => say(&render::document(&document)),
        Format::Json => say(&format!("{}\n", String::from_utf8_lossy(line).trim())),
    }
}
