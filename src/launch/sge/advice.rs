//! What a person should know, or must do, about a sweep: from what the scheduler says of its jobs. Pure; words only.

use std::collections::BTreeMap;

use super::qacct::{Account, Ended};
use super::qstat::{JobTasks, TaskState};

/// A queue instance that takes no jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTrouble {
    /// Its name, as `all.q@n1`.
    pub name: String,
    /// Letters of its state: `E` error, `d` disabled, `u` no answer, `a`, `A` load, `s`, `S` suspended.
    pub state: String,
}

/// What is known of a sweep's jobs.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Numbers of its jobs.
    pub jobs: &'a [u64],
    /// Its array tasks that the scheduler knows.
    pub tasks: Vec<JobTasks>,
    /// Those that ended, as far as there is a record.
    pub accounts: &'a [Account],
    /// Queue instances that take no jobs.
    pub queues: &'a [QueueTrouble],
    /// Seconds and bytes that a pilot may take.
    pub limits: (Option<u32>, Option<u64>),
    /// Whether any pilot is seen to be alive by the store.
    pub alive: bool,
}

/// How many array tasks are in each state.
#[must_use]
pub fn counts(tasks: &[JobTasks]) -> BTreeMap<TaskState, u64> {
    let mut counts = BTreeMap::new();
    tasks.iter().for_each(|task| *counts.entry(task.state).or_default() += task.count);
    counts
}

/// The states in words: "3 running, 5 waiting"; empty if the scheduler knows of nothing.
#[must_use]
pub fn states(tasks: &[JobTasks]) -> String {
    let words: Vec<String> = counts(tasks).iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
    words.join(", ")
}

/// What to tell, the most urgent first.
#[must_use]
pub fn advice(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let in_state = |state: TaskState| facts.tasks.iter().filter(move |task| task.state == state);
    let of_state = |state: TaskState| in_state(state).map(|task| task.count).sum::<u64>();
    if let Some(task) = in_state(TaskState::Error).next() {
        let (n, job) = (of_state(TaskState::Error), task.job);
        lines.push(format!(
            "{n} pilots are in state Eqw and will not start: `qstat -j {job}` says why; when that is mended, `qmod -cj {job}` lets them start"
        ));
    }
    let waiting = of_state(TaskState::Waiting) + of_state(TaskState::Held);
    let moving = of_state(TaskState::Running) + of_state(TaskState::Restarted) + of_state(TaskState::Starting);
    if waiting > 0 && moving == 0 && !facts.alive {
        for queue in facts.queues {
            let what = match () {
                () if queue.state.contains('E') => {
                    format!(
                        "is in state E: `qstat -f -explain E` says why; when that is mended, `qmod -cq {}` clears it",
                        queue.name
                    )
                }
                () if queue.state.contains('d') => format!("is disabled; its operator does `qmod -e {}`", queue.name),
                () if queue.state.contains('u') => "does not answer: its host or its execution daemon is down".to_owned(),
                () => format!("takes no jobs (state {})", queue.state),
            };
            lines.push(format!("queue {} {what}", queue.name));
        }
    }
    if of_state(TaskState::Held) > 0 && facts.tasks.iter().all(|task| task.state == TaskState::Held) {
        let job = facts.tasks[0].job;
        lines.push(format!("its jobs are held; `qrls {job}` lets them start"));
    }
    if of_state(TaskState::Suspended) > 0 {
        lines.push(format!("{} pilots are suspended; others take over what they had", of_state(TaskState::Suspended)));
    }
    lines.extend(ended(facts));
    if facts.tasks.is_empty() && !facts.alive {
        lines.push(
            "Grid Engine knows of no pilot of it any more; `infoplane run` or `infoplane resume` takes up what is left"
                .to_owned(),
        );
    }
    lines
}

