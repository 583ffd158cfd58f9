//! [`DataDecoder`]: what comes from the data port, as events.
use super::{
    DataError, DataRequest, Header, HeaderForm, MAX_FRAME_BYTES, MAX_HEADER_BYTES, MAX_LINE_BYTES,
    RowForm, input::Input,
};
use crate::panda::{EndReason, control::ControlError, table::decode_into};

/// What comes from the data port.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The request was taken.
    Accepted,
    /// An experiment begins.
    Header(&'a Header),
    /// Whole rows of binary values, as many as came together: of frames, one frame.
    Rows {
        /// How many rows of this experiment came before.
        first: u64,
        bytes: &'a [u8],
    },
    /// A row of numbers, apart by blanks.
    Text {
        /// How many rows of this experiment came before.
        first: u64,
        line: &'a str,
    },
    /// The experiment has ended.
    End {
        /// How many rows the server says it sent.
        rows: u64,
        /// How many rows came.
        received: u64,
        reason: EndReason,
    },
}

/// Takes bytes as they come and gives events; rows stay where they were received.
///
/// Receive into [`DataDecoder::space`], tell [`DataDecoder::received`], and take out all events
/// before the next. It holds one frame, line or header, each of them bounded, and what was received
/// after it.
#[derive(Debug)]
pub struct DataDecoder {
    request: DataRequest,
    input: Input,
    stage: Stage,
    header: Option<Header>,
    row_bytes: usize,
    /// Rows of this experiment that came.
    rows: u64,
    /// Of base 64: what is not yet given out.
    decoded: Vec<u8>,
    /// Bytes of `decoded` that were given out.
    given: usize,
    failed: Option<DataError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the answer to the request.
    Requested,
    /// Before a header, or before the first row if there is none.
    Between,
    /// Rows, or an ending.
    Rows,
    /// After the only experiment.
    Ended,
}

/// An event, with what it lends not yet borrowed.
enum Found {
    Accepted,
    Header,
    /// The last bytes that were read.
    Rows {
        num_rows: u64,
        bytes: usize,
    },
    /// Of what was decoded.
    Decoded {
        num_rows: u64,
        bytes: usize,
    },
    /// The last bytes that were read, without the blank before and the line's end.
    Text {
        bytes: usize,
    },
    End {
        rows: u64,
        received: u64,
        reason: EndReason,
    },
}

const FRAME_MARK: &[u8] = b"BIN ";
const FRAME_HEAD_BYTES: usize = 8;
const END_MARK: &[u8] = b"END ";
const XML_MARK: &[u8] = b"<header>";

impl DataDecoder {
    /// For what follows this request on its connection.
    pub fn new(request: DataRequest) -> Self {
        let stage = if request.tells_status() { Stage::Requested } else { Stage::Between };
        let row_bytes = match request.header {
            HeaderForm::None { row_bytes } => row_bytes.get(),
            HeaderForm::Xml | HeaderForm::Text => 0,
        };
        let (input, decoded) = (Input::default(), vec![]);
        let (header, failed) = (None, None);
        Self { request, input, stage, header, row_bytes, rows: 0, decoded, given: 0, failed }
    }

    /// Where to receive. **Invariant:** it is not empty if all events were taken out.
    pub fn space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Tells how much of the space was filled.
    pub fn received(&mut self, bytes: usize) {
        self.input.received(bytes);
    }

