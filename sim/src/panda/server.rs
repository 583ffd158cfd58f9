//! [`Server`]: the control port and the data port of a box, without sockets and without a clock.
use super::{
    control::Control,
    experiment::Experiment,
    fault::Fault,
    fpga::{EndReason, Event, Fpga, Output, OutputEdge, TICKS_PER_SECOND},
    layout::{Captured, Layout, Source},
    panel::Panel,
    reader::Reader,
    time::{iso_8601, moment},
};
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// A connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// What a box says on its two ports, as a state machine: bytes come in with [`Self::receive`] and go
/// out from [`Self::output`], and time is the clock of its FPGA.
pub struct Server {
    pub(super) panel: Panel,
    connections: BTreeMap<ConnectionId, Connection>,
    next_id: u64,
    /// What time it was at tick zero, since 1970-01-01T00:00:00Z.
    started: Duration,
    tick: u64,
    /// The latest one.
    experiment: Option<Experiment>,
    /// Of the latest experiment that was enabled, as headers tell it.
    start_time: Duration,
    /// Of outputs that are followed.
    edges: Vec<OutputEdge>,
}

#[derive(Debug)]
struct Connection {
    peer: String,
    since: Duration,
    role: Role,
    /// When a client last took something of what it was sent, or there was nothing to take.
    took_at: u64,
}

#[derive(Debug)]
enum Role {
    Control(Control),
    Data(Reader),
}

/// A client that takes nothing for so long is dropped: the server waits three times for 10 s.
const DROP_AFTER: u64 = 30 * TICKS_PER_SECOND;
/// How often the driver is looked at while it captures: 10 ms.
const DRIVER_TICKS: u64 = TICKS_PER_SECOND / 100;
/// Rows are handed over at the latest at each so many looks: 100 ms.
const FLUSH_LOOKS: u64 = 10;

impl Server {
    /// A box that is as after its start; `started` is the time since 1970-01-01T00:00:00Z at its tick
    /// zero.
    pub fn new(fpga: Fpga, started: Duration) -> Self {
        Self {
            panel: Panel::new(fpga),
            connections: BTreeMap::new(),
            next_id: 0,
            started,
            tick: 0,
            experiment: None,
            start_time: Duration::ZERO,
            edges: Vec::new(),
        }
    }

    /// Edges of this output are kept from now on, until they are taken.
    pub fn follow(&mut self, output: Output) {
        self.panel.fpga.follow(output);
    }

    /// The edges of outputs that are followed, since they were taken before.
    pub fn take_edges(&mut self) -> Vec<OutputEdge> {
        self.edges.append(&mut self.panel.fpga.take_edges());
        std::mem::take(&mut self.edges)
    }

    /// The FPGA, for those who bring it signals from outside.
    pub fn fpga_mut(&mut self) -> &mut Fpga {
        &mut self.panel.fpga
    }

    /// A client has come to the control port; `peer` is its address as `*WHO?` shows it.
    pub fn connect_control(&mut self, peer: &str) -> ConnectionId {
        self.connect(peer, Role::Control(Control::default()))
    }

    /// A client has come to the data port.
    pub fn connect_data(&mut self, peer: &str) -> ConnectionId {
        self.connect(peer, Role::Data(Reader::default()))
    }

