//! [`Header`]: what an experiment captures, and how its rows are laid out.
use super::{
    DataRequest, HeaderError, HeaderForm, Process, RowForm,
    attributes::{Attributes, Fault},
    text, xml,
};
use crate::panda::Capture;

/// What comes before the rows of an experiment. **Invariant:** there is a field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// When it was armed, as the server wrote it (ISO 8601, UTC); servers before 3.0 do not tell.
    pub arm_time: Option<String>,
    /// When it was enabled, likewise. That of the experiment before if it never was.
    pub start_time: Option<String>,
    /// By how much the start time of the hardware is off that of the server.
    pub hw_time_offset_ns: Option<i64>,
    /// Rows that were lost before this reader came.
    pub missed: u64,
    pub process: Process,
    pub form: RowForm,
    /// Of a row, in order, without gaps.
    pub fields: Vec<Field>,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Field {
    pub name: String,
    pub kind: FieldType,
    pub capture: Capture,
    pub scale: f64,
    pub offset: f64,
    /// `None` if it has none, or if that was never set.
    pub units: Option<String>,
    /// Bytes of the row before it.
    pub first_byte: usize,
}

/// How a value is written in a binary row, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Int32,
    Uint32,
    Int64,
    /// The sum of squares, of which a deviation is made.
    Int96,
    Double,
}

impl Header {
    /// Bytes of a binary row.
    pub fn row_bytes(&self) -> usize {
        self.fields.iter().map(|field| field.kind.num_bytes()).sum()
    }

    /// Numbers in a row of text: raw ones are told as words of 32 bits.
    pub(super) fn num_text_values(&self) -> usize {
        match self.process {
            Process::Raw => self.row_bytes() / 4,
            Process::Scaled => self.fields.len(),
        }
    }

    /// Reads a header up to its empty line. A fault is at a byte of it.
    pub(super) fn parse(bytes: &[u8], request: &DataRequest) -> Result<Self, Fault> {
        let not_text = |error: std::str::Utf8Error| (error.valid_up_to(), HeaderError::NotText);
        let text = str::from_utf8(bytes).map_err(not_text)?;
        let (data, fields) = match request.header {
            HeaderForm::Xml => xml::parse(text)?,
            HeaderForm::Text | HeaderForm::None { .. } => text::parse(text)?,
        };
        let header = Self::build(&data, &fields)?;
        let not_asked = |asked, found| (data.at, HeaderError::NotAsked { asked, found });
        if header.process != request.process {
            return Err(not_asked(request.process.word(), header.process.word()));
        }
        if header.form != request.form {
            return Err(not_asked(request.form.word(), header.form.word()));
        }
        Ok(header)
    }

    fn build(data: &Attributes, fields: &[Attributes]) -> Result<Self, Fault> {
        let number = "a whole number";
        let process = data.parsed("process", "Raw or Scaled", |word| {
            Process::ALL.into_iter().find(|process| process.word() == word)
        })?;
        let form = data.parsed("format", "Framed, Base64, ASCII or Unframed", |word| {
            RowForm::ALL.into_iter().find(|form| form.word() == word)
        })?;
        let missed = data.parsed("missed", number, |text| text.parse().ok())?;
        let told = data.parsed("sample_bytes", number, |text| text.parse().ok())?;
        let header = Self {
            arm_time: data.get("arm_time").map(str::to_owned),
            start_time: data.get("start_time").map(str::to_owned),
            hw_time_offset_ns: data
                .parsed("hw_time_offset_ns", number, |text| text.parse().ok())?,
            missed: missed.ok_or_else(|| data.missing("missed"))?,
            process: process.ok_or_else(|| data.missing("process"))?,
            form: form.ok_or_else(|| data.missing("format"))?,
            fields: build_fields(fields)?,
        };
        let Some(last) = header.fields.last() else { return Err((data.at, HeaderError::NoFields)) };
        let fields = last.first_byte + last.kind.num_bytes();
        match told {
            Some(told) if told != fields => {
                Err((data.at, HeaderError::SampleBytes { told, fields }))
            }
            None if header.form != RowForm::Ascii => Err(data.missing("sample_bytes")),
            Some(_) | None => Ok(header),
        }
    }
}

fn build_fields(fields: &[Attributes]) -> Result<Vec<Field>, Fault> {
    let mut first_byte = 0;
    let mut built = Vec::with_capacity(fields.len());
    for field in fields {
        let field = Field::build(field, first_byte)?;
        first_byte += field.kind.num_bytes();
        built.push(field);
    }
    Ok(built)
}

impl Field {
    fn build(told: &Attributes, first_byte: usize) -> Result<Self, Fault> {
        let name = told.required("name")?.to_owned();
        let word = told.required("type")?;
        let unknown = || {
            let (field, found) = (name.clone(), word.to_owned());
            (told.at, HeaderError::FieldType { field, found })
        };
        let kind = FieldType::from_word(word).ok_or_else(unknown)?;
        let capture = told.required("capture")?.into();
        let number = |attribute| {
            let read = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            told.parsed(attribute, "a finite number", read)
        };
        // Bits have neither.
        let (scale, offset) = (number("scale")?.unwrap_or(1.0), number("offset")?.unwrap_or(0.0));
        // Units that were never set are written as C writes nothing.
        let units = told.get("units").filter(|units| !matches!(*units, "" | "(null)"));
        let units = units.map(str::to_owned);
        Ok(Self { name, kind, capture, scale, offset, units, first_byte })
    }

    /// Whether it says for how many ticks the gate was high, by which means are divided.
    pub fn is_samples(&self) -> bool {
        // The second is what servers before 2.0 call it.
        matches!(self.name.as_str(), "PCAP.GATE_DURATION" | "PCAP.SAMPLES")
    }
}

impl FieldType {
    const KNOWN: [(&str, Self); 5] = [
        ("int32", Self::Int32),
        ("uint32", Self::Uint32),
        ("int64", Self::Int64),
        ("int96", Self::Int96),
        ("double", Self::Double),
    ];

    fn from_word(word: &str) -> Option<Self> {
        let known = Self::KNOWN.into_iter().find(|(known, _)| *known == word);
        known.map(|(_, kind)| kind)
    }

    pub const fn num_bytes(self) -> usize {
        match self {
            Self::Int32 | Self::Uint32 => 4,
            Self::Int64 | Self::Double => 8,
            Self::Int96 => 12,
        }
    }
}
