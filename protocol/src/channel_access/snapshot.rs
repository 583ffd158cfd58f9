//! [`Snapshot`]: a value with what clients may ask of it, and how it is written in each form.
use super::{
    CHOICE_BYTES, Class, Data, Dbr, Field, Header, MAX_CHOICES, STRING_BYTES, UNITS_BYTES, command,
    data::{push_number, push_text},
    header::padding,
    status,
};

/// When a value was taken, and how good it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Index into [`ALARM_STATUS`](super::ALARM_STATUS).
    pub status: u16,
    /// From 0 (none) to 3 (invalid).
    pub severity: u16,
    /// Since the epoch of EPICS, 1990-01-01T00:00:00Z.
    pub seconds: u32,
    pub nanoseconds: u32,
}

/// From where to where something goes; NaN where it is not said.
pub type Span = [f64; 2];

/// What the limits of a value are, each low and high.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub display: Span,
    pub alarm: Span,
    pub warning: Span,
    pub control: Span,
}

/// What a record says of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Info<'a> {
    pub units: &'a str,
    pub precision: Option<i16>,
    pub choices: &'a [String],
    pub limits: Limits,
    pub record_type: &'a str,
}

/// A value at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot<'a> {
    pub data: &'a Data,
    pub stamp: Stamp,
    pub info: Info<'a>,
}

/// Whom the message with a value is for.
///
/// **Invariant:** whoever makes one has checked that the channel may have `count` elements: as many are
/// sent, whether they are there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub is_event: bool,
    /// What the client called the request.
    pub request: u32,
    pub dbr: Dbr,
    /// Elements; zero: as many as there are.
    pub count: usize,
}

/// Seconds between the epochs of Unix and EPICS.
const EPICS_EPOCH_S: f64 = 631_152_000.0;

impl Stamp {
    /// The same at another time, which is given from 1970-01-01T00:00:00Z.
    pub fn at_unix_s(self, unix_s: f64) -> Self {
        let since = (unix_s - EPICS_EPOCH_S).max(0.0);
        let nanoseconds = (since.fract() * 1e9) as u32;
        Self { seconds: since as u32, nanoseconds: nanoseconds.min(999_999_999), ..self }
    }

    /// Its time from 1970-01-01T00:00:00Z.
    pub fn unix_s(&self) -> f64 {
        EPICS_EPOCH_S + f64::from(self.seconds) + f64::from(self.nanoseconds) / 1e9
    }
}

impl Recipient {
    /// Appends the message that nothing could be read, with its reason. Elements that the client
    /// waits for are sent as zeros.
    pub fn encode_failure(&self, status: u32, out: &mut Vec<u8>) {
        let payload = self.dbr.num_bytes(self.count.max(1));
        self.header(self.count, payload, status).encode(out);
        out.resize(out.len() + payload + padding(payload), 0);
    }

    fn header(&self, count: usize, payload: usize, status: u32) -> Header {
        Header {
            command: if self.is_event { command::EVENT_ADD } else { command::READ_NOTIFY },
            payload_bytes: (payload + padding(payload)) as u32,
            data_type: self.dbr.code(),
            count: count as u32,
            parameter_1: status,
            parameter_2: self.request,
        }
    }
}

impl Snapshot<'_> {
    /// Appends the message with this value. Elements that are asked for and not there are zero. A
    /// value that cannot be had in the form is a failed read.
    pub fn encode(&self, to: &Recipient, out: &mut Vec<u8>) {
        let autosize = to.count == 0;
        let count = if autosize { self.data.len() } else { to.count };
        // A value without elements has the room of one on the wire.
        let payload = to.dbr.num_bytes(count.max(1));
        let start = out.len();
        to.header(count, payload, status::NORMAL).encode(out);
        let payload_start = out.len();
        let end = payload_start + payload + padding(payload);
        self.encode_front(to.dbr, out);
        out.resize(payload_start + to.dbr.value_offset(), 0);
        let written = match to.dbr {
            Dbr::RecordType => {
                push_text(self.info.record_type, STRING_BYTES, out);
                Ok(())
            }
            Dbr::Value(..) | Dbr::Acknowledgement => {
                self.data.encode(to.dbr.field(), count, &self.info, out)
            }
        };
        if written.is_ok() {
            out.resize(end, 0);
        } else {
            out.truncate(start);
            to.encode_failure(status::GET_FAILED, out);
        }
    }

    /// What stands before the elements.
    fn encode_front(&self, dbr: Dbr, out: &mut Vec<u8>) {
        let alarm = |out: &mut Vec<u8>| {
            out.extend(self.stamp.status.to_be_bytes());
            out.extend(self.stamp.severity.to_be_bytes());
        };
        match dbr {
            Dbr::RecordType | Dbr::Value(Class::Plain, _) => {}
            Dbr::Acknowledgement
            | Dbr::Value(Class::Status, _)
            | Dbr::Value(Class::Graphic | Class::Control, Field::String) => alarm(out),
            Dbr::Value(Class::Time, _) => {
                alarm(out);
                out.extend(self.stamp.seconds.to_be_bytes());
                out.extend(self.stamp.nanoseconds.to_be_bytes());
            }
            Dbr::Value(Class::Graphic | Class::Control, Field::Enum) => {
                alarm(out);
                self.encode_choices(out);
            }
            Dbr::Value(class @ (Class::Graphic | Class::Control), field) => {
                alarm(out);
                self.encode_limits(class, field, out);
            }
        }
    }

    fn encode_choices(&self, out: &mut Vec<u8>) {
        let choices = &self.info.choices[..self.info.choices.len().min(MAX_CHOICES)];
        out.extend((choices.len() as u16).to_be_bytes());
        for choice in choices {
            push_text(choice, CHOICE_BYTES, out);
        }
    }

    fn encode_limits(&self, class: Class, field: Field, out: &mut Vec<u8>) {
        if matches!(field, Field::Float | Field::Double) {
            out.extend(self.info.precision.unwrap_or(0).to_be_bytes());
            out.extend([0; 2]);
        }
        // The unit may fill its room: no zero is needed at its end.
        let units = self.info.units;
        let units = &units.as_bytes()[..units.floor_char_boundary(UNITS_BYTES)];
        let units_end = out.len() + UNITS_BYTES;
        out.extend_from_slice(units);
        out.resize(units_end, 0);
        let Limits { display, alarm, warning, control } = self.info.limits;
        let graphic = [display[1], display[0], alarm[1], warning[1], warning[0], alarm[0]];
        for limit in graphic {
            push_number(limit, field, out);
        }
        if class == Class::Control {
            push_number(control[1], field, out);
            push_number(control[0], field, out);
        }
    }
}
