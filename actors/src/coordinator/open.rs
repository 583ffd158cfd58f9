//! Opening a run: start document, files, master file, descriptor and resources.
use super::{
    beamline::Beamline,
    bulletin::Bulletin,
    collect::total_key,
    flight::Cut,
    phase::{Board, OpenRun, Session},
    publish::{BeginRun, Declare, STREAM},
    safety::OPEN_WITHIN,
};
use crate::{
    device::detector::Describe,
    logic::detector::{self, Dataset, DatasetKind, Dtype, FilePlan, OpenFile},
    status::Intent,
    storage::{AxisPlan, ColumnsLink, DetectorLink, MasterPlan},
};
use bluefly_protocol::{
    api::Description,
    document::{
        DataKey, DescriptorInfo, JoinMethod, ObjectHints, ResourceInfo, RunInfo, StartHints,
    },
    exposures::ExposuresPerFrame,
    fault::{Fault, FaultClass},
    name::Name,
    plan::ScanPlan,
};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Setpoints worked out at a time.
const CHUNK: u64 = 16_384;

/// What is to be opened.
pub(super) struct Opening<'a> {
    pub(super) plan: &'a Arc<ScanPlan>,
    pub(super) session: &'a Session,
    /// Tells the steps of this process apart.
    pub(super) kickoff: u64,
}

/// Opens a run. What was opened before a failure is in the bulletin, to be undone.
pub(super) async fn open_run(
    beamline: &Beamline,
    (bulletin, board): (&Bulletin, &Board),
    Opening { plan, session, kickoff }: Opening<'_>,
) -> Result<OpenRun, Cut> {
    let publisher = beamline.publisher();
    let begin = || {
        let info = run_info(beamline, plan, session);
        publisher.call("begin a run", BeginRun { info, kickoff }, OPEN_WITHIN)
    };
    let patience = beamline.settings.crash_patience();
    let uid: String = beamline.persist(patience, &beamline.publisher.1, begin).await?;
    let mut run = OpenRun { uid, axes: plan.axes().to_vec(), master: None };
    bulletin.opened(&run);
    let files = loop {
        match open_files(beamline, &run.uid, plan.num_frames()).await {
            Ok(files) => break files,
            // A detector that is stopped by hand gives up what it does, and pauses the flight.
            Err(fault) if board.intent() == Intent::Pause => {
                tracing::warn!(%fault, "paused while files were opened");
                match board.clone().stay().await {
                    Intent::Run | Intent::Pause => board.resume(),
                    intent @ (Intent::Stop | Intent::Abort) => return Err(intent.into()),
                }
            }
            Err(fault) => return Err(fault.into()),
        }
    };
    let master = beamline.settings.directory.join(format!("{}.nxs", run.uid));
    let declare = declare(beamline, plan, &files)?;
    let declare = || publisher.call("declare the stream", declare.clone(), OPEN_WITHIN);
    // Two files, written by two threads.
    let (created, declared) = futures_util::join!(
        create_master(beamline, plan, &files, (&run.uid, master.clone())),
        beamline.persist(patience, &beamline.publisher.1, declare),
    );
    if created.is_ok() {
        run.master = Some(master);
        bulletin.opened(&run);
    }
    let resources = created.and(declared)?;
    bulletin.filed(&run.uid, resources);
    tracing::info!(uid = %run.uid, frames = plan.num_frames(), "run opened");
    Ok(run)
}

/// Opens the file of every detector, or goes on with those that are open.
async fn open_files(
    beamline: &Beamline,
    uid: &str,
    frames: u64,
) -> Result<BTreeMap<Name, Arc<OpenFile>>, Fault> {
    let opened = beamline.detectors.keys().map(|name| {
        let file = file_plan(beamline, (uid, name), frames);
        async move { Ok::<_, Fault>((name.clone(), beamline.open_file((name, file)).await?)) }
    });
    Ok(try_join_all(opened).await?.into_iter().collect())
}

/// Fields that span each dimension, slowest first.
fn dimensions(plan: &ScanPlan) -> Vec<(Vec<String>, String)> {
    let dimensions = plan.stack().axes_by_dimension().into_iter().map(|axes| {
        // What only repeats goes on in time.
        let axes = if axes.is_empty() { vec!["time"] } else { axes };
        (axes.into_iter().map(str::to_owned).collect(), STREAM.to_owned())
    });
    dimensions.collect()
}

