//! The real `jit-hub` on a real PostgreSQL server: what it does on a file, and what several of them do on one database.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, dead_code)] // also in the functions that tests share

#[path = "../hub/crowded.rs"]
mod crowded;
mod database;
#[path = "../hub/durable.rs"]
mod durable;
mod failover;
#[cfg(feature = "long")]
#[path = "../hub/feed.rs"]
mod feed;
#[cfg(feature = "long")]
#[path = "../hub/fleet.rs"]
mod fleet;
#[path = "../hub/host.rs"]
mod host;
#[cfg(feature = "long")]
#[path = "../hub/inbox.rs"]
mod inbox;
#[path = "../hub/jitd.rs"]
mod jitd;
mod keys;
#[path = "../hub/nginx.rs"]
mod nginx;
#[path = "../hub/outbox.rs"]
mod outbox;
#[cfg(feature = "long")]
#[path = "../hub/outbox_mail.rs"]
mod outbox_mail;
mod paused;
#[cfg(feature = "long")]
#[path = "../hub/power.rs"]
mod power;
#[path = "../hub/python.rs"]
mod python;
#[path = "../hub/receiver.rs"]
mod receiver;
mod replicas;
mod roles;
#[path = "../hub/room.rs"]
mod room;
mod unhinted;