    fn connect(&mut self, peer: &str, role: Role) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        let connection =
            Connection { peer: peer.to_owned(), since: self.now(), role, took_at: self.tick };
        self.connections.insert(id, connection);
        id
    }

    /// A client is gone.
    pub fn disconnect(&mut self, id: ConnectionId) {
        self.release_tables(id);
        self.connections.remove(&id);
    }

    /// Gives back the tables that a connection was about to write.
    pub(super) fn release_tables(&mut self, id: ConnectionId) {
        for table in self.panel.tables.values_mut().filter(|table| table.writer == Some(id)) {
            table.writer = None;
        }
    }

    /// Takes what a client sent, and does it; how many bytes were taken. The rest is to be offered
    /// again once the client has taken of its replies.
    pub fn receive(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let Some(connection) = self.connections.get_mut(&id) else { return bytes.len() };
        match &mut connection.role {
            Role::Data(reader) => {
                let running = self.experiment.as_ref().filter(|now| now.end.is_none());
                reader.receive(bytes, running);
                self.pump(id);
                bytes.len()
            }
            Role::Control(control) => {
                let mut control = std::mem::take(control);
                let taken = self.receive_lines(id, &mut control, bytes);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.role = Role::Control(control);
                }
                taken
            }
        }
    }

    /// What a client is to be sent.
    pub fn output(&self, id: ConnectionId) -> &[u8] {
        match self.connections.get(&id).map(|connection| &connection.role) {
            Some(Role::Control(control)) => &control.output,
            Some(Role::Data(reader)) => &reader.output,
            None => &[],
        }
    }

    /// So many bytes of that were sent.
    pub fn sent(&mut self, id: ConnectionId, num_bytes: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.took_at = self.tick;
        let output = match &mut connection.role {
            Role::Control(control) => &mut control.output,
            Role::Data(reader) => &mut reader.output,
        };
        output.drain(..num_bytes.min(output.len()));
        self.pump(id);
    }

    /// Everything that a client is to be sent, as if it had been sent.
    pub fn take_output(&mut self, id: ConnectionId) -> Vec<u8> {
        let mut taken = Vec::new();
        while !self.output(id).is_empty() {
            taken.extend_from_slice(self.output(id));
            self.sent(id, self.output(id).len());
        }
        taken
    }

    /// Whether the connection is to be closed, or was closed already.
    pub fn is_over(&self, id: ConnectionId) -> bool {
        match self.connections.get(&id).map(|connection| &connection.role) {
            Some(Role::Control(control)) => control.is_over && control.output.is_empty(),
            Some(Role::Data(reader)) => reader.is_over(),
            None => true,
        }
    }

    /// The present moment, in ticks of 8 ns.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// When anything happens next without a client that a client or somebody at an output that is
    /// followed could notice; the owner advances to then.
    pub fn next_event(&self) -> Option<u64> {
        let captures = self.is_capturing().then(|| self.next_look());
        let waits = |connection: &&Connection| connection.has_output();
        let waiting = self.connections.values().filter(waits);
        let drops = waiting.map(|connection| connection.took_at + DROP_AFTER);
        let outputs = self.panel.fpga.next_edge().map(|tick| tick.saturating_add(1));
        Some(drops.chain(captures).chain(outputs).min()?.max(self.tick + 1))
    }

    /// Lets time pass up to `tick`. How it is cut leaves no mark on what clients are sent.
    pub fn advance_to(&mut self, tick: u64) {
        while self.tick < tick {
            let step = if self.is_capturing() { self.next_look().min(tick) } else { tick };
            while self.panel.fpga.run_until(step) < step {
                self.make_room();
            }
            self.tick = step;
            self.look();
            self.pump_all();
        }
        let stuck = |connection: &Connection| {
            connection.has_output() && tick >= connection.took_at + DROP_AFTER
        };
        let stuck: Vec<_> =
            self.connections.iter().filter(|(_, c)| stuck(c)).map(|(id, _)| *id).collect();
        for id in stuck {
            self.disconnect(id);
        }
    }

    fn now(&self) -> Duration {
        moment(self.started, self.tick)
    }

    /// Whether PCAP is armed, or takes rows.
    pub fn is_capturing(&self) -> bool {
        self.experiment.as_ref().is_some_and(|experiment| experiment.end.is_none())
    }

    /// The grid of looks at the driver begins where the experiment does.
    fn next_look(&self) -> u64 {
        let zero = self.experiment.as_ref().map_or(0, Experiment::grid_zero);
        let looks = (self.tick - zero.min(self.tick)) / DRIVER_TICKS + 1;
        zero + looks * DRIVER_TICKS
    }

    /// Asks the driver what came.
    fn look(&mut self) {
        let Some(experiment) = self.experiment.as_mut().filter(|now| now.end.is_none()) else {
            return;
        };
        let mut end = None;
        for event in self.panel.fpga.take_events() {
            match event {
                Event::Start { tick } => {
                    experiment.start(tick);
                    self.start_time = moment(self.started, tick);
                }
                Event::End { reason, .. } => end = Some(reason),
            }
        }
        experiment.take(&self.panel.fpga.take_words());
        experiment.hand_over_blocks();
        let since = self.tick - experiment.grid_zero().min(self.tick);
        if end.is_some() || since > 0 && since.is_multiple_of(FLUSH_LOOKS * DRIVER_TICKS) {
            experiment.flush();
        }
        experiment.end = end;
    }

    /// The FPGA stands still if nobody takes what it holds.
    fn make_room(&mut self) {
        self.edges.append(&mut self.panel.fpga.take_edges());
        let words = self.panel.fpga.take_words();
        if let Some(experiment) = self.experiment.as_mut().filter(|now| now.end.is_none()) {
            experiment.take(&words);
        }
    }

    fn pump_all(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.pump(id);
        }
    }

    /// Encodes for a reader what there is; one that ends frees the next arming.
    fn pump(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let had_output = connection.has_output();
        if let (Role::Data(reader), Some(experiment)) = (&mut connection.role, &self.experiment) {
            reader.pump(experiment, self.start_time);
        }
        if !had_output && connection.has_output() {
            connection.took_at = self.tick;
        }
    }

    fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.connections.values().filter_map(|connection| match &connection.role {
            Role::Data(reader) => Some(reader),
            Role::Control(_) => None,
        })
    }

    /// Begins a capture of what is selected.
    pub(super) fn arm(&mut self) -> Result<(), Fault> {
        if self.is_capturing() {
            return Err(Fault::new("Data capture already in progress"));
        }
        let fields = self.captured();
        if fields.is_empty() {
            return Err(Fault::new("Nothing configured for capture"));
        }
        self.pump_all();
        if self.readers().any(Reader::is_active) {
            // The server means to say "Data clients still taking data", and says where it fell.
            return Err(Fault::new("Unexpected error at server/data_server.c:254"));
        }
        let layout = Rc::new(Layout::of(&fields));
        self.make_room();
        let selected = self.panel.fpga.capture(layout.selection());
        selected.map_err(|error| Fault::owned(format!("Unexpected error at FPGA: {error}")))?;
        self.panel.fpga.arm();
        let experiment = Experiment::new(layout, self.now(), self.tick);
        for connection in self.connections.values_mut() {
            if let Role::Data(reader) = &mut connection.role {
                reader.begin(&experiment);
            }
        }
        self.experiment = Some(experiment);
        self.look();
        Ok(())
    }

    /// Ends a capture, if there is one.
    pub(super) fn disarm(&mut self) {
        self.panel.fpga.disarm();
        self.look();
        self.pump_all();
    }

    /// What is selected to be captured, as it is scaled now.
    fn captured(&self) -> Vec<Captured> {
        let places = self.panel.catalogue.captures.iter();
        let fields = places.filter_map(|&place| {
            let (slot, field) = (self.panel.slot(place), self.panel.field(place));
            let modes = slot.capture.value;
            let source = Source::of(&field.kind, &field.name, place.instance)?;
            (!modes.is_empty()).then(|| Captured {
                name: self.panel.catalogue.name(place),
                source,
                modes,
                scale: slot.scale.value,
                offset: slot.offset.value,
                units: slot.units.value.clone(),
            })
        });
        fields.collect()
    }

    /// As `*PCAP.STATUS?` tells it: whether data flows, readers, and those that take data.
    pub(super) fn capture_status(&self) -> String {
        let connected = self.readers().filter(|reader| reader.is_connected()).count();
        let active = self.readers().filter(|reader| reader.is_active()).count();
        let is_busy = self.is_capturing() || active > 0;
        format!("{} {connected} {active}", if is_busy { "Busy" } else { "Idle" })
    }

    pub(super) fn num_captured(&self) -> u64 {
        self.experiment.as_ref().map_or(0, Experiment::num_rows)
    }

    pub(super) fn completion(&self) -> &'static str {
        match &self.experiment {
            None => EndReason::Ok.text(),
            Some(experiment) => experiment.end.map_or("Busy", EndReason::text),
        }
    }

    /// The lines of `*WHO?`.
    pub(super) fn who(&self) -> Vec<String> {
        let line = |connection: &Connection| {
            let port = match connection.role {
                Role::Control(_) => "config",
                Role::Data(_) => "data",
            };
            format!("{} {port} {} ", iso_8601(connection.since, 3), connection.peer)
        };
        self.connections.values().map(line).collect()
    }
}

impl Connection {
    fn has_output(&self) -> bool {
        match &self.role {
            Role::Control(control) => !control.output.is_empty(),
            Role::Data(reader) => !reader.output.is_empty(),
        }
    }
}
