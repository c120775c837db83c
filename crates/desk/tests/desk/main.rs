//! The desk on a real file: what people are told, what is written down, and what a restart leaves.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // also in the functions that tests share

mod asking;
mod between;
mod conforming;
mod costs;
mod door;
mod following;
mod glass;
mod granting;
mod overtaken;
mod restoring;
mod reviewing;
mod room;
mod ruling;
mod time;
