//! The documents of a run.
use super::{
    CliError, Format, Remote, arguments::DocumentsArguments, queue::checked, render, say,
    vigil::has_ended,
};
use crate::client::{Call, ClientError};
use bluefly_protocol::{api::Run, document::Document};

/// Prints the documents as they come: a long run has more than fit into memory.
pub(super) async fn print(remote: &Remote, arguments: &DocumentsArguments) -> Result<(), CliError> {
    let path = format!("runs/{}/documents", checked(&arguments.uid)?);
    let mut begun: Vec<u8> = vec![];
    let mut printed = Printed::Nothing;
    let streamed = remote.client.stream(Call::get(path), |chunk| {
        begun.extend_from_slice(chunk);
        while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=end).collect();
            printed = print_line(remote, &line).map_err(Stopped::Here)?;
        }
        Ok(())
    });
    match streamed.await {
        Ok(()) if begun.is_empty() => {}
        Ok(()) => printed = print_line(remote, &begun)?,
        Err(Stopped::There(error)) => return Err(remote.unanswered(error)),
        Err(Stopped::Here(error)) => return Err(error),
    }
    match printed {
        Printed::Nothing | Printed::Stop => Ok(()),
        Printed::Part => is_under_way(remote, &arguments.uid).await,
    }
}

/// What was printed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Printed {
    Nothing,
    Part,
    /// The last document of a run.
    Stop,
}

/// Only a run that has not ended has no stop document: else the answer was cut off, where the end of
/// the connection looks like the end of the answer.
async fn is_under_way(remote: &Remote, uid: &str) -> Result<(), CliError> {
    let run: Run = remote.parse(&remote.ask(Call::get(format!("runs/{uid}"))).await?)?;
    if has_ended(run.state) {
        let cause = "the stop document is missing".to_owned();
        let request = "GET documents".to_owned();
        return Err(remote.unanswered(ClientError::Cut { request, cause }));
    }
    Ok(())
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

fn print_line(remote: &Remote, line: &[u8]) -> Result<Printed, CliError> {
    let parsed: Result<Document, _> = serde_json::from_slice(line);
    let document = parsed.map_err(|error| {
        let cause = format!("a line is no document: {error}");
        let request = "GET documents".to_owned();
        remote.unanswered(ClientError::Foreign { request, cause })
    })?;
    match remote.format {
        Format::Text => say(&render::document(&document))?,
        Format::Json => say(&format!("{}\n", String::from_utf8_lossy(line).trim()))?,
    }
    Ok(if matches!(document, Document::Stop(_)) { Printed::Stop } else { Printed::Part })
}
