//! What one client may take of the server, so that the others get through.
//!
//! A client is an address, or the /64 network that an IPv6 address is one of. What comes over loopback is not told
//! apart and not limited: behind it are this machine's own programs, or a proxy that speaks for many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Connections that one client may hold: an eighth of all there are.
const MAX_CONNECTIONS: u32 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// None: it is on this machine.
    pub fn at(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        (!address.is_loopback()).then_some(match address {
            IpAddr::V4(_) => Self(address),
            IpAddr::V6(address) => Self(Ipv6Addr::from(u128::from(address) >> 64 << 64).into()),
        })
    }
}

pub struct Clients {
    rate: Option<DefaultKeyedRateLimiter<Client>>,
    connections: Mutex<HashMap<Client, u32>>,
}

/// The right of a client to one connection, until it is dropped.
pub struct Seat {
    clients: Arc<Clients>,
    client: Client,
}

impl Clients {
    /// With at most `rate` requests a second of each client, and as many at once.
    pub fn new(rate: Option<NonZeroU32>) -> Arc<Self> {
        let rate = rate.map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        Arc::new(Self { rate, connections: Mutex::default() })
    }

    /// Whether the client may ask now; if so, it has asked.
    pub fn may_ask(&self, client: Client) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.check_key(&client).is_ok())
    }

    /// None: the client holds as many connections as it may.
    pub fn seat(self: &Arc<Self>, client: Client) -> Option<Seat> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let held = connections.entry(client).or_default();
        if *held == MAX_CONNECTIONS {
            return None;
        }
        *held += 1;
        Some(Seat { clients: Arc::clone(self), client })
    }

    /// Forgets those that have not asked for a while.
    pub fn forget(&self) {
        if let Some(rate) = &self.rate {
            rate.retain_recent();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut connections = self.clients.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut held) = connections.entry(self.client) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Option<Client> {
        Client::at(address.parse().unwrap())
    }

    #[test]
    fn a_client_is_an_address_or_a_network_and_not_on_this_machine() {
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(at(local), None, "{local}");
        }
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }

    #[test]
    fn one_client_takes_its_share_of_connections_and_leaves_the_rest() {
        let clients = Clients::new(None);
        let (one, other) = (at("192.0.2.1").unwrap(), at("192.0.2.2").unwrap());
        let mut seats: Vec<_> = (0..MAX_CONNECTIONS).map(|_| clients.seat(one)).collect();
        assert!(seats.iter().all(Option::is_some));
        assert!(clients.seat(one).is_none());
        let theirs = clients.seat(other);
        assert!(theirs.is_some());
        seats.pop();
        assert!(clients.seat(one).is_some(), "there is room again");
        drop((seats, theirs));
        assert!(clients.connections.lock().unwrap().is_empty(), "nobody is remembered for ever");
    }

    #[test]
    fn one_client_uses_up_its_rate_alone() {
        let clients = Clients::new(NonZeroU32::new(3));
        let (one, other) = (at("192.0.2.1").unwrap(), at("192.0.2.2").unwrap());
        let granted = (0..1_000).filter(|_| clients.may_ask(one)).count();
        assert!((3..1_000).contains(&granted), "{granted}");
        assert!(clients.may_ask(other));
        let unlimited = Clients::new(None);
        assert!((0..1_000).all(|_| unlimited.may_ask(one)));
    }
}
