//! The bot in Teams, against a double of what Microsoft runs.

mod believing;
mod deciding;
mod double;
mod many;
mod outgoing;
mod pictures;
mod sending;
mod used;
mod words;
