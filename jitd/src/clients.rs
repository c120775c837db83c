//! Where logins come from whose sshd tells PAM a name and no address (`UseDNS yes`).
//!
//! In the account phase sshd's own word for the address is in PAM's environment. By the time that the session opens
//! the person's may be there instead, from `~/.pam_environment`, so what was said first is kept until then.

use crate::limits;
use crate::process::{self, Process};
use crate::seats::Caller;
use access::Login;
use chrono::TimeDelta;
use std::collections::VecDeque;
use std::net::IpAddr;

/// Logins that are let in, or will be once that is written down, and whose session is still to open; the oldest first.
#[derive(Default)]
pub struct Clients {
    logins: VecDeque<Client>,
}

struct Client {
    /// Who asked. With keyboard-interactive that is a child of the process that opens the session.
    asker: Caller,
    parent: Option<Caller>,
    login: Login,
    address: IpAddr,
    at: TimeDelta,
}

impl Clients {
    /// The process `asker` has let `login` in from `address`.
    pub fn came(&mut self, asker: i32, login: Login, address: IpAddr, now: TimeDelta) {
        // Who cannot be told from a later process of the same id is not kept.
        let Some(process) = Process::now(asker) else { return };
        let asker = Caller { pid: asker, start_ticks: process.start };
        self.keep(Client { asker, parent: known(process.parent), login, address, at: now });
    }

    /// Where the login comes from whose session the process `opener` opens.
    pub fn of(&mut self, opener: i32, login: &Login, now: TimeDelta) -> Option<IpAddr> {
        self.forget(now);
        if self.logins.is_empty() {
            return None;
        }
        self.find(known(opener)?, login)
    }

    fn keep(&mut self, client: Client) {
        self.forget(client.at);
        if self.logins.len() >= limits::CLIENTS {
            self.logins.pop_front();
        }
        self.logins.push_back(client);
    }

    fn forget(&mut self, now: TimeDelta) {
        self.logins.retain(|client| now - client.at < limits::CLIENT_KEPT);
    }

    fn find(&self, opener: Caller, login: &Login) -> Option<IpAddr> {
        let is = |client: &&Client| {
            client.login == *login && (client.asker == opener || client.parent == Some(opener))
        };
        self.logins.iter().rev().find(is).map(|client| client.address)
    }
}

fn known(pid: i32) -> Option<Caller> {
    Some(Caller { pid, start_ticks: process::start_ticks(pid)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32) -> Caller {
        Caller { pid, start_ticks: 7 }
    }

    fn login(name: &str) -> Login {
        Login::parse(name).unwrap()
    }

    fn from(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    fn at(seconds: i64) -> TimeDelta {
        TimeDelta::seconds(seconds)
    }

    fn client(asker: i32, parent: i32, name: &str, last: u8, seconds: i64) -> Client {
        let (asker, parent) = (process(asker), Some(process(parent)));
        Client { asker, parent, login: login(name), address: from(last), at: at(seconds) }
    }

    #[test]
    fn a_session_comes_from_where_its_own_login_came_from() {
        let mut clients = Clients::default();
        // By key sshd's monitor asks, by keyboard-interactive a child of it; process 1 is the parent of all monitors.
        clients.keep(client(10, 1, "alice", 5, 0));
        clients.keep(client(21, 20, "bob", 6, 0));
        assert_eq!(clients.find(process(10), &login("alice")), Some(from(5)));
        assert_eq!(clients.find(process(20), &login("bob")), Some(from(6)));
        assert_eq!(clients.find(process(10), &login("bob")), None, "somebody else's");
        assert_eq!(
            clients.find(Caller { start_ticks: 8, ..process(10) }, &login("alice")),
            None,
            "a later process"
        );
        assert_eq!(clients.find(process(11), &login("alice")), None);
        clients.keep(client(10, 1, "alice", 7, 1));
        assert_eq!(clients.find(process(10), &login("alice")), Some(from(7)), "the last word counts");
    }

    #[test]
    fn what_opens_no_session_is_forgotten_and_many_are_no_more_than_so_many() {
        let mut clients = Clients::default();
        clients.keep(client(10, 1, "alice", 5, 0));
        clients.forget(at(129));
        assert_eq!(clients.find(process(10), &login("alice")), Some(from(5)));
        clients.forget(at(130));
        assert_eq!(clients.find(process(10), &login("alice")), None);
        for pid in 0..2000 {
            clients.keep(client(pid + 10, 1, "alice", 5, 131));
        }
        assert_eq!(clients.logins.len(), limits::CLIENTS);
        assert_eq!(clients.find(process(2009), &login("alice")), Some(from(5)));
    }

    #[test]
    fn a_process_that_is_there_is_known_again() {
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = process::parent(own).unwrap();
        let mut clients = Clients::default();
        clients.came(own, login("alice"), from(5), at(0));
        assert_eq!(clients.of(own, &login("alice"), at(1)), Some(from(5)));
        assert_eq!(clients.of(parent, &login("alice"), at(1)), Some(from(5)));
        assert_eq!(clients.of(1 << 30, &login("alice"), at(1)), None, "there is none of this id");
        assert_eq!(clients.of(own, &login("alice"), at(200)), None);
    }
}
