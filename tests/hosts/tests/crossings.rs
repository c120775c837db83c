//! Sessions end with their grant whatever happens to the daemon meanwhile: the crossings that `sessions` leaves out.

use hosts::story::{End, Meanwhile, ends_all_the_same};

#[test]
fn a_revoked_session_ends_also_where_the_daemon_was_started_anew_meanwhile() {
    ends_all_the_same(End::Revoked, Meanwhile::Restarted);
}

#[test]
fn a_released_session_ends_also_where_the_daemon_was_killed_meanwhile() {
    ends_all_the_same(End::Released, Meanwhile::Killed);
}

#[test]
fn an_expired_session_ends_also_where_the_daemon_was_started_anew_meanwhile() {
    ends_all_the_same(End::Expired, Meanwhile::Restarted);
}

#[test]
fn an_expired_session_ends_also_where_the_daemon_was_killed_between_telling_it_and_forcing_it() {
    ends_all_the_same(End::Expired, Meanwhile::KilledWithinTheGrace);
}
