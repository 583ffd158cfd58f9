//! Following a run until it ends, whatever becomes of the connection.
use super::{
    CliError, Remote, render,
    screen::Screen,
    vigil::{Ending, Goal, Vigil, has_ended},
};
use crate::client::{Call, Feed, News, Served};
use bluefly_protocol::{
    api::{Event, Gate, Run, RunList, RunState, Status},
    run::RunPhase,
};

/// All that is of use to whoever looks on; documents can be many.
const LOOKED_AT: &str = "progress,queue,tree";
const EVERYTHING: &str = "document,progress,queue,tree";

/// Shows what happens on `screen` until the goal is reached. Ctrl-C ends only that.
pub(super) async fn follow(
    remote: &Remote,
    goal: Goal,
    screen: &mut Screen,
) -> Result<Ending, CliError> {
    let mut vigil = Vigil::new(goal);
    let ended = tokio::select! { biased;
        interrupt = tokio::signal::ctrl_c() => match interrupt {
            Ok(()) => Err(None),
            Err(error) => Err(Some(CliError::failed("Ctrl-C", error.to_string()))),
        },
        ended = listen(remote, &mut vigil, screen) => ended.map_err(Some),
    };
    screen.close();
    ended.map_err(|error| error.unwrap_or_else(|| left(vigil.goal())))
}

/// What to know when the watching was ended.
fn left(goal: &Goal) -> CliError {
    let what = match goal {
        Goal::Run(uid) => format!("run {uid} goes on"),
        Goal::Steps => "what was watched goes on".to_owned(),
        Goal::Forever => "the server goes on".to_owned(),
    };
    CliError::aborted("watching", format!("ended by Ctrl-C; {what}: bluefly ctl abort ends a run"))
}

async fn listen(
    remote: &Remote,
    vigil: &mut Vigil,
    screen: &mut Screen,
) -> Result<Ending, CliError> {
    let kinds = if matches!(screen, Screen::Json) { EVERYTHING } else { LOOKED_AT };
    let opened = Feed::open(&remote.client, kinds).await;
    let (mut feed, status) = opened.map_err(|error| remote.unanswered(error))?;
    let mut ending = look(remote, vigil, screen, &status).await?;
    loop {
        if let Some(ending) = ending {
            return Ok(ending);
        }
        ending = match feed.next().await.map_err(|error| remote.unanswered(error))? {
            News::Event(event, text) => {
                screen.event(&text)?;
                happened(remote, vigil, screen, &event).await?
            }
            News::Lost(error) => {
                let url = remote.client.url();
                screen.warn(&format!("{url}: {error}; trying to reach it again"));
                None
            }
            News::Back(status, served) => {
                let url = remote.client.url();
                screen.warn(&match served {
                    Served::Same => format!("{url}: reached again"),
                    Served::Restarted => format!("{url}: reached again, the server was restarted"),
                });
                if served == Served::Restarted && *vigil.goal() == Goal::Steps {
                    return Err(CliError::failed("watching", "the steps ended with the server"));
                }
                look(remote, vigil, screen, &status).await?
            }
        };
    }
}

/// At the beginning, and whenever something may have been missed.
async fn look(
    remote: &Remote,
    vigil: &mut Vigil,
    screen: &mut Screen,
    status: &Status,
) -> Result<Option<Ending>, CliError> {
    screen.status(remote.client.clock().now().since_start(), status)?;
    if let Some(ending) = vigil.status(status) {
        return Ok(Some(ending));
    }
    let Goal::Run(uid) = vigil.goal() else { return Ok(None) };
    let run: Run = remote.parse(&remote.ask(Call::get(format!("runs/{uid}"))).await?)?;
    if run.state == RunState::Queued {
        warn_if_held(remote, screen).await?;
    }
    Ok(vigil.run(&run))
}

async fn happened(
    remote: &Remote,
    vigil: &mut Vigil,
    screen: &mut Screen,
    event: &Event,
) -> Result<Option<Ending>, CliError> {
    match event {
        Event::Progress { status } => {
            screen.status(remote.client.clock().now().since_start(), status)?;
            Ok(vigil.status(status))
        }
        Event::Queue { run, .. } => {
            let ending = vigil.run(run);
            let is_news = ending.is_none() && run.state != RunState::Running;
            if is_news {
                screen.note(&render::told(run))?;
            }
            // A run that ends badly holds the queue, with ours in it.
            let is_bad = matches!(run.state, RunState::Aborted | RunState::Failed);
            if ending.is_none() && is_bad && matches!(vigil.goal(), Goal::Run(_)) {
                warn_if_held(remote, screen).await?;
            }
            Ok(ending)
        }
        Event::Tree { tree, .. } => screen.note(&render::happened(tree)).map(|()| None),
        Event::Missed { count } => {
            screen.warn(&format!("{count} events were missed: this reader is too slow"));
            let status: Status = remote.parse(&remote.ask(Call::get("status")).await?)?;
            look(remote, vigil, screen, &status).await
        }
        // Whoever waits for a run is told why it is held when that is looked at.
        Event::Document { .. } | Event::Gate { .. } => Ok(None),
    }
}

/// A run waits for ever in a queue that is held.
async fn warn_if_held(remote: &Remote, screen: &Screen) -> Result<(), CliError> {
    let list: RunList = remote.parse(&remote.ask(Call::get("runs?limit=0")).await?)?;
    if list.queue.state == Gate::Held {
        let held = render::queue(&list.queue);
        screen.warn(&format!("{}: bluefly ctl queue release opens it", held.trim_end()));
    }
    Ok(())
}

/// What there is to watch, if anything: the run in the air, or the one that is about to begin.
pub(super) async fn current(remote: &Remote) -> Result<Option<Goal>, CliError> {
    let list: RunList = remote.parse(&remote.ask(Call::get("runs?limit=0")).await?)?;
    let open = list.queue.state == Gate::Open;
    let mut runs = list.runs.iter().filter(|run| !has_ended(run.state));
    let next = runs.find(|run| run.state == RunState::Running || open);
    if let Some(run) = next {
        return Ok(Some(Goal::Run(run.uid.clone())));
    }
    let status: Status = remote.parse(&remote.ask(Call::get("status")).await?)?;
    Ok((status.progress.phase != RunPhase::Idle).then_some(Goal::Steps))
}
