//! What a PandA says of itself, and where it is not set up as the file says. Nothing is written.
use bluefly_actors::{
    backend::panda::{
        capture::DataPort,
        control::{Control, ControlFault},
    },
    clock::Clock,
    device::panda::PandaLink,
    logic::panda::wiring::Found,
};
use bluefly_protocol::panda::describe::Inventory;
use std::time::Duration;

/// What it has, and how it is set up; or why it cannot be asked within that time.
pub(super) async fn look(
    link: &PandaLink,
    (clock, within): (&Clock, Duration),
) -> Result<(Inventory, Found), String> {
    let peer = link.dial.peer();
    let asked = async {
        let wire = link.dial.dial().await;
        let wire = wire.map_err(|error| format!("cannot connect: {error}"))?;
        let (control, connection) = Control::over(wire, link.timing.commands, clock.clone());
        tokio::select! { biased;
            loss = connection => Err(loss.to_string()),
            told = ask(link, &control) => told.map_err(|error| error.to_string()),
        }
    };
    let asked = clock.timeout(within, asked).await;
    let asked = asked.unwrap_or_else(|_| Err(format!("it does not answer within {within:?}")));
    asked.map_err(|why| format!("{peer}: {why}"))
}

/// Fails if nobody could read the rows that it captures.
pub(super) async fn look_at_data(port: &dyn DataPort) -> Result<(), String> {
    let tried = port.try_out().await;
    tried.map_err(|error| format!("{}: the port of its rows: {error}", port.peer()))
}

async fn ask(link: &PandaLink, control: &Control) -> Result<(Inventory, Found), ControlFault> {
    let inventory = control.inventory().await?;
    let found = link.wiring.look(control, &inventory).await?;
    Ok((inventory, found))
}

/// What it says of itself.
pub(super) fn named(inventory: &Inventory) -> String {
    let identity = &inventory.identity;
    let application = inventory.application.as_deref().unwrap_or("not named");
    let num_fields = inventory.num_fields();
    format!("server {}, application {application}, {num_fields} fields", identity.software)
}