    /// The next event; `None` until more bytes have come. After an error, that error.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, DataError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.find() {
            Ok(found) => Ok(found.map(|found| self.lend(found))),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The header of the experiment that is under way, or was last.
    pub const fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Tells what is wrong if the connection was closed here, after all events were taken out.
    pub fn closed(&self) -> Result<(), DataError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (at, rows) = (self.input.at(), self.rows);
        let bytes = self.input.bytes().len() + self.decoded.len() - self.given;
        match self.stage {
            Stage::Requested => Err(DataError::ClosedBeforeAnswer),
            Stage::Between if bytes == 0 => Ok(()),
            Stage::Between if self.has_headers() => Err(DataError::ClosedInHeader { at, bytes }),
            Stage::Between | Stage::Rows if bytes > 0 => {
                Err(DataError::ClosedInRows { at, bytes, rows })
            }
            Stage::Rows if self.request.tells_status() => Err(DataError::ClosedBeforeEnd { rows }),
            Stage::Between | Stage::Rows | Stage::Ended => Ok(()),
        }
    }

    const fn has_headers(&self) -> bool {
        !matches!(self.request.header, HeaderForm::None { .. })
    }

    fn find(&mut self) -> Result<Option<Found>, DataError> {
        loop {
            if self.given > 0 {
                self.decoded.drain(..self.given);
                self.given = 0;
            }
            let Some(&byte) = self.input.bytes().first() else { return Ok(None) };
            let at = self.input.at();
            match self.stage {
                Stage::Requested => return self.answer(),
                Stage::Ended => return Err(DataError::AfterEnd { at }),
                Stage::Between if self.has_headers() => return self.take_header(),
                Stage::Between | Stage::Rows => {}
            }
            let found = match (self.request.form, byte) {
                (RowForm::Unframed, _) => return Ok(self.unframed()),
                (_, b'E') if self.request.tells_status() => return self.end(),
                (RowForm::Framed, b'B') => self.frame()?,
                (RowForm::Ascii, b' ') => self.text_row()?,
                (RowForm::Base64, b' ') => self.base64_line()?,
                // Nothing but the next header tells that an experiment ended.
                _ if !self.request.tells_status() && self.has_headers() => {
                    self.finish(at)?;
                    Sought::Nothing
                }
                (_, found) => return Err(DataError::Stray { at, found }),
            };
            match found {
                Sought::Found(found) => return Ok(Some(found)),
                Sought::Nothing => {}
                Sought::More => return Ok(None),
            }
        }
    }

    fn lend(&mut self, found: Found) -> Event<'_> {
        let first = self.rows;
        match found {
            Found::Accepted => Event::Accepted,
            Found::Header => Event::Header(self.header.as_ref().expect("it has just come")),
            Found::Rows { num_rows, bytes } => {
                self.rows += num_rows;
                Event::Rows { first, bytes: self.input.last_read(bytes) }
            }
            Found::Decoded { num_rows, bytes } => {
                self.rows += num_rows;
                self.given = bytes;
                Event::Rows { first, bytes: &self.decoded[..bytes] }
            }
            Found::Text { bytes } => {
                self.rows += 1;
                let line = &self.input.last_read(bytes)[1..bytes - 1];
                Event::Text { first, line: str::from_utf8(line).expect("it was checked") }
            }
            Found::End { rows, received, reason } => Event::End { rows, received, reason },
        }
    }

    /// The next line without its end, if it is whole.
    fn line(&mut self) -> Result<Option<&[u8]>, DataError> {
        let at = self.input.at();
        let end = self.input.find(b"\n");
        if end.unwrap_or(self.input.bytes().len()) > MAX_LINE_BYTES {
            return Err(DataError::LongLine { at });
        }
        Ok(end.map(|end| &self.input.bytes()[..end]))
    }

    fn text_line(&mut self) -> Result<Option<&str>, DataError> {
        let at = self.input.at();
        let Some(line) = self.line()? else { return Ok(None) };
        str::from_utf8(line).map(Some).map_err(|_| DataError::NotText { at })
    }

    fn answer(&mut self) -> Result<Option<Found>, DataError> {
        let Some(line) = self.text_line()? else { return Ok(None) };
        if line == "OK" {
            self.input.advance(3);
            self.stage = Stage::Between;
            return Ok(Some(Found::Accepted));
        }
        Err(match line.strip_prefix("ERR ") {
            Some(text) => DataError::Refused(ControlError::new(text)),
            None => DataError::NoAnswer { line: line.to_owned() },
        })
    }

    fn take_header(&mut self) -> Result<Option<Found>, DataError> {
        let at = self.input.at();
        let bytes = self.input.bytes();
        if bytes.starts_with(END_MARK) {
            return Err(DataError::EndBeforeHeader { at });
        }
        if bytes.starts_with(FRAME_MARK) {
            return Err(DataError::FrameBeforeHeader { at });
        }
        let is_xml = self.request.header == HeaderForm::Xml;
        let could_be = END_MARK.starts_with(bytes) || FRAME_MARK.starts_with(bytes);
        let num_marked = bytes.len().min(XML_MARK.len());
        if is_xml && !could_be && bytes[..num_marked] != XML_MARK[..num_marked] {
            let source = super::HeaderError::Syntax { expected: "<header>" };
            return Err(DataError::Header { at, source });
        }
        let end = self.input.find(b"\n\n").map(|end| end + 2);
        let num_bytes = self.input.bytes().len();
        if end.unwrap_or(num_bytes) > MAX_HEADER_BYTES {
            return Err(DataError::LongHeader { at });
        }
        let Some(end) = end else { return Ok(None) };
        let header = Header::parse(&self.input.bytes()[..end], &self.request);
        let header =
            header.map_err(|(byte, source)| DataError::Header { at: at + byte as u64, source })?;
        self.row_bytes = header.row_bytes();
        self.header = Some(header);
        self.rows = 0;
        self.input.advance(end);
        self.stage = Stage::Rows;
        Ok(Some(Found::Header))
    }

    fn frame(&mut self) -> Result<Sought, DataError> {
        let at = self.input.at();
        let bytes = self.input.bytes();
        let num_marked = bytes.len().min(FRAME_MARK.len());
        if bytes[..num_marked] != FRAME_MARK[..num_marked] {
            return Err(DataError::Stray { at, found: bytes[0] });
        }
        let Some((head, _)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else {
            self.input.want(FRAME_HEAD_BYTES);
            return Ok(Sought::More);
        };
        let [_, _, _, _, length @ ..] = *head;
        let length = u32::from_le_bytes(length);
        let num_bytes = length as usize;
        if !(FRAME_HEAD_BYTES..=MAX_FRAME_BYTES).contains(&num_bytes) {
            return Err(DataError::FrameLength { at, length });
        }
        let (row_bytes, payload) = (self.row_bytes, num_bytes - FRAME_HEAD_BYTES);
        if !payload.is_multiple_of(row_bytes) {
            return Err(DataError::PartialRow { at, length: payload, row_bytes });
        }
        if bytes.len() < num_bytes {
            self.input.want(num_bytes);
            return Ok(Sought::More);
        }
        self.input.advance(num_bytes);
        self.stage = Stage::Rows;
        Ok(Sought::rows(payload, row_bytes))
    }

    fn unframed(&mut self) -> Option<Found> {
        let num_rows = self.input.bytes().len() / self.row_bytes;
        let bytes = num_rows * self.row_bytes;
        self.input.advance(bytes);
        self.stage = Stage::Rows;
        (num_rows > 0).then_some(Found::Rows { num_rows: num_rows as u64, bytes })
    }

    fn text_row(&mut self) -> Result<Sought, DataError> {
        let at = self.input.at();
        let Some(line) = self.text_line()? else { return Ok(Sought::More) };
        let (values, bytes) = (line[1..].split(' ').count(), line.len() + 1);
        let expected = self.header.as_ref().map(Header::num_text_values);
        if let Some(expected) = expected.filter(|expected| *expected != values) {
            return Err(DataError::Values { at, values, expected });
        }
        self.input.advance(bytes);
        self.stage = Stage::Rows;
        Ok(Sought::Found(Found::Text { bytes }))
    }

    fn base64_line(&mut self) -> Result<Sought, DataError> {
        let at = self.input.at();
        let mut decoded = std::mem::take(&mut self.decoded);
        let Some(line) = self.line()? else {
            self.decoded = decoded;
            return Ok(Sought::More);
        };
        let bytes = line.len() + 1;
        // The server ends each line with a zero.
        let digits = &line[1..];
        let digits = digits.strip_suffix(b"\0").unwrap_or(digits);
        decode_into(digits, &mut decoded).map_err(|source| DataError::Base64 { at, source })?;
        self.decoded = decoded;
        self.input.advance(bytes);
        self.stage = Stage::Rows;
        let num_rows = self.decoded.len() / self.row_bytes;
        let (bytes, num_rows) = (num_rows * self.row_bytes, num_rows as u64);
        let found = Found::Decoded { num_rows, bytes };
        Ok(if num_rows > 0 { Sought::Found(found) } else { Sought::Nothing })
    }

    fn end(&mut self) -> Result<Option<Found>, DataError> {
        let at = self.input.at();
        let Some(line) = self.text_line()? else { return Ok(None) };
        let parts = line.strip_prefix("END ").and_then(|rest| rest.split_once(' '));
        let parts = parts.and_then(|(rows, reason)| Some((rows.parse().ok()?, reason.into())));
        let (bytes, line) = (line.len() + 1, line.to_owned());
        let (rows, reason) = parts.ok_or(DataError::Ending { at, line })?;
        let received = self.rows;
        self.finish(at)?;
        self.input.advance(bytes);
        Ok(Some(Found::End { rows, received, reason }))
    }

    fn finish(&mut self, at: u64) -> Result<(), DataError> {
        let (bytes, row_bytes) = (self.decoded.len(), self.row_bytes);
        if bytes > 0 {
            return Err(DataError::CutRow { at, bytes, row_bytes });
        }
        self.rows = 0;
        self.stage = if self.request.goes_on() { Stage::Between } else { Stage::Ended };
        Ok(())
    }
}

/// What was made of the next bytes.
enum Sought {
    Found(Found),
    /// Nothing to be told: go on.
    Nothing,
    /// More bytes are needed.
    More,
}

impl Sought {
    const fn rows(bytes: usize, row_bytes: usize) -> Self {
        // The server may send frames without rows.
        if bytes == 0 {
            return Self::Nothing;
        }
        Self::Found(Found::Rows { num_rows: (bytes / row_bytes) as u64, bytes })
    }
}
