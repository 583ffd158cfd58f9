//! [`Pandas`]: the connections to every PandA of a beamline, which outlive the actors that use them.
use crate::{assembly::cannot_capture, process::StartError};
use bluefly_actors::{
    backend::panda::capture::DataPort,
    clock::Clock,
    coordinator::survey::CONNECTIONS,
    device::panda::{Look, Panda, PandaLink},
    supervise::{Env, Ref, Seat, Snapshot, Strategy, Supervisor, Tree},
};
use bluefly_protocol::{
    beamline::{BeamlineSpec, PandaSpec},
    fault::{Fault, FaultClass},
    name::Name,
};
use futures_util::future::try_join_all;
use std::{collections::BTreeMap, rc::Rc, time::Duration};

/// How each PandA is reached, by name.
pub(crate) type PandaPlaces = BTreeMap<Name, PandaPlace>;

/// The two ports of a PandA.
pub(crate) struct PandaPlace {
    pub(crate) link: PandaLink,
    pub(crate) data: Rc<dyn DataPort>,
}

/// The supervised connections to every PandA: a tree of their own, which is the first to be there and
/// the last to go, since a device is made safe over them when its actor is gone.
pub(crate) struct Pandas {
    pub(crate) references: BTreeMap<Name, Ref<Panda>>,
    /// None if there is no PandA.
    pub(crate) tree: Option<Tree>,
}

/// Restarts of the supervisors of connections, which put up with any number themselves.
const INTENSITY: (usize, Duration) = (3, Duration::from_mins(1));
/// How long the actor of a connection may take to say how it is.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

impl Pandas {
    /// Connects to all of them; resolves once each is reached and set up as the file says.
    pub(crate) async fn connect(
        spec: &BeamlineSpec,
        places: &PandaPlaces,
        (env, clock): (&Env, &Clock),
    ) -> Result<Self, StartError> {
        if places.is_empty() {
            return Ok(Self { references: BTreeMap::new(), tree: None });
        }
        let (max_restarts, window) = INTENSITY;
        let mut supervisor = Supervisor::new(Strategy::OneForOne).intensity(max_restarts, window);
        let mut references = BTreeMap::new();
        for (name, PandaPlace { link, .. }) in places {
            let (place, reference) = Seat::new(name.as_str());
            supervisor = supervisor.child(Panda::branch(place, link.clone()));
            references.insert(name.clone(), reference);
        }
        let tree = supervisor.spawn(CONNECTIONS, env);
        let pandas = Self { references: references.clone(), tree: Some(tree.clone()) };
        let reached = spec.pandas().filter_map(|panda| {
            let link = &places.get(&panda.name)?.link;
            let actor = references.get(&panda.name)?;
            Some(reached((spec, panda), (link, actor), (&tree, clock)))
        });
        match try_join_all(reached).await {
            Ok(_) => Ok(pandas),
            Err(error) => {
                pandas.shutdown().await;
                Err(error)
            }
        }
    }

    /// Ends the connections.
    pub(crate) async fn shutdown(&self) {
        if let Some(tree) = &self.tree {
            let exit = tree.shutdown().await;
            tracing::debug!(%exit, "the connections to PandAs have ended");
        }
    }
}

async fn reached(
    (spec, panda): (&BeamlineSpec, &PandaSpec),
    (link, actor): (&PandaLink, &Ref<Panda>),
    (tree, clock): (&Tree, &Clock),
) -> Result<(), StartError> {
    let (name, within) = (&panda.name, panda.connection_timeout);
    if clock.timeout(within, link.seat.until_reached()).await.is_err() {
        let (device, peer) = (name.clone(), link.dial.peer());
        let why = last_exit(&tree.snapshot(), name);
        return Err(StartError::Away { device, peer, within, why });
    }
    refused(name, actor).await?;
    link.wiring.verify(name, &link.seat).await.map_err(StartError::Wiring)?;
    let session = link.seat.reached().map_err(|error| {
        let (device, operation) = (name.clone(), "look what it can capture".to_owned());
        let (class, reason) = (FaultClass::Disconnected, error.to_string());
        StartError::Wiring(Fault { device, operation, class, reason })
    })?;
    let wrong = cannot_capture(spec, panda, &session.inventory);
    if wrong.is_empty() { Ok(()) } else { Err(StartError::Capture(wrong.join("; "))) }
}

/// Fails with what the PandA said to what it was to be, if it refused that: it is not said again. Of one
/// that is gone again whoever asks next is told.
async fn refused(panda: &Name, actor: &Ref<Panda>) -> Result<(), StartError> {
    let wiring = match actor.ask(Look, LOOK_WITHIN).await {
        Ok(state) => state.reached.map(|reached| reached.wiring),
        Err(error) => {
            tracing::debug!(%panda, %error, "a connection was lost at once");
            None
        }
    };
    let wrong = wiring.map(|found| found.wrong).unwrap_or_default();
    if wrong.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let (device, operation) = (panda.clone(), "set its wiring".to_owned());
    let (class, reason) = (FaultClass::Failed, all.join("; "));
    Err(StartError::Wiring(Fault { device, operation, class, reason }))
}

/// How the connection of a PandA ended last, if it was ever tried to its end.
fn last_exit(tree: &Snapshot, panda: &Name) -> String {
    let branches = tree.children.iter().flat_map(|branch| &branch.children);
    let actor = branches.into_iter().find(|actor| actor.id == panda.as_str());
    let exit = actor.and_then(|actor| actor.last_exit.as_ref());
    exit.map_or_else(|| "it does not answer".to_owned(), ToString::to_string)
}
