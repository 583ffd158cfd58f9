//! [`Buckets`]: how often an address may ask.
use super::config::Rate;
use crate::clock::Instant;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What is left of the requests that each address has.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Option<Rate>,
    buckets: Mutex<BTreeMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Addresses that are remembered.
const ADDRESSES: usize = 4_096;

impl Buckets {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes one request, or says when there is one to take.
    pub(super) fn take(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let burst = f64::from(rate.burst.max(1));
        let left = |bucket: &Bucket| {
            let since = now.saturating_since(bucket.at).as_secs_f64();
            (bucket.left + since * rate.per_second).min(burst)
        };
        // No value is left half changed by a panic: each is replaced as a whole.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES && !buckets.contains_key(&peer) {
            // A full bucket is as good as none. Those of more addresses than that are not of people.
            buckets.retain(|_, bucket| left(bucket) < burst);
            if buckets.len() >= ADDRESSES {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(peer).or_insert(Bucket { left: burst, at: now });
        let there = left(bucket);
        if there < 1.0 {
            return Err(Duration::from_secs_f64(((1.0 - there) / rate.per_second).min(3_600.0)));
        }
        *bucket = Bucket { left: there - 1.0, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn peer(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let buckets = Buckets::new(Some(Rate { burst: 3, per_second: 2.0 }));
        let at = |millis| Instant::default() + Duration::from_millis(millis);
        let check = |millis: u64, who: u32, expected: Result<(), u64>| {
            let found = buckets.take(peer(who), at(millis));
            assert_eq!(found, expected.map_err(Duration::from_millis), "{millis} ms");
        };
        (0..3).for_each(|_| check(0, 1, Ok(())));
        check(0, 1, Err(500));
        check(250, 1, Err(250));
        check(250, 2, Ok(()));
        check(500, 1, Ok(()));
        check(500, 1, Err(500));
        (0..3).for_each(|_| check(60_000, 1, Ok(())));
        check(60_000, 1, Err(500));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let buckets = Buckets::new(Some(Rate { burst: 1, per_second: 1.0 }));
        for number in 0..3 * ADDRESSES as u32 {
            assert_eq!(buckets.take(peer(number), Instant::default()), Ok(()));
        }
        assert!(buckets.buckets.lock().expect("no panic").len() <= ADDRESSES);
        assert_eq!(Buckets::new(None).take(peer(1), Instant::default()), Ok(()));
    }
}
