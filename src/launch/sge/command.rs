//! What is given to `qsub`: its words for one array job, each an argument of its own; no shell reads them.

use crate::cohort::model::SgeSettings;

/// The settings with their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    settings: SgeSettings,
}

/// Pilots of a submission at most, if nothing is set.
const MAX_PILOTS: u32 = 1000;
/// Grid Engine's own default of `max_aj_tasks`.
const MAX_ARRAY: u32 = 75_000;
/// Seconds between heartbeats, and without one until a pilot counts as dead.
const HEARTBEAT: (u32, u32) = (10, 120);
/// How much more memory than the first time is tried.
const MAX_MEMORY_FACTOR: u64 = 8;

impl Site {
    /// The settings of a cohort, over those of the site.
    #[must_use]
    pub const fn new(settings: SgeSettings) -> Self {
        Self { settings }
    }

    /// Slots of each pilot.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.settings.slots.unwrap_or(1)
    }

    /// Threads of each worker, and workers of each pilot.
    #[must_use]
    pub fn threads_and_workers(&self) -> (u32, u32) {
        let threads = self.settings.threads.unwrap_or(1).min(self.slots());
        (threads, (self.slots() / threads).max(1))
    }

    /// Pilots that somebody asked for, and pilots at most.
    #[must_use]
    pub fn pilots(&self) -> (Option<u32>, u32) {
        (self.settings.max_pilots, self.settings.max_pilots.unwrap_or(MAX_PILOTS))
    }

    /// Pilots of one array job at most.
    #[must_use]
    pub fn max_array(&self) -> u32 {
        self.settings.max_array.unwrap_or(MAX_ARRAY)
    }

    /// Seconds that a pilot may take.
    #[must_use]
    pub const fn h_rt(&self) -> Option<u32> {
        self.settings.h_rt
    }

    /// Seconds between heartbeats, and without one until a pilot counts as dead; at least four times as many, or a late one would do.
    #[must_use]
    pub fn heartbeat_and_deadline(&self) -> (u32, u32) {
        let heartbeat = self.settings.heartbeat.unwrap_or(HEARTBEAT.0);
        let deadline = self.settings.deadline.unwrap_or(HEARTBEAT.1.max(heartbeat.saturating_mul(12)));
        (heartbeat, deadline.max(heartbeat.saturating_mul(4)))
    }

    /// Environment modules.
    #[must_use]
    pub fn modules(&self) -> &[String] {
        self.settings.modules.as_deref().unwrap_or_default()
    }

    /// Memory of a slot in bytes for tasks that ran out of it so many times; `None` without a limit.
    #[must_use]
    pub fn memory(&self, ooms: u32) -> Option<u64> {
        let memory = self.settings.memory?;
        Some(memory.saturating_mul(1_u64.checked_shl(ooms).unwrap_or(u64::MAX)).min(self.max_memory().unwrap_or(u64::MAX)))
    }

    /// Whether tasks that ran out of memory so many times can be given more than the last time.
    #[must_use]
    pub fn has_more_memory(&self, ooms: u32) -> bool {
        ooms == 0 || self.memory(ooms) > self.memory(ooms - 1)
    }

    fn max_memory(&self) -> Option<u64> {
        self.settings.max_memory.or_else(|| self.settings.memory.map(|memory| memory.saturating_mul(MAX_MEMORY_FACTOR)))
    }

    /// The words behind `qsub` for an array of `pilots` tasks with that much memory. The script comes on standard input.
    #[must_use]
    pub fn qsub_words(&self, name: &str, pilots: u32, memory: Option<u64>) -> Vec<String> {
        let s = &self.settings;
        let mut words: Vec<String> = Vec::new();
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(|&part| part.to_owned()));
        // The id alone on stdout; no directives are read out of the script (a path might hold a line that looks like one); the shell is
        // given because some queues have another; a working directory that is on every host; logs are the script's own.
        add(&["-terse", "-C", "", "-S", "/bin/bash", "-wd", "/", "-j", "y", "-o", "/dev/null"]);
        // Started again where its host dies; warned before it is killed.
        add(&["-r", "y", "-notify", "-N", name, "-t", &format!("1-{pilots}")]);
        if let Some(most) = s.max_concurrent {
            add(&["-tc", &most.to_string()]);
        }
        if let Some(queue) = &s.queue {
            add(&["-q", queue]);
        }
        if let Some(project) = &s.project {
            add(&["-P", project]);
        }
        if let Some(pe) = &s.pe {
            add(&["-pe", pe, &self.slots().to_string()]);
        }
        if let Some(h_rt) = s.h_rt {
            add(&["-l", &format!("h_rt={h_rt}")]);
        }
        if let Some(memory) = memory {
            let resource = s.memory_resource.as_deref().unwrap_or("h_vmem");
            // Kibibytes are whole for every amount that a person writes.
            add(&["-l", &format!("{resource}={}K", memory.div_ceil(1024))]);
        }
        s.flags.iter().flatten().for_each(|flag| add(&[flag]));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_asked_for_and_nothing_else() {
        let plain = Site::new(SgeSettings::default());
        let words = plain.qsub_words("ip-x", 3, plain.memory(0)).join(" ");
        assert_eq!(words, "-terse -C  -S /bin/bash -wd / -j y -o /dev/null -r y -notify -N ip-x -t 1-3");
        let site = Site::new(SgeSettings {
            queue: Some("a.q".into()),
            project: Some("p".into()),
            pe: Some("smp".into()),
            slots: Some(8),
            threads: Some(4),
            memory: Some(1 << 30),
            memory_resource: Some("mem".into()),
            h_rt: Some(60),
            max_concurrent: Some(5),
            flags: Some(vec!["-l".into(), "gpu=1 x".into()]),
            ..SgeSettings::default()
        });
        let words = site.qsub_words("ip-x", 3, site.memory(1));
        let expected = "-tc 5 -q a.q -P p -pe smp 8 -l h_rt=60 -l mem=2097152K -l";
        assert!(words.join(" ").ends_with(&format!("{expected} gpu=1 x")) && words.last().unwrap() == "gpu=1 x");
        assert_eq!(site.threads_and_workers(), (4, 2));
    }

    #[test]
    fn memory_grows_up_to_a_bound() {
        let site = Site::new(SgeSettings { memory: Some(3 << 30), max_memory: Some(8 << 30), ..SgeSettings::default() });
        assert_eq!([0, 1, 2, 90].map(|ooms| site.memory(ooms)), [3 << 30, 6 << 30, 8 << 30, 8 << 30].map(Some));
        assert_eq!([0, 1, 2, 3].map(|ooms| site.has_more_memory(ooms)), [true, true, true, false]);
        let unlimited = Site::new(SgeSettings::default());
        assert_eq!((unlimited.memory(3), unlimited.has_more_memory(1)), (None, false));
    }

    #[test]
    fn a_deadline_leaves_room_for_late_heartbeats() {
        let of = |heartbeat, deadline| {
            Site::new(SgeSettings { heartbeat, deadline, ..SgeSettings::default() }).heartbeat_and_deadline()
        };
        assert_eq!([of(None, None), of(Some(1), Some(2)), of(Some(60), None)], [(10, 120), (1, 4), (60, 720)]);
    }
}
