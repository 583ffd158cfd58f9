//! What a PandA has, as it is known once it is connected.
use super::{LIMITS, served::connected};
use crate::{
    beam::simulate,
    panda_server::{directory, new_server},
};
use bluefly_actors::clock::Clock;
use bluefly_protocol::panda::{
    control::{Reply, ReplyDecoder},
    describe::{Enquiry, EnquiryError, FieldInfo, FieldName, Inventory, Replaced, Round},
};
use bluefly_sim::panda::MemoryPanda;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a real server was asked, and answered.
fn recorded() -> BTreeMap<String, Reply> {
    let text = std::fs::read_to_string(directory().join("introspection.json")).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    let mut replies = BTreeMap::new();
    for step in recording["steps"].as_array().unwrap() {
        let sent = step["send"].as_array().unwrap();
        let [Value::String(sent)] = &sent[..] else { continue };
        let mut decoder = ReplyDecoder::new();
        for line in step["recv"].as_array().unwrap() {
            decoder.feed(format!("{}\n", line.as_str().unwrap()).as_bytes());
        }
        if let Some(reply) = decoder.next_reply().unwrap() {
            replies.insert(sent.clone(), reply);
        }
    }
    replies
}

pub(super) fn simulated() -> Inventory {
    simulate(async {
        let clock = Clock::simulated();
        let panda = MemoryPanda::new(new_server(), &clock);
        connected(&panda, LIMITS, &clock).await.inventory().await.unwrap()
    })
}

fn info<'a>(inventory: &'a Inventory, name: &str) -> Option<&'a FieldInfo> {
    inventory.field(&name.parse::<FieldName>().unwrap())
}

fn ends_in(name: &str, attribute: &str) -> bool {
    name.split('.').next_back() == Some(attribute)
}

#[test]
fn what_is_known_of_a_simulated_box_is_what_a_real_one_told() {
    let inventory = simulated();
    let mut compared = [0; 5];
    for (question, reply) in recorded() {
        let name = question.trim_end_matches('?');
        match reply {
            Reply::Value(class) if ends_in(name, "INFO") && !name.starts_with('*') => {
                let found = info(&inventory, name).map(|info| info.class.to_string());
                assert_eq!(found, Some(class), "{question}");
                compared[0] += 1;
            }
            Reply::Value(max)
                if ends_in(name, "MAX")
                    && name.matches('.').count() == 2
                    && !name.starts_with('*') =>
            {
                let found = info(&inventory, name).unwrap().max;
                assert_eq!(found, max.parse().ok(), "{question}");
                compared[1] += 1;
            }
            Reply::Lines(choices) if name.starts_with("*ENUMS.") && !name.contains("[]") => {
                let name = name.trim_start_matches("*ENUMS.").parse::<FieldName>().unwrap();
                let field = inventory.field(&name).unwrap();
                let found = match name.attribute() {
                    Some(attribute) => &field.attributes[attribute],
                    None => &field.choices,
                };
                assert_eq!(*found, choices, "{question}");
                compared[2] += 1;
            }
            Reply::Lines(mut attributes)
                if name.ends_with(".*")
                    && name.matches('.').count() == 2
                    && !name.starts_with('*') =>
            {
                // It was asked of all blocks of one kind.
                let name: FieldName = name.trim_end_matches(".*").parse().unwrap();
                let mut fields = inventory.fields_of(name.block.name());
                let (_, found) = fields.find(|(field, _)| *field == name.field()).unwrap();
                let found: Vec<_> = found.attributes.keys().collect();
                attributes.sort();
                assert_eq!(found, attributes.iter().collect::<Vec<_>>(), "{question}");
                compared[3] += 1;
            }
            Reply::Lines(fields) if name.ends_with(".*") && !name.starts_with('*') => {
                let block = name.trim_end_matches(".*");
                assert_eq!(inventory.fields_of(block).count(), fields.len(), "{question}");
                compared[4] += 1;
            }
            Reply::Ok | Reply::Value(_) | Reply::Lines(_) | Reply::Error(_) => {}
        }
    }
    assert_eq!(compared, [94, 12, 49, 94, 9]);
}

#[test]
fn the_rest_of_what_is_known() {
    let inventory = simulated();
    assert_eq!(inventory.identity.software, "4.1");
    assert_eq!(inventory.application.as_deref(), Some("pandabox-no-fmc"));
    assert_eq!((inventory.blocks.len(), inventory.num_fields()), (24, 257));
    let table = info(&inventory, "SEQ2.TABLE").unwrap().table.as_ref().unwrap();
    assert_eq!((table.max_words, table.layout.num_words()), (1_048_576, 4));
    assert_eq!(info(&inventory, "CLOCK1.ENABLE").unwrap().max_delay, Some(31));
    // One of one may be named with its number, one of several must be.
    assert!(info(&inventory, "PCAP1.ACTIVE").is_some());
    assert!(info(&inventory, "SEQ.ACTIVE").is_none());
    assert!(info(&inventory, "SEQ3.ACTIVE").is_none());
}

