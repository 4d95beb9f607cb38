//! What a pilot does next, from what the leases tell. Pure: files, clocks and processes are its caller's.
//!
//! A pilot takes a batch that nobody has, or that was given back, or whose holder is silent. Where every batch is in somebody's hands, two
//! pilots stay to take over from the dead, and the others leave their slots to other people. Whoever sees that every batch is done makes
//! the tables, under a lease, so that one does.

use std::collections::BTreeMap;

use super::sweep::Batch;
use crate::store::lease::{Entry, Standing, View};

/// Pilots without work that stay, of each class.
const WATCHERS: usize = 2;

/// Something that is done under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The tasks of a batch.
    Batch(usize),
    /// Staying, to take over from the dead.
    Watch(u32, usize),
    /// The tables and figures.
    Tables,
}

impl Work {
    /// The name under which it is leased.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Batch(batch) => format!("batch-{batch}"),
            Self::Watch(class, place) => format!("watch-{class}-{place}"),
            Self::Tables => "tables".to_owned(),
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take this over with the fence behind `after`; look again if another was faster.
    Take {
        /// What.
        work: Work,
        /// Highest fence seen.
        after: u64,
        /// What its silent holder said last: tells what was lost with it.
        silent: Option<String>,
    },
    /// Look again after a heartbeat.
    Wait,
    /// End.
    Leave(Leave),
}

/// Why a pilot ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// All is done, the tables too.
    AllDone,
    /// Others are at work, and enough of them stay.
    NotNeeded,
}

/// One pilot's place in a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// All batches.
    pub batches: &'a [Batch],
    /// The highest class that it takes.
    pub class: u32,
    /// The batch that it takes first, if it can: pilots that start together do not race for one.
    pub first: usize,
}

impl Place<'_> {
    /// A batch that nobody ever had, by the names of the leases alone: cheap while there are some.
    #[must_use]
    pub fn untouched(&self, newest: &BTreeMap<String, u64>) -> Option<Step> {
        if newest.len() >= self.batches.len() + WATCHERS {
            // Likely none; whoever looks closely will see.
            return None;
        }
        let free = |&batch: &usize| self.takes(batch) && !newest.contains_key(&Work::Batch(batch).name());
        let first = Some(self.first).filter(|first| *first < self.batches.len()).filter(free);
        let batch = first.or_else(|| self.by_class().find(free))?;
        Some(Step::Take { work: Work::Batch(batch), after: 0, silent: None })
    }

    /// What to do by what all leases tell. `watching`: this pilot holds the lease of a watcher.
    #[must_use]
    pub fn next(&self, view: &View, watching: bool) -> Step {
        let of = |work: Work| view.get(&work.name());
        if let Some(batch) = self.by_class().find(|&batch| can_take(of(Work::Batch(batch)))) {
            return take(Work::Batch(batch), of(Work::Batch(batch)));
        }
        let is_done = |batch: usize| of(Work::Batch(batch)).is_some_and(|entry| entry.standing == Standing::Done);
        if (0..self.batches.len()).all(is_done) {
            match of(Work::Tables) {
                Some(Entry { standing: Standing::Done, .. }) => return Step::Leave(Leave::AllDone),
                entry if can_take(entry) => return take(Work::Tables, entry),
                _ => {}
            }
        } else if (0..self.batches.len()).all(|batch| !self.takes(batch) || is_done(batch)) {
            // What is left takes more memory than this pilot has.
            return Step::Leave(Leave::NotNeeded);
        }
        if watching {
            return Step::Wait;
        }
        let watch = |place| Work::Watch(self.class, place);
        if let Some(place) = (0..WATCHERS).find(|&place| can_take(of(watch(place)))) {
            return take(watch(place), of(watch(place)));
        }
        // Seen alive, not only not yet dead.
        let alive = (0..WATCHERS).all(|place| of(watch(place)).is_some_and(|entry| entry.moved));
        if alive { Step::Leave(Leave::NotNeeded) } else { Step::Wait }
    }

    const fn takes(&self, batch: usize) -> bool {
        self.batches[batch].class <= self.class
    }

    /// The batches that it takes: those of its own class first, since others can take the rest.
    fn by_class(&self) -> impl Iterator<Item = usize> {
        let own = (0..self.batches.len()).filter(|&batch| self.batches[batch].class == self.class);
        own.chain((0..self.batches.len()).filter(|&batch| self.batches[batch].class < self.class))
    }
}

