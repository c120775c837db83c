//! `jit watch`: what waits, as it comes in. On a terminal an inbox with keys, for programs a line of JSON
//! for each change.

mod dialog;
mod follow;
mod inbox;
mod keys;
mod screen;
mod view;

use crate::output::Output;
use crate::patience::{Patience, passes};
use crate::stop::on_stop;
use crate::{CliError, limits, words};
use api::{AskRequests, Client, ClientError, RequestView, Status, Which};
use follow::{Follow, Line};
use inbox::{Call, Inbox, Input};
use kernel::wall;
use keys::Key;
use ratatui::crossterm::event;
use screen::Screen;
use std::io::IsTerminal as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

pub fn watch(client: Client, out: &mut Output) -> Result<(), CliError> {
    // Where nobody answers at the start it is mostly the wrong door, and a screen would not help.
    let status = client.status()?;
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if out.is_json() || !on_terminal { follow(&client, &status) } else { inbox(client, &status) }
}

/// Draws, and takes what comes in: keys, answers, seconds, signals. Calls are made elsewhere, so that a
/// daemon that hangs does not hang the screen.
fn inbox(client: Client, status: &Status) -> Result<(), CliError> {
    let (send, receive) = mpsc::channel();
    let (ask, asked) = mpsc::channel();
    let door = client.door().name();
    let stop = send.clone();
    on_stop(move || {
        // Where nobody listens any more the screen is gone already.
        let _ = stop.send(Input::Stop);
    })?;
    let mut screen = Screen::new()?;
    let answers = send.clone();
    let calls = thread::spawn(move || {
        for call in asked {
            if answers.send(answer(&client, call)).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let input = match Key::of(&event) {
                Some(key) => Input::Key(key),
                // Another size: it is drawn again at every input.
                None => Input::Tick(wall()),
            };
            if send.send(input).is_err() {
                return;
            }
        }
        // A terminal that cannot be read has gone away.
        let _ = send.send(Input::Stop);
    });
    let mut inbox = Inbox::new(status.you.clone(), door, wall());
    let mut input = Input::Tick(wall());
    let mut next = Instant::now();
    loop {
        if let Some(call) = inbox.on(input) {
            if call == Call::Quit {
                return Ok(());
            }
            if ask.send(call).is_err() {
                // Whoever makes the calls ends before us only by a bug.
                return calls.join().map_err(|bug| std::panic::resume_unwind(bug));
            }
        }
        let mut furthest = 0;
        screen.0.draw(|frame| furthest = view::draw(frame, &inbox)).map_err(CliError::Terminal)?;
        inbox.settle(furthest);
        input = match receive.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => {
                next = Instant::now() + limits::LOOK;
                Input::Tick(wall())
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
    }
}

/// Makes a call; what the inbox is to be told.
fn answer(client: &Client, call: Call) -> Input {
    match call {
        Call::List | Call::Quit => Input::Listed(list(client, Which::Pending, None).map_err(words_of)),
        Call::Look(id) => Input::Looked(client.show_request(&id.to_string()).ok().map(Box::new)),
        Call::Review(id, review) => {
            let reviewed = client.review(&id.to_string(), &review);
            Input::Reviewed(
                reviewed.map(|done| words::reviewed(&done, wall()).replace('\n', " ")).map_err(words_of),
            )
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // as map_err hands it over
fn words_of(why: ClientError) -> String {
    why.to_string()
}

fn list(client: &Client, which: Which, limit: Option<u32>) -> Result<Vec<RequestView>, ClientError> {
    client.requests(&AskRequests { which, limit, after: None })
}

/// Prints changes for programs, until interrupted.
fn follow(client: &Client, status: &Status) -> Result<(), CliError> {
    // Without any right beside one's own affairs, all that one may see is one's own.
    let newest = if status.roles.is_empty() { Which::Mine } else { Which::All };
    let (mut follow, mut patience) = (Follow::default(), Patience::default());
    loop {
        match look(client, newest, &mut follow) {
            Ok(told) => {
                if patience.answered() {
                    Output::aside(&format!("{} answers again.", client.door().name()));
                }
                for (change, request) in &told {
                    Output::json(&Line { change, request })?;
                }
                thread::sleep(limits::LOOK);
            }
            Err(why) if passes(&why) => {
                if patience.is_whole() {
                    Output::aside(&format!("{why}. Trying again."));
                }
                thread::sleep(patience.failed().unwrap_or(limits::REST));
            }
            Err(why) => return Err(why.into()),
        }
    }
}

fn look(
    client: &Client,
    which: Which,
    follow: &mut Follow,
) -> Result<Vec<(&'static str, RequestView)>, ClientError> {
    let waiting = list(client, Which::Pending, None)?;
    let newest = list(client, which, Some(limits::NEWEST))?;
    let (mut told, gone) = follow.listed(waiting, newest);
    for id in gone {
        match client.show_request(&id.to_string()) {
            Ok(request) => told.extend(follow.looked(id, Some(request))),
            // It stays open to us, so the next look tries again, and what was found is told.
            Err(why) if passes(&why) => break,
            Err(_) => told.extend(follow.looked(id, None)),
        }
    }
    Ok(told)
}
