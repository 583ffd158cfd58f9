//! Runs and their rows are found in a file of documents, whatever was left of it.
use bluefly_actors::archive::{Archive, KILLED, MAX_ROWS, Past};
use bluefly_protocol::{
    api::Columns,
    document::{
        DataKey, DescriptorInfo, Document, ExitStatus, Outcome, ResourceInfo, Rows, RunComposer,
        RunInfo,
    },
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A file of documents as a process writes it.
struct Scribe {
    directory: TempDir,
    archive: Archive,
}

/// A run: its uid, the rows of each of its pages, and whether it ends.
type Story<'a> = (&'a str, &'a [u64], bool);

impl Scribe {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(directory.path().join("documents.jsonl")).unwrap();
        Self { directory, archive }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("documents.jsonl")
    }

    fn index(&self) -> PathBuf {
        self.directory.path().join("documents.jsonl.index")
    }

    fn length(&self) -> u64 {
        fs::metadata(self.path()).map_or(0, |there| there.len())
    }

    fn write(&self, lines: &[String]) {
        let offset = self.length();
        let mut file = File::options().create(true).append(true).open(self.path()).unwrap();
        file.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
        self.archive.written(offset, lines.iter().map(String::as_str));
    }

    fn tell(&self, story: Story<'_>) {
        for lines in batches(story) {
            self.write(&lines);
        }
    }

    fn again(&self) -> Archive {
        Archive::open(self.path()).unwrap()
    }
}

/// The documents of a run, as they are written at a time.
fn batches((uid, pages, ends): Story<'_>) -> Vec<Vec<String>> {
    let mut uids = (0..).map(|i| if i == 0 { uid.to_owned() } else { format!("{uid}-{i}") });
    let info = RunInfo { time_s: 10.0, scan_id: 1, ..RunInfo::default() };
    let (mut run, start) = RunComposer::start(info, || uids.next().unwrap()).unwrap();
    let keys = [
        ("x".to_owned(), DataKey::number("x", "scan://x")),
        ("camera".to_owned(), DataKey::stream("camera", "file://f", "<u2", &[2, 3])),
    ];
    let descriptor = DescriptorInfo {
        stream: "primary".to_owned(),
        data_keys: keys.into_iter().collect(),
        ..DescriptorInfo::default()
    };
    let resource = ResourceInfo {
        data_key: "camera".to_owned(),
        uri: "file://localhost/f.h5".to_owned(),
        dataset: "/data".to_owned(),
        chunk_shape: vec![1, 2, 3],
        ..ResourceInfo::default()
    };
    let mut documents = vec![vec![start], vec![run.descriptor(descriptor, 11.0).unwrap()]];
    let mut row = 0;
    for count in pages {
        let mut page = if row == 0 {
            vec![Document::StreamResource(run.stream_resource(resource.clone()).unwrap())]
        } else {
            Vec::new()
        };
        page.extend(run.rows("primary", rows(row..row + count)).unwrap());
        documents.push(page);
        row += count;
    }
    if ends {
        documents.push(vec![run.stop(Outcome::Success, 20.0 + row as f64)]);
    }
    let line = |document: &Document| serde_json::to_string(document).unwrap();
    documents.iter().map(|batch| batch.iter().map(line).collect()).collect()
}

fn rows(rows: Range<u64>) -> Rows {
    let count = rows.end - rows.start;
    let x = rows.clone().map(|row| row as f64 / 7.0).collect();
    let timestamps_s = rows.map(|row| 12.0 + row as f64).collect();
    Rows { count, columns: BTreeMap::from([("x".to_owned(), x)]), timestamps_s }
}

fn expected(range: Range<u64>) -> Columns {
    if range.is_empty() {
        return Columns::default();
    }
    let Rows { columns: data, timestamps_s: time, .. } = rows(range);
    let timestamps = data.keys().map(|key| (key.clone(), time.clone())).collect();
    Columns { time, data, timestamps }
}

