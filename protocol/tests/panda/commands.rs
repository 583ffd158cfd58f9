//! Commands, against what was sent to a real server.
use crate::recording::{Exchange, TRANSCRIPTS, exchanges, joined};
use bluefly_protocol::panda::{
    control::{Command, CommandError},
    describe::ChangeGroup,
    table::{TableMode, TableText, read_base64, read_numbers},
};

fn text(command: &Command) -> &str {
    str::from_utf8(command.as_bytes()).unwrap()
}

/// The command that says what was sent, if there is one.
fn command_of(sent: &[String]) -> Option<Command> {
    let (first, rest) = sent.split_first().unwrap();
    let operator = first.find(['?', '=', '<'])?;
    let (name, value) = (&first[..operator], &first[operator + 1..]);
    match &first[operator..=operator] {
        "?" if value.is_empty() => Command::query(name).ok(),
        "?" => None,
        "=" => Command::assign(name, value).ok(),
        _ => {
            let lines = &rest[..rest.len() - 1];
            if name.starts_with("*METADATA") {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                return Command::lines(name, &lines).ok();
            }
            let (operator, is_base64) = match first[operator..].strip_suffix('B') {
                Some(operator) => (operator, true),
                None => (&first[operator..], false),
            };
            let modes = [TableMode::Fixed, TableMode::Append, TableMode::AppendLast];
            let mode = modes.into_iter().find(|mode| mode.to_string() == operator)?;
            let (form, words) = if is_base64 {
                (TableText::Base64, read_base64(lines).ok()?)
            } else {
                (TableText::Numbers, read_numbers(lines).ok()?)
            };
            Command::table(name, mode, form, &words).ok()
        }
    }
}

#[test]
fn recorded_commands_are_sent_as_they_were() {
    let mut others = vec![];
    let mut same = 0;
    for Exchange { sent, .. } in TRANSCRIPTS.iter().flat_map(|name| exchanges(name)) {
        match command_of(&sent) {
            Some(command) if text(&command) == joined(&sent) => {
                assert_eq!(command.to_string(), sent[0]);
                same += 1;
            }
            _ => others
                .push(sent[..2.min(sent.len())].join("|").chars().take(40).collect::<String>()),
        }
    }
    // What is no command, rows in one line, what is no number, longer lines than ours, no rows.
    let expected = [
        "x",
        "?",
        "*IDN?x",
        "SEQ1.TABLE<|1 2 3 4",
        "SEQ1.TABLE<|1 2 3 4 5 6 7 8",
        "SEQ1.TABLE<|1 2 3",
        "SEQ1.TABLE<|1,2,3,4",
        "SEQ1.TABLE<|-1 0x10 010 4294967295",
        "SEQ1.TABLE<B|AQAHAAAAAAAKAAAAFAAAAAIAFwy",
        "SEQ1.TABLE<B|AQAHAAAAAAAKAAAAFAAAAAIAFwy",
        "SEQ1.TABLE<<|",
        "SEQ2.TABLE<|1048577 0 0 0",
    ];
    assert_eq!((same, others), (1_632, expected.map(str::to_owned).to_vec()));
}

#[test]
fn commands_of_the_box_are_said() {
    let check = |command: Command, expected| assert_eq!(text(&command), expected);
    check(Command::arm(), "*PCAP.ARM=\n");
    check(Command::disarm(), "*PCAP.DISARM=\n");
    check(Command::clear_capture(), "*CAPTURE=\n");
    check(Command::changes(None), "*CHANGES?\n");
    check(Command::skip_changes(None), "*CHANGES=E\n");
    let groups = ChangeGroup::ALL.map(|group| text(&Command::changes(Some(group))).to_owned());
    assert_eq!(
        groups.concat(),
        "*CHANGES.CONFIG?\n*CHANGES.BITS?\n*CHANGES.POSN?\n*CHANGES.READ?\n*CHANGES.ATTR?\n\
         *CHANGES.TABLE?\n*CHANGES.METADATA?\n"
    );
}

#[test]
fn what_the_server_would_not_take_as_one_command_is_not_sent() {
    let name = |name: &str, found| CommandError::Name { name: name.into(), found };
    assert_eq!(Command::query(""), Err(CommandError::NoName));
    assert_eq!(Command::query("*ECHO a=b"), Err(name("*ECHO a=b", '=')));
    assert_eq!(Command::assign("A?", "1"), Err(name("A?", '?')));
    assert_eq!(Command::query("A<"), Err(name("A<", '<')));
    let not_printable = |found| CommandError::NotPrintable { name: "A.B".into(), found };
    assert_eq!(Command::assign("A.B", "1\n*PCAP.ARM="), Err(not_printable('\n')));
    assert_eq!(Command::assign("A.B", "1\r"), Err(not_printable('\r')));
    assert_eq!(Command::assign("A.B", "\u{85}"), Err(not_printable('\u{85}')));
    assert_eq!(Command::lines("A.B", &["a\0"]), Err(not_printable('\0')));
    assert_eq!(
        Command::lines("A.B", &["a", ""]),
        Err(CommandError::EmptyLine { name: "A.B".into(), line: 2 })
    );
    let rows = CommandError::NoRows { name: "A.B".into() };
    for mode in [TableMode::Append, TableMode::AppendLast] {
        assert_eq!(Command::table("A.B", mode, TableText::Base64, &[]), Err(rows.clone()));
    }
    assert_eq!(rows.to_string(), "the table `A.B` is appended to with no rows: only < takes none");
}

#[test]
fn a_line_is_as_long_as_the_server_takes() {
    let longest = Command::assign("A.B", &"µ".repeat(509)).unwrap();
    assert_eq!(longest.as_bytes().len(), 1_023);
    assert_eq!(
        Command::assign("A.B", &"x".repeat(1_019)).unwrap_err().to_string(),
        "`A.B` cannot be sent: a line has 1023 bytes and may have 1022"
    );
    assert_eq!(
        Command::query(&"µ".repeat(600)).unwrap_err().to_string(),
        format!("`{}...` cannot be sent: a line has 1201 bytes and may have 1022", "µ".repeat(64))
    );
    let words: Vec<u32> = (0..1_048_576).collect();
    for form in [TableText::Numbers, TableText::Base64] {
        let table = Command::table("SEQ1.TABLE", TableMode::Fixed, form, &words).unwrap();
        assert!(text(&table).lines().all(|line| line.len() <= 64));
        assert!(text(&table).ends_with("\n\n"));
    }
}
