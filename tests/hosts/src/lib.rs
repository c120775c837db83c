//! Scenarios on booted hosts: see the tests.