fn run_info(beamline: &Beamline, plan: &ScanPlan, session: &Session) -> RunInfo {
    let stack = plan.stack();
    let axes: Vec<Value> = plan.axes().iter().map(|axis| json!(axis)).collect();
    let detectors: Vec<Value> = beamline.detectors.keys().map(|name| json!(name)).collect();
    let own = [
        ("plan_type", json!("bluefly")),
        ("beamline", json!(beamline.name)),
        ("motors", Value::Array(axes)),
        ("detectors", Value::Array(detectors)),
        ("scan_spec", json!(plan.spec())),
        ("snaked", json!(stack.snaked())),
        ("predicted_duration", json!(plan.prediction().duration.as_secs_f64())),
        ("predicted_bytes", json!(plan.file_bytes())),
    ];
    let mut metadata = BTreeMap::from([("plan_name".to_owned(), json!("fly"))]);
    metadata.extend(session.metadata.clone());
    metadata.extend(own.map(|(key, value)| (key.to_owned(), value)));
    RunInfo {
        uid: session.uid.clone(),
        shape: stack.shape(),
        hints: StartHints { dimensions: dimensions(plan), ..StartHints::default() },
        metadata,
        ..RunInfo::default()
    }
}

/// Where the file of a detector is to be, and for how many frames.
pub(super) fn file_plan(
    beamline: &Beamline,
    (uid, detector): (&str, &Name),
    frames: u64,
) -> FilePlan {
    let relative = beamline.settings.path_template.path(&beamline.name, uid, detector);
    // Those of the template: the directory of all files is there.
    let new_directories = u32::try_from(relative.matches('/').count()).unwrap_or(u32::MAX);
    let path = beamline.settings.directory.join(relative);
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    FilePlan {
        directory: path.parent().map(PathBuf::from).unwrap_or_default(),
        file_name: file_name.unwrap_or_default(),
        new_directories,
        frames,
    }
}

/// The key under which a dataset of a detector is announced.
fn key(detector: &Name, dataset: &Dataset) -> String {
    match dataset.kind {
        DatasetKind::Detector => detector.to_string(),
        DatasetKind::Monitor | DatasetKind::Position => format!("{detector}-{}", dataset.name),
    }
}

/// What the rows of a scan consist of, as far as that is known before any file is open.
pub(super) async fn describe(
    beamline: &Beamline,
    plan: &ScanPlan,
    session: &Session,
) -> Result<Description, Fault> {
    let patience = beamline.settings.device_timeout;
    let described = beamline.detectors.iter().map(|(name, detector)| async move {
        let describe =
            || async { beamline.detector(name)?.ask("describe its frames", Describe).await? };
        Ok::<_, Fault>((name.clone(), beamline.persist(patience, detector, describe).await?))
    });
    let described: BTreeMap<Name, detector::Description> =
        try_join_all(described).await?.into_iter().collect();
    let descriptor = descriptor(beamline, plan, &described);
    Ok(Description {
        run: session.run.as_ref().map(|run| run.uid.clone()),
        stream: descriptor.stream,
        num_frames: plan.num_frames(),
        shape: plan.stack().shape(),
        dimensions: dimensions(plan),
        data_keys: descriptor.data_keys,
        hints: descriptor.hints,
        configuration: descriptor.configuration,
    })
}

fn descriptor(
    beamline: &Beamline,
    plan: &ScanPlan,
    detectors: &BTreeMap<Name, detector::Description>,
) -> DescriptorInfo {
    let mut descriptor = DescriptorInfo { stream: STREAM.to_owned(), ..DescriptorInfo::default() };
    for axis in plan.axes() {
        let capability = &beamline.capabilities.axes[axis];
        let mut setpoint = DataKey::number(axis.as_str(), &format!("scan://{axis}"));
        setpoint.units = Some(capability.units.clone());
        setpoint.precision = Some(capability.precision);
        descriptor.data_keys.insert(axis.to_string(), setpoint);
        let hints = ObjectHints { fields: vec![axis.to_string()], ..ObjectHints::default() };
        descriptor.hints.insert(axis.to_string(), hints);
    }
    for (name, described) in detectors {
        let mut fields = Vec::new();
        if beamline.settings.has_statistics(name) {
            let total = total_key(name.as_str());
            let source = format!("bluefly://{name}/total");
            descriptor.data_keys.insert(total.clone(), DataKey::number(name.as_str(), &source));
            fields.push(total);
        }
        let hints = ObjectHints { fields, ..ObjectHints::default() };
        descriptor.hints.insert(name.to_string(), hints);
        for dataset in &described.datasets {
            let source = format!("bluefly://{name}/{}", dataset.name);
            let numpy = numpy(dataset.dtype);
            let (shape, _) = event_shape(dataset, described.exposures_per_frame);
            let mut data_key = DataKey::stream(name.as_str(), &source, numpy, &shape);
            data_key.units.clone_from(&dataset.units);
            descriptor.data_keys.insert(key(name, dataset), data_key);
        }
    }
    descriptor
}