/// Whether nobody has it.
fn can_take(entry: Option<&Entry>) -> bool {
    entry.is_none_or(|entry| matches!(entry.standing, Standing::Free | Standing::Silent))
}

fn take(work: Work, entry: Option<&Entry>) -> Step {
    let silent = entry.filter(|entry| entry.standing == Standing::Silent).map(|entry| entry.says.clone());
    Step::Take { work, after: entry.map_or(0, |entry| entry.fence), silent }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(classes: &[u32]) -> Vec<Batch> {
        classes.iter().map(|&class| Batch { offset: 0, bytes: 0, tasks: 1, class }).collect()
    }

    fn view(entries: &[(&str, Standing, bool)]) -> View {
        let entry = |&(what, standing, moved): &(&str, Standing, bool)| {
            (what.to_owned(), Entry { fence: 3, standing, moved, says: "me".into() })
        };
        entries.iter().map(entry).collect()
    }

    fn taken(step: Step) -> Work {
        let Step::Take { work, .. } = step else { panic!("{step:?}") };
        work
    }

    use Standing::{Done, Free, Held, Silent};

    #[test]
    fn batches_before_watching_and_tables_last() {
        let all = batches(&[0, 0]);
        let place = Place { batches: &all, class: 0, first: 1 };
        assert_eq!(place.untouched(&BTreeMap::new()).map(taken), Some(Work::Batch(1)));
        let newest = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 1)).collect();
        assert_eq!(place.untouched(&newest(&["batch-1"])).map(taken), Some(Work::Batch(0)));
        assert_eq!(place.untouched(&newest(&["batch-1", "batch-0"])), None);

        assert_eq!(taken(place.next(&view(&[("batch-0", Held, true), ("batch-1", Free, false)]), false)), Work::Batch(1));
        let silent = place.next(&view(&[("batch-0", Held, true), ("batch-1", Silent, false)]), true);
        assert_eq!(silent, Step::Take { work: Work::Batch(1), after: 3, silent: Some("me".into()) });
        let busy = [("batch-0", Held, true), ("batch-1", Done, false)];
        assert_eq!(taken(place.next(&view(&busy), false)), Work::Watch(0, 0));
        assert_eq!(place.next(&view(&busy), true), Step::Wait);
        let with = |more: &[(&'static str, Standing, bool)]| view(&[&busy[..], more].concat());
        assert_eq!(taken(place.next(&with(&[("watch-0-0", Held, true)]), false)), Work::Watch(0, 1));
        let watched = [("watch-0-0", Held, true), ("watch-0-1", Held, false)];
        assert_eq!(place.next(&with(&watched), false), Step::Wait, "not seen alive yet");
        let watched = [("watch-0-0", Held, true), ("watch-0-1", Held, true)];
        assert_eq!(place.next(&with(&watched), false), Step::Leave(Leave::NotNeeded));
        let done = |tables: &[(&'static str, Standing, bool)]| {
            view(&[&[("batch-0", Done, false), ("batch-1", Done, false)][..], tables].concat())
        };
        assert_eq!(taken(place.next(&done(&[]), false)), Work::Tables);
        assert_eq!(taken(place.next(&done(&[("tables", Silent, false)]), true)), Work::Tables);
        assert_eq!(place.next(&done(&[("tables", Held, true)]), true), Step::Wait);
        assert_eq!(place.next(&done(&[("tables", Done, false)]), true), Step::Leave(Leave::AllDone));
    }

    #[test]
    fn memory_decides_who_takes_what() {
        let all = batches(&[0, 1]);
        let (small, large) = (Place { batches: &all, class: 0, first: 0 }, Place { batches: &all, class: 1, first: 0 });
        assert_eq!(taken(large.next(&view(&[]), false)), Work::Batch(1));
        assert_eq!(taken(large.next(&view(&[("batch-1", Held, true)]), false)), Work::Batch(0));
        assert_eq!(taken(small.next(&view(&[("batch-1", Silent, false)]), false)), Work::Batch(0));
        assert_eq!(
            small.next(&view(&[("batch-0", Done, false), ("batch-1", Silent, false)]), true),
            Step::Leave(Leave::NotNeeded)
        );
        assert_eq!(taken(large.next(&view(&[("batch-0", Done, false), ("batch-1", Silent, false)]), true)), Work::Batch(1));
    }
}