/// What pilots died of.
fn ended(facts: &Facts<'_>) -> Vec<String> {
    let (h_rt, memory) = facts.limits;
    let of =
        |wanted: Ended| facts.accounts.iter().filter(move |account| account.ended(h_rt, memory) == wanted).collect::<Vec<_>>();
    let mut lines = Vec::new();
    let not_started = of(Ended::NotStarted);
    if let Some(one) = not_started.first() {
        lines.push(format!(
            "{} pilots could not be started, the last on {} (failed {}: {}): a matter for the site",
            not_started.len(),
            one.host,
            one.failed,
            one.reason
        ));
    }
    let walltime = of(Ended::Walltime);
    if !walltime.is_empty() {
        lines.push(format!(
            "{} pilots were ended at their h_rt of {} s; if no task fits into it, raise h_rt",
            walltime.len(),
            h_rt.unwrap_or(0)
        ));
    }
    let memory_kills = of(Ended::Memory);
    if !memory_kills.is_empty() {
        lines.push(format!(
            "{} pilots were ended for want of memory; `infoplane run` tries with more, up to max_memory",
            memory_kills.len()
        ));
    }
    let killed = of(Ended::Killed);
    if !killed.is_empty() {
        lines.push(format!("{} pilots were killed; others take over what they had", killed.len()));
    }
    let failed = of(Ended::Failed);
    if let Some(one) = failed.last() {
        lines.push(format!(
            "{} pilots failed, the last on {} with exit {}; `infoplane logs` shows their words",
            failed.len(),
            one.host,
            one.exit
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(state: TaskState, count: u64) -> JobTasks {
        JobTasks { job: 7, name: "ip-x".into(), state, queue: None, count }
    }

    fn told(facts: &Facts<'_>) -> String {
        advice(facts).join("\n")
    }

    #[test]
    fn what_a_person_must_do_is_said() {
        let error =
            Facts { tasks: vec![tasks(TaskState::Error, 3), tasks(TaskState::Running, 1)], alive: true, ..Facts::default() };
        assert!(told(&error).contains("3 pilots are in state Eqw") && told(&error).contains("qmod -cj 7"));
        let queues = [QueueTrouble { name: "all.q@n1".into(), state: "E".into() }];
        let waiting = Facts { tasks: vec![tasks(TaskState::Waiting, 3)], queues: &queues, ..Facts::default() };
        assert!(told(&waiting).contains("qmod -cq all.q@n1"));
        // A queue in trouble is no news while pilots run elsewhere.
        let fine = Facts {
            tasks: vec![tasks(TaskState::Waiting, 3), tasks(TaskState::Running, 1)],
            queues: &queues,
            ..Facts::default()
        };
        assert_eq!(told(&fine), "");
        let held = Facts { tasks: vec![tasks(TaskState::Held, 3)], ..Facts::default() };
        assert!(told(&held).contains("qrls 7"));
        assert!(told(&Facts::default()).contains("takes up what is left"));
        assert_eq!(
            states(&[tasks(TaskState::Running, 2), tasks(TaskState::Waiting, 4), tasks(TaskState::Running, 1)]),
            "4 waiting, 3 running"
        );
    }

    #[test]
    fn ends_are_told_apart() {
        let account = |failed, exit, seconds, max_memory| Account {
            job: 7,
            host: "n1".into(),
            failed,
            exit,
            seconds,
            max_memory,
            reason: "why".into(),
            ..Account::default()
        };
        let accounts = [
            account(0, 0, 9.0, 0.0),
            account(100, 137, 61.0, 0.0),
            account(100, 137, 5.0, 4e9),
            account(0, 137, 5.0, 0.0),
            account(11, 0, 0.0, 0.0),
            account(0, 6, 1.0, 0.0),
        ];
        let facts = Facts { accounts: &accounts, limits: (Some(60), Some(4 << 30)), alive: true, ..Facts::default() };
        let lines = advice(&facts);
        assert_eq!(lines.len(), 5, "{lines:?}");
        for word in ["failed 11: why", "h_rt of 60 s", "want of memory", "were killed", "with exit 6"] {
            assert!(lines.iter().any(|line| line.contains(word)), "{word}: {lines:?}");
        }
    }
}