fn declare(
    beamline: &Beamline,
    plan: &ScanPlan,
    files: &BTreeMap<Name, Arc<OpenFile>>,
) -> Result<Declare, Fault> {
    let described = files.iter().map(|(name, file)| {
        let (datasets, exposures_per_frame) = (file.datasets.clone(), file.exposures_per_frame);
        (name.clone(), detector::Description { datasets, exposures_per_frame })
    });
    let descriptor = descriptor(beamline, plan, &described.collect());
    let mut resources = Vec::new();
    for (name, file) in files {
        let uri = uri(beamline, name, file)?;
        for dataset in &file.datasets {
            let (_, join_method) = event_shape(dataset, file.exposures_per_frame);
            let chunk = [dataset.rows_per_chunk];
            resources.push(ResourceInfo {
                data_key: key(name, dataset),
                uri: uri.clone(),
                dataset: dataset.path.clone(),
                chunk_shape: chunk.iter().chain(&dataset.shape).copied().collect(),
                join_method,
            });
        }
    }
    Ok(Declare { descriptor, resources })
}

/// What an event has of a dataset: a row, or the rows of all exposures of its frame.
fn event_shape(dataset: &Dataset, per_frame: ExposuresPerFrame) -> (Vec<u64>, JoinMethod) {
    let row = dataset.shape.clone();
    if per_frame == ExposuresPerFrame::ONE {
        return (row, JoinMethod::Stack);
    }
    ([u64::from(per_frame.get())].into_iter().chain(row).collect(), JoinMethod::Concat)
}

/// The location of a file as documents give it: `file://localhost/absolute/path`.
fn uri(beamline: &Beamline, name: &Name, file: &OpenFile) -> Result<String, Fault> {
    let path = file.path.to_str().filter(|path| path.starts_with('/'));
    let Some(path) = path else {
        let reason = format!("{} is no absolute path in UTF-8", file.path.display());
        let detector = beamline.detector(name)?;
        return Err(detector.fault("announce its file", FaultClass::Failed, reason));
    };
    let mut uri = "file://localhost".to_owned();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    Ok(uri)
}

async fn create_master(
    beamline: &Beamline,
    plan: &Arc<ScanPlan>,
    files: &BTreeMap<Name, Arc<OpenFile>>,
    (uid, path): (&str, PathBuf),
) -> Result<(), Fault> {
    let (stack, total) = (Arc::clone(plan.stack()), plan.num_frames());
    let setpoints = (0..total.div_ceil(CHUNK)).map(move |chunk| {
        let frames = stack.frames(chunk * CHUNK..((chunk + 1) * CHUNK).min(total));
        frames.midpoints().to_vec()
    });
    let axes = plan.axes().iter().map(|axis| AxisPlan {
        name: axis.to_string(),
        units: beamline.capabilities.axes[axis].units.clone(),
    });
    let directory = &beamline.settings.directory;
    let relative = |file: &OpenFile| {
        let relative = file.path.strip_prefix(directory).unwrap_or(&file.path);
        relative.to_string_lossy().into_owned()
    };
    let is_image = |set: &Dataset| set.kind == DatasetKind::Detector;
    let detectors = files.iter().flat_map(|(name, file)| {
        file.datasets.iter().filter(|set| is_image(set)).map(|dataset| DetectorLink {
            name: name.to_string(),
            file: relative(file),
            dataset: dataset.path.clone(),
            row_rank: dataset.shape.len(),
            exposures_per_frame: file.exposures_per_frame,
        })
    });
    let columns = files.iter().filter(|(_, file)| !file.datasets.iter().any(is_image));
    let columns = columns.map(|(name, file)| ColumnsLink {
        name: name.to_string(),
        file: relative(file),
        datasets: file.datasets.iter().map(|set| set.path.clone()).collect(),
    });
    let clock = &beamline.clock;
    let master = MasterPlan {
        path,
        title: format!("fly scan of {total} frames"),
        run_uid: uid.to_owned(),
        start_time: super::iso8601(clock.unix_s(clock.now())),
        scan_shape: plan.stack().shape(),
        axes: axes.collect(),
        setpoints: Box::new(setpoints),
        detectors: detectors.collect(),
        columns: columns.collect(),
    };
    let fault = |reason: String| {
        beamline.publisher().fault("create the master file", FaultClass::Failed, reason)
    };
    let created = beamline.clock.timeout(OPEN_WITHIN, beamline.storage.create_master(master)).await;
    let created = created.map_err(|_| fault(format!("it takes longer than {OPEN_WITHIN:?}")))?;
    created.map_err(|error| fault(error.to_string()))
}

/// One hexadecimal digit, in upper case.
fn hex(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).expect("below 16").to_ascii_uppercase()
}

/// The exact type of a number, as numpy writes it.
fn numpy(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Int8 => "|i1",
        Dtype::UInt8 => "|u1",
        Dtype::Int16 => "<i2",
        Dtype::UInt16 => "<u2",
        Dtype::Int32 => "<i4",
        Dtype::UInt32 => "<u4",
        Dtype::Int64 => "<i8",
        Dtype::UInt64 => "<u8",
        Dtype::Float32 => "<f4",
        Dtype::Float64 => "<f8",
    }
}