/// What comes of answers that are good but for `question`.
fn enquired(question: &str, answer: &str) -> Result<Inventory, EnquiryError> {
    let mut enquiry = Enquiry::new();
    loop {
        let reply = |asked: String| {
            let good = match asked.as_str() {
                "*IDN?" => "OK =PandA SW: 4.1 FPGA: 1 rootfs: 2\n",
                "*METADATA.APPNAME?" => "OK =app\n",
                "*BLOCKS?" => "!SEQ 2\n.\n",
                "SEQ.*?" => "!TABLE 0 table\n!N 1 param uint\n.\n",
                "SEQ1.TABLE.MAX_LENGTH?" | "SEQ1.N.MAX?" => "OK =4096\n",
                "SEQ1.TABLE.ROW_WORDS?" => "OK =1\n",
                "SEQ1.TABLE.FIELDS?" => "!31:0 A uint\n.\n",
                "SEQ1.TABLE.*?" | "SEQ1.N.*?" => "!INFO\n.\n",
                other => panic!("{other} was asked"),
            };
            let mut decoder = ReplyDecoder::new();
            decoder.feed(if asked == question { answer } else { good }.as_bytes());
            decoder.next_reply().unwrap().unwrap()
        };
        let replies = enquiry.questions().map(|asked| reply(asked.to_string())).collect();
        match enquiry.answered(replies)? {
            Round::Ask(next) => enquiry = next,
            Round::Known(inventory) => return Ok(*inventory),
        }
    }
}

#[test]
fn a_box_that_does_not_tell_what_it_has_is_named_by_what_it_was_asked() {
    let check = |question: &str, answer: &str, expected: &str| {
        assert_eq!(enquired(question, answer).unwrap_err().to_string(), expected);
    };
    check("*IDN?", "ERR no\n", "*IDN?: no");
    check("*BLOCKS?", "OK\n", "*BLOCKS?: expected lines, and the reply is an OK");
    let rule = "`SEQ` is no block: its name, and how many there are";
    check("*BLOCKS?", "!SEQ\n.\n", &format!("*BLOCKS?: {rule}"));
    check("SEQ.*?", "ERR No such block\n", "SEQ.*?: No such block");
    let odd = "what it tells of its fields cannot be asked for: `SEQ1.A=.*` cannot be named in a \
               command: '=' ends a name";
    check("SEQ.*?", "!A= 0 param uint\n.\n", odd);
    let rows = "SEQ1.TABLE.FIELDS?: a row of 65 words: they are 1 to 64";
    check("SEQ1.TABLE.ROW_WORDS?", "OK =65\n", rows);
}

#[test]
fn what_an_older_server_does_not_tell_is_left_unknown() {
    let unknown = enquired("SEQ1.N.MAX?", "ERR No such attribute\n").unwrap();
    assert_eq!(info(&unknown, "SEQ1.N").unwrap().max, None);
    let unknown = enquired("SEQ1.TABLE.ROW_WORDS?", "ERR No such attribute\n").unwrap();
    assert_eq!(info(&unknown, "SEQ1.TABLE").unwrap().table, None);
    let unknown = enquired("*METADATA.APPNAME?", "ERR Metadata key APPNAME not found\n").unwrap();
    assert_eq!(unknown.application, None);
}

#[test]
fn a_box_that_is_another_tells_how() {
    let before = enquired("", "").unwrap();
    let check = |question: &str, answer: &str, expected: Option<Replaced>| {
        assert_eq!(enquired(question, answer).unwrap().replaced(&before), expected);
    };
    let pair = |before: &str, now: &str| (before.to_owned(), now.to_owned());
    check("", "", None);
    let (was, now) = pair("1", "3");
    let fpga = Replaced::Fpga { before: was, now };
    check("*IDN?", "OK =PandA SW: 4.1 FPGA: 3 rootfs: 2\n", Some(fpga));
    let (was, now) = pair("app", "other");
    let application = Replaced::Application { before: was, now };
    check("*METADATA.APPNAME?", "OK =other\n", Some(application));
    let (was, now) = pair("4.1", "4.2");
    let software = Replaced::Software { before: was, now };
    check("*IDN?", "OK =PandA SW: 4.2 FPGA: 1 rootfs: 2\n", Some(software));
    check("*BLOCKS?", "!SEQ 3\n.\n", Some(Replaced::Fields));
}
