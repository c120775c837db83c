//! The real `jit-hub`, driven over TLS and by the real `jit`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // also in the functions that tests share

mod abuse;
mod attacks;
mod browser;
mod certificates;
mod checking;
mod crowded;
mod database;
mod durable;
mod feed;
mod fleet;
mod gone;
mod host;
mod inbox;
mod jitd;
mod keys;
mod login;
mod moving;
mod nginx;
mod oidc;
mod openapi;
mod outbox;
mod outbox_chats;
mod outbox_mail;
mod power;
mod published;
mod python;
mod receiver;
mod room;
mod slack;
mod strangers;
mod teams;
mod there;
mod web;
mod web_looks;
mod web_request;
