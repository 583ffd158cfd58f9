//! What is asked of a desk about the data of runs.
use super::desk::{Desk, blocking};
use crate::archive::Documents;
use bluefly_protocol::api::{ApiError, AssetRange, Assets, Columns, Description, ErrorCode, Reply};
use std::io;

impl Desk {
    /// The documents of a run, which are read as they are asked for: on a thread that may block.
    /// None if the run never began.
    pub async fn documents(&self, uid: String) -> Result<Option<Documents>, ApiError> {
        let archive = self.parts().archive.clone();
        blocking(self, move || archive.documents(&uid)).await.map_err(|error| unread(&error))
    }

    pub(super) fn describe(&self) -> Result<Reply, ApiError> {
        let description = self.parts().bulletin.description();
        let description = description.ok_or_else(|| self.refused("describe the scan"))?;
        Ok(Reply::Description(Box::new(Description::clone(&description))))
    }

    pub(super) async fn assets(&self, range: AssetRange) -> Result<Reply, ApiError> {
        let files = self.parts().bulletin.files();
        let (files, rows) = files.ok_or_else(|| self.refused("tell of data"))?;
        let start = range.start.min(rows);
        let stop = range.stop.map_or(rows, |stop| stop.min(rows)).max(start);
        let events = self.columns(&files.run, start..stop).await?;
        Ok(Reply::Assets(Box::new(Assets {
            run: files.run,
            start,
            stop: start + events.time.len() as u64,
            rows,
            resources: files.resources.to_vec(),
            events,
        })))
    }

    async fn columns(&self, run: &str, rows: std::ops::Range<u64>) -> Result<Columns, ApiError> {
        if rows.is_empty() {
            return Ok(Columns::default());
        }
        let (archive, run) = (self.parts().archive.clone(), run.to_owned());
        let columns = blocking(self, move || archive.columns(&run, rows)).await;
        columns.map_err(|error| unread(&error))
    }
}

fn unread(error: &io::Error) -> ApiError {
    ApiError::new(ErrorCode::Failed, "documents", format!("cannot read them: {error}"))
}
