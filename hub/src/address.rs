//! Who is counted as one: an address, or of IPv6 the network that one customer has.

use crate::limits;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(IpAddr);

impl Address {
    /// That of a client.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let net = if self.0.is_ipv6() { "/64" } else { "" };
        write!(f, "{}{net}", self.0)
    }
}

/// Connections by address, so that nobody can take everybody's place.
#[derive(Default)]
pub struct Seats(Mutex<HashMap<Address, usize>>);

/// The place of one connection.
pub struct Seat {
    seats: Arc<Seats>,
    address: Address,
}

impl Seats {
    /// A place, if this address may have one more.
    pub fn seat(self: &Arc<Self>, address: Address) -> Option<Seat> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= limits::PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Seat { seats: Arc::clone(self), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Counts by address, or by who it is, within a span, so that nobody can fill the log by trying.
pub struct Tries<K = Address> {
    most: u32,
    counted: Mutex<HashMap<K, (Instant, u32)>>,
}

impl<K: Eq + Hash> Tries<K> {
    /// Of which `most` are told one by one.
    pub fn telling(most: u32) -> Self {
        Self { most, counted: Mutex::default() }
    }

    /// One more at `now`. Whether it is told; the last that is told of a span stands for all that follow.
    pub fn told(&self, who: K, now: Instant) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= limits::ADDRESSES && !counted.contains_key(&who) {
            counted.clear();
        }
        let (since, count) = counted.entry(who).or_insert((now, 0));
        if now.duration_since(*since) >= limits::WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.most
    }

    /// Whether there were as many as are told within the span already.
    pub fn is_over(&self, who: &K, now: Instant) -> bool {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |(since, count): &(Instant, u32)| {
            now.duration_since(*since) < limits::WINDOW && *count >= self.most
        };
        counted.get(who).is_some_and(is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(text: &str) -> Address {
        Address::of(text.parse().unwrap())
    }

    #[test]
    fn one_customer_is_one_whatever_address_they_draw() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:3::4"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:203.0.113.5"), address("203.0.113.5"));
        assert_eq!(address("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(address("::ffff:203.0.113.5").to_string(), "203.0.113.5");
    }

    #[test]
    fn one_address_takes_its_own_seats_alone() {
        let seats = Arc::new(Seats::default());
        let taken: Vec<_> =
            (0..limits::PER_ADDRESS).map(|_| seats.seat(address("10.0.0.1")).unwrap()).collect();
        assert!(seats.seat(address("10.0.0.1")).is_none() && seats.seat(address("10.0.0.2")).is_some());
        drop(taken);
        assert!(seats.seat(address("10.0.0.1")).is_some());
    }

    #[test]
    fn tries_without_end_are_a_few_lines_a_minute_for_each_address() {
        let (tries, start) = (Tries::telling(3), Instant::now());
        let told = |from, seconds| tries.told(address(from), start + Duration::from_secs(seconds));
        let in_two_minutes = (0..120).filter(|second| told("10.0.0.1", *second)).collect::<Vec<_>>();
        assert_eq!(in_two_minutes, [0, 1, 2, 60, 61, 62]);
        assert!(told("10.0.0.2", 119));
        let is_over = |from, seconds| tries.is_over(&address(from), start + Duration::from_secs(seconds));
        assert!(is_over("10.0.0.1", 119) && !is_over("10.0.0.1", 120));
        assert!(!is_over("10.0.0.2", 119) && !is_over("10.0.0.3", 119));
    }
}
