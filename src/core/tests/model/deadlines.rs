//! The naive model of the index of deadlines: a list that every question goes through.

use redis_state_core::{DeadlineStats, Deadlines, Handle};

/// What is known of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub handle: Handle,
    pub at: u64,
    /// The database and the name; none for a lost entry.
    pub key: Option<(u32, Vec<u8>)>,
    refusals: usize,
}

/// The entries in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    pub entries: Vec<Known>,
    healed: u64,
}

/// The pauses after one refusal, after two, and so on, in ms. The last one stays.
const PAUSES: [u64; 5] = [100, 200, 400, 800, 1000];

impl Pending {
    pub fn insert(&mut self, handle: Handle, key: (u32, Vec<u8>), at: u64) {
        self.entries.push(Known {
            handle,
            at: at.min(u64::MAX - 1),
            key: Some(key),
            refusals: 0,
        });
    }

    pub fn find(&self, handle: Handle) -> Option<&Known> {
        self.entries.iter().find(|known| known.handle == handle)
    }

    fn find_mut(&mut self, handle: Handle) -> Option<&mut Known> {
        self.entries.iter_mut().find(|known| known.handle == handle)
    }

    pub fn change(&mut self, handle: Handle, at: u64) {
        if let Some(known) = self.find_mut(handle) {
            (known.at, known.refusals) = (at.min(u64::MAX - 1), 0);
        }
    }

    pub fn remove(&mut self, handle: Handle) {
        self.entries.retain(|known| known.handle != handle);
    }

    pub fn lose(&mut self, handle: Handle) {
        if let Some(known) = self.find_mut(handle) {
            known.key = None;
        }
    }

    pub fn heal(&mut self, handle: Handle, key: (u32, Vec<u8>)) -> bool {
        let lost = self.find_mut(handle).filter(|known| known.key.is_none());
        let is_healed = lost.is_some();
        if let Some(known) = lost {
            (known.key, known.refusals) = (Some(key), 0);
        }
        self.healed += u64::from(is_healed);
        is_healed
    }

    pub fn postpone(&mut self, handle: Handle, now: u64) -> Option<u64> {
        let known = self.find_mut(handle)?;
        known.key.as_ref()?;
        if known.at <= now {
            let pause = PAUSES[known.refusals.min(PAUSES.len() - 1)];
            known.refusals += 1;
            known.at = now.saturating_add(pause).min(u64::MAX - 1);
        }
        Some(known.at)
    }

    pub fn resume(&mut self, now: u64) {
        for known in &mut self.entries {
            if known.refusals > 0 {
                (known.at, known.refusals) = (now.min(u64::MAX - 1), 0);
            }
        }
    }

    pub fn swap(&mut self, one: u32, other: u32) {
        for (database, _) in self
            .entries
            .iter_mut()
            .filter_map(|known| known.key.as_mut())
        {
            *database = match *database {
                database if database == one => other,
                database if database == other => one,
                database => database,
            };
        }
    }

    pub fn flush(&mut self, database: u32) {
        let is_there = |known: &Known| known.key.as_ref().is_some_and(|key| key.0 == database);
        self.entries.retain(|known| !is_there(known));
    }

    pub fn flush_all(&mut self) {
        self.entries.clear();
    }

    fn first(&self) -> Option<u64> {
        let pending = self.entries.iter().filter(|known| known.key.is_some());
        pending.map(|known| known.at).min()
    }

    fn stats(&self) -> DeadlineStats {
        let lost = self.entries.iter().filter(|known| known.key.is_none());
        let lost = lost.count();
        DeadlineStats {
            pending: self.entries.len() - lost,
            lost,
            healed: self.healed,
        }
    }

    /// Asserts that an index knows the same, and nothing of handles that are out of date.
    pub fn assert_is(&self, index: &Deadlines, ever: &[Handle]) {
        assert_eq!(index.stats(), self.stats());
        assert_eq!(index.iter().count(), self.entries.len());
        for &handle in ever {
            let hint = index.get(handle);
            let known = self.find(handle);
            assert_eq!(
                hint.map(|hint| (hint.handle, hint.at, hint.key)),
                known.map(|known| (handle, known.at, known.key())),
            );
            let is_lost = known.is_some_and(|known| known.key.is_none());
            assert_eq!(index.is_lost(handle), is_lost);
        }
        self.assert_first(index);
    }

    fn assert_first(&self, index: &Deadlines) {
        assert_eq!(index.first(), self.first());
        let Some(first) = self.first() else {
            assert_eq!(index.next_due(u64::MAX), None);
            return;
        };
        // Which of those of one moment comes first is up to the index.
        let due = index.next_due(first).unwrap();
        let known = self.find(due.handle).unwrap();
        assert_eq!(known.key(), Some((due.database, due.name)));
        assert_eq!((due.at, known.at), (first, first));
        assert_eq!(index.next_due(u64::MAX), Some(due));
        if let Some(before) = first.checked_sub(1) {
            assert_eq!(index.next_due(before), None);
        }
    }
}

impl Known {
    fn key(&self) -> Option<(u32, &[u8])> {
        let key = self.key.as_ref();
        key.map(|(database, name)| (*database, name.as_slice()))
    }
}