fn uids(archive: &Archive) -> Vec<String> {
    archive.runs(100, |_, _| true).iter().map(|run| run.uid().to_owned()).collect()
}

fn documents(archive: &Archive, uid: &str) -> Vec<String> {
    archive.documents(uid).unwrap().unwrap().map(Result::unwrap).collect()
}

#[test]
fn runs_documents_and_rows_are_found_again() {
    let scribe = Scribe::new();
    assert_eq!((uids(&scribe.archive), scribe.archive.unended()), (vec![], None));
    let stories: [Story<'_>; 3] =
        [("a", &[1, 2, 3], true), ("b", &[], true), ("c", &[10, 1, 10], false)];
    for story in stories {
        scribe.tell(story);
    }
    for archive in [scribe.archive.clone(), scribe.again()] {
        assert_eq!(uids(&archive), ["b", "a"]);
        assert_eq!(archive.runs(1, |_, _| true)[0].uid(), "b");
        let run = archive.run("a").unwrap().unwrap();
        let told = (run.start.time_s, run.ended_s(), run.exit_status(), run.num_frames());
        assert_eq!(told, (10.0, Some(26.0), ExitStatus::Success, Some(6)));
        assert_eq!((archive.run("c").unwrap(), archive.run("d").unwrap()), (None, None));
        assert!(archive.knows("a") && archive.knows("c") && !archive.knows("d"));
        for story in stories {
            assert_eq!(documents(&archive, story.0), batches(story).concat());
            let total: u64 = story.1.iter().sum();
            for range in [0..total, 0..1, 2..3, 1..5, 5..100, 10..11, 10..12, 20..21, 21..22, 4..4]
            {
                let clipped = range.start.min(total)..range.end.min(total);
                let found = archive.columns(story.0, range.clone()).unwrap();
                assert_eq!(found, expected(clipped), "{} {range:?}", story.0);
            }
        }
        assert!(archive.documents("d").unwrap().is_none());
        assert!(archive.columns("d", 0..1).is_err());
        let skipped = archive.documents("a").unwrap().unwrap().skip(2).take(2);
        let skipped: Vec<_> = skipped.map(Result::unwrap).collect();
        assert_eq!(skipped, batches(stories[0]).concat()[2..4]);
        let unended = archive.unended().unwrap();
        assert_eq!((unended.uid.as_str(), unended.num_events["primary"]), ("c", 21));
        let Document::Stop(stop) = unended.stop("s".to_owned(), 1.0) else { panic!("a stop") };
        assert_eq!((stop.time_s, stop.run_start.as_str()), (10.0, "c"));
        assert_eq!((stop.exit_status, stop.reason.as_str()), (ExitStatus::Fail, KILLED));
    }
}

#[test]
fn runs_that_ended_otherwise_were_missing_behind_later_ones() {
    let scribe = Scribe::new();
    let stories: [Story<'_>; 5] = [
        ("a", &[1], true),
        ("b", &[1], false),
        ("c", &[1; 30], true),
        ("d", &[1], false),
        ("e", &[], true),
    ];
    for story in stories {
        scribe.tell(story);
    }
    let check = |limit, exit_status, expected: &[&str]| {
        for archive in [scribe.archive.clone(), scribe.again()] {
            let found = archive.runs(limit, |_, exit| exit == exit_status);
            let found: Vec<&str> = found.iter().map(Past::uid).collect();
            assert_eq!(found, expected, "{limit}, {exit_status:?}");
        }
    };
    check(1, ExitStatus::Success, &["e"]);
    check(3, ExitStatus::Success, &["e", "c", "a"]);
    check(1, ExitStatus::Fail, &["d"]);
    check(9, ExitStatus::Fail, &["d", "b"]);
    check(9, ExitStatus::Abort, &[]);
}

#[test]
fn an_answer_has_ten_thousand_rows_at_most() {
    let scribe = Scribe::new();
    scribe.tell(("a", &[900; 30], true));
    for archive in [scribe.archive.clone(), scribe.again()] {
        let found = archive.columns("a", 5..u64::MAX).unwrap();
        assert_eq!(found, expected(5..5 + MAX_ROWS));
        assert_eq!(archive.columns("a", 26_000..u64::MAX).unwrap(), expected(26_000..27_000));
    }
}

/// A file that is cut anywhere is read as far as it is whole, and can be gone on with.
#[test]
fn a_file_is_read_though_it_was_cut_at_any_byte() {
    let scribe = Scribe::new();
    let stories: [Story<'_>; 2] = [("a", &[2], true), ("b", &[1, 2], true)];
    for story in stories {
        scribe.tell(story);
    }
    let whole = fs::read_to_string(scribe.path()).unwrap();
    for cut in 0..whole.len() {
        fs::write(scribe.path(), &whole[..cut]).unwrap();
        let archive = scribe.again();
        let lines: Vec<&str> = whole[..cut].split_inclusive('\n').collect();
        let lines = lines.into_iter().filter(|line| line.ends_with('\n'));
        let ended = lines.clone().filter(|line| line.starts_with("{\"name\":\"stop")).count();
        let begun = lines.clone().filter(|line| line.starts_with("{\"name\":\"start")).count();
        assert_eq!(uids(&archive).len(), ended, "cut at {cut}");
        assert_eq!(
            archive.unended().map(|run| run.uid),
            (begun > ended).then(|| { ["a", "b"][begun - 1].to_owned() })
        );
        let num_documents: usize = ["a", "b"]
            .iter()
            .filter_map(|uid| archive.documents(uid).unwrap())
            .map(Iterator::count)
            .sum();
        assert_eq!(num_documents, lines.count(), "cut at {cut}");
        // The next process begins a line of its own.
        fs::write(scribe.path(), format!("{}\n", &whole[..cut])).unwrap();
        archive.catch_up(cut as u64 + 1).unwrap();
        if let Some(unended) = archive.unended() {
            let stop = serde_json::to_string(&unended.clone().stop("s".to_owned(), 99.0)).unwrap();
            archive.written(cut as u64 + 1, [stop.as_str()]);
            let mut file = File::options().append(true).open(scribe.path()).unwrap();
            file.write_all(format!("{stop}\n").as_bytes()).unwrap();
            for archive in [archive, scribe.again()] {
                assert_eq!(uids(&archive).first(), Some(&unended.uid), "cut at {cut}");
                assert_eq!(archive.runs(1, |_, _| true)[0].reason(), KILLED);
                assert_eq!(documents(&archive, &unended.uid).last(), Some(&stop));
                let rows = unended.num_events.get("primary").copied().unwrap_or(0);
                assert_eq!(archive.columns(&unended.uid, 0..rows).unwrap(), expected(0..rows));
            }
        }
    }
}

/// More documents than are looked through at the start of a process.
fn large() -> Scribe {
    let scribe = Scribe::new();
    scribe.tell(("first", &[1], true));
    scribe.tell(("large", &[1_000; 60], true));
    scribe.tell(("last", &[1, 2], true));
    assert!(scribe.length() > 2 << 20 && scribe.index().exists());
    scribe
}

#[test]
fn the_next_process_looks_only_at_what_is_new() {
    let scribe = large();
    // Whoever looked at this would find no run of that name any more.
    let text = fs::read_to_string(scribe.path()).unwrap();
    fs::write(scribe.path(), text.replacen("\"start\"", "\"statt\"", 1)).unwrap();
    assert!(scribe.again().knows("first"));
    assert!(scribe.again().run("first").is_err(), "it was changed");
    assert_eq!(uids(&scribe.again()), ["last", "large"], "the others are listed all the same");
    scribe.tell(("new", &[3], false));
    let archive = scribe.again();
    assert_eq!(archive.unended().unwrap().num_events["primary"], 3);
    assert_eq!(archive.columns("large", 5_000..5_001).unwrap(), expected(5_000..5_001));
    assert_eq!(archive.columns("new", 0..9).unwrap(), expected(0..3));
}

#[test]
fn a_large_run_that_was_cut_off_is_taken_up_where_it_was_noted() {
    let scribe = Scribe::new();
    scribe.tell(("open", &[1_000; 250], false));
    assert!(scribe.length() > 10 << 20 && scribe.index().exists());
    let whole = scribe.length();
    for cut in [whole, whole - 1, whole - 100_000] {
        File::options().write(true).open(scribe.path()).unwrap().set_len(cut).unwrap();
        let (fast, index) = (scribe.again(), fs::read(scribe.index()).unwrap());
        fs::remove_file(scribe.index()).unwrap();
        let slow = scribe.again();
        assert_eq!(fast.unended(), slow.unended());
        let rows = fast.unended().unwrap().num_events["primary"];
        assert!(rows >= 247_000, "{rows}");
        for archive in [fast, slow] {
            assert_eq!(archive.columns("open", 0..3).unwrap(), expected(0..3));
            let end = rows - 3..rows + 5;
            assert_eq!(archive.columns("open", end).unwrap(), expected(rows - 3..rows));
        }
        fs::write(scribe.index(), index).unwrap();
    }
}

#[test]
fn an_index_that_does_not_fit_is_made_anew() {
    let check = |what: &str, spoil: &dyn Fn(&Path, &Path), expected: &[&str]| {
        let scribe = large();
        spoil(&scribe.path(), &scribe.index());
        assert_eq!(uids(&scribe.again()), expected, "{what}");
        scribe.again();
        assert_eq!(uids(&scribe.again()), expected, "{what}, again");
    };
    let all = ["last", "large", "first"];
    check("nothing", &|_, _| {}, &all);
    check("removed", &|_, index| fs::remove_file(index).unwrap(), &all);
    check("empty", &|_, index| fs::write(index, "").unwrap(), &all);
    check("no index", &|_, index| fs::write(index, "{}\n[]\n").unwrap(), &all);
    for cut in [1, 2, 40, 200] {
        let cut = |_: &Path, index: &Path| {
            let text = fs::read(index).unwrap();
            fs::write(index, &text[..text.len().saturating_sub(cut)]).unwrap();
        };
        check("cut", &cut, &all);
    }
    let twice = |_: &Path, index: &Path| {
        let text = fs::read_to_string(index).unwrap();
        let last = text.lines().next_back().unwrap();
        fs::write(index, format!("{text}{last}\n")).unwrap();
    };
    check("noted twice", &twice, &all);
    check("emptied", &|documents, _| fs::write(documents, "").unwrap(), &[]);
    let without_first = |documents: &Path, _: &Path| {
        let text = fs::read_to_string(documents).unwrap();
        let lines: Vec<&str> = text.lines().skip(5).collect();
        assert!(lines[0].starts_with("{\"name\":\"stop\"") || lines[0].contains("start"));
        fs::write(documents, lines.join("\n") + "\n").unwrap();
    };
    check("begun later", &without_first, &["last", "large"]);
}

/// Bytes that are no documents, such as a disk that lost its power leaves, are passed over.
#[test]
fn a_hole_in_the_file_is_passed_over() {
    let scribe = Scribe::new();
    scribe.tell(("a", &[1], true));
    let file = File::options().append(true).open(scribe.path()).unwrap();
    file.set_len(scribe.length() + (200 << 20)).unwrap();
    File::options().append(true).open(scribe.path()).unwrap().write_all(b"\n").unwrap();
    scribe.tell(("b", &[2], false));
    for archive in [scribe.archive.clone(), scribe.again()] {
        assert_eq!(uids(&archive), ["a"]);
        assert_eq!(archive.unended().unwrap().num_events["primary"], 2);
        assert_eq!(archive.columns("b", 0..2).unwrap(), expected(0..2));
    }
}
