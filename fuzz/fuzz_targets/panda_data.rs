//! Any bytes as the stream of a PandA, for every request: the same events however they come, and
//! columns of all rows. `cargo +nightly fuzz run panda_data`
#![no_main]
use bluefly_protocol::panda::{
    data::{
        DataDecoder, DataError, DataRequest, Event, Experiments, Header, HeaderForm, Process,
        RowForm, StatusLines,
    },
    scaling::Columns,
};
use libfuzzer_sys::fuzz_target;
use std::num::NonZeroUsize;

fuzz_target!(|data: &[u8]| {
    for request in requests() {
        let whole = events(request, data, data.len().max(1));
        assert_eq!(events(request, data, 7), whole);
    }
});

fn requests() -> impl Iterator<Item = DataRequest> {
    let none = HeaderForm::None { row_bytes: NonZeroUsize::new(12).expect("not 0") };
    let framed = DataRequest::framed(Process::Raw);
    let scaled = DataRequest::framed(Process::Scaled);
    let quiet = StatusLines::NotTold;
    [
        framed,
        scaled,
        DataRequest { header: HeaderForm::Text, ..framed },
        DataRequest { header: none, status: quiet, ..framed },
        DataRequest { experiments: Experiments::One, status: quiet, ..framed },
        DataRequest { form: RowForm::Base64, ..scaled },
        DataRequest { form: RowForm::Ascii, header: HeaderForm::Text, ..scaled },
        DataRequest { form: RowForm::Unframed, header: HeaderForm::Text, ..framed },
    ]
    .into_iter()
}

/// What an experiment came to.
#[derive(Debug, Default, PartialEq)]
struct Told {
    headers: Vec<Header>,
    rows: Vec<u8>,
    text: Vec<String>,
    ends: Vec<(u64, u64)>,
    wrong: Option<DataError>,
}

/// What comes of `data` in pieces of this length.
fn events(request: DataRequest, data: &[u8], piece: usize) -> Told {
    let (mut decoder, mut told, mut columns) = (DataDecoder::new(request), Told::default(), None);
    for mut bytes in data.chunks(piece) {
        while !bytes.is_empty() {
            let space = decoder.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            decoder.received(now.len());
            bytes = later;
            loop {
                match decoder.next_event() {
                    Ok(Some(event)) => keep(&event, &mut told, &mut columns),
                    Ok(None) => break,
                    Err(error) => {
                        told.wrong = Some(error);
                        return told;
                    }
                }
            }
        }
    }
    told.wrong = decoder.closed().err();
    told
}

fn keep(event: &Event<'_>, told: &mut Told, columns: &mut Option<Columns>) {
    match event {
        Event::Accepted => {}
        Event::Header(header) => {
            *columns = Columns::of(header).ok();
            told.headers.push((*header).clone());
        }
        Event::Rows { bytes, .. } => {
            if let Some(columns) = columns {
                let mut values = vec![vec![]; columns.columns().len()];
                columns.append(bytes, &mut values);
                let num_rows = bytes.len() / columns.row_bytes();
                assert!(values.iter().all(|values| values.len() == num_rows));
            }
            told.rows.extend_from_slice(bytes);
        }
        Event::Text { line, .. } => told.text.push((*line).to_owned()),
        Event::End { rows, received, .. } => told.ends.push((*rows, *received)),
    }
}
