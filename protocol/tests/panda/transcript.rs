//! The transcript by which the server itself is tested, with a configuration of its own.
use crate::recording::{joined, third_party};
use bluefly_protocol::panda::{
    control::{Reply, ReplyDecoder},
    describe::{parse_blocks, parse_changes, parse_fields},
    table::RowLayout,
};

/// How many commands these lines are: a table ends with an empty line.
fn num_commands(lines: &[&str]) -> usize {
    let (mut count, mut is_table) = (0, false);
    for line in lines {
        if is_table {
            is_table = !line.is_empty();
            continue;
        }
        count += 1;
        let operator = line.find(['?', '=', '<']).map(|at| line.as_bytes()[at]);
        is_table = operator == Some(b'<');
    }
    count
}

#[test]
fn the_transcript_of_the_server_is_read() {
    let Some(text) = third_party("server_tests_transcript.txt") else { return };
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let told = |mark| {
        let lines = lines.clone();
        lines.filter_map(move |line| Some(line.strip_prefix(mark)?.trim_start_matches(' ')))
    };
    let sent: Vec<&str> = told('<').collect();
    let received = joined(told('>'));
    let mut decoder = ReplyDecoder::new();
    decoder.feed(received.as_bytes());
    let mut replies = vec![];
    while let Some(reply) = decoder.next_reply().unwrap() {
        replies.push(reply);
    }
    assert!(!decoder.is_within());
    assert_eq!(replies.len(), num_commands(&sent));
    assert_eq!(joined(replies.iter().map(ToString::to_string)), received);

    let lines = replies.iter().filter_map(|reply| match reply {
        Reply::Lines(lines) => Some(lines),
        _ => None,
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(parse_blocks(lines[0]).unwrap().len(), 29);
    let fields = lines.iter().filter_map(|lines| parse_fields(lines).ok());
    assert_eq!(
        fields.map(|fields| fields.len()).filter(|count| *count > 0).collect::<Vec<_>>(),
        [2, 7, 15]
    );
    let layouts = lines.iter().filter_map(|lines| RowLayout::parse(4, lines).ok());
    assert_eq!(layouts.map(|layout| layout.fields().len()).max(), Some(17));
    let changes = lines.iter().filter_map(|lines| parse_changes(lines).ok());
    assert_eq!(changes.map(|changes| changes.len()).max(), Some(10));
}
