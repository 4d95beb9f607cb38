//! What `qacct -j` answers: how array tasks ended.

/// How one array task ended, as Grid Engine has it on record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// Number of the job.
    pub job: u64,
    /// Number of the array task; 0 of a job that is no array.
    pub task: u64,
    /// Host that it ran on.
    pub host: String,
    /// Grid Engine's code of failure; 0: none.
    pub failed: u32,
    /// What that means, in its words.
    pub reason: String,
    /// The exit status; 128 + signal after a signal.
    pub exit: u32,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak of memory in bytes, as far as it was seen.
    pub max_memory: f64,
}

/// What ended an array task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, well.
    Well,
    /// It asked to be started again.
    Requeued,
    /// It ran longer than its `h_rt`.
    Walltime,
    /// It took more memory than it may.
    Memory,
    /// It was killed: by a person, by `qdel`, with its host.
    Killed,
    /// Grid Engine could not start it: something of the site's is wrong.
    NotStarted,
    /// It failed by itself.
    Failed,
}

impl Account {
    /// What ended it, by what it was allowed: seconds of `h_rt` and bytes of memory, where those were limited.
    #[must_use]
    pub fn ended(&self, h_rt: Option<u32>, memory: Option<u64>) -> Ended {
        let killed = self.exit > 128 || self.failed == 100;
        // Memory is seen now and then, so a peak that was close to the limit was likely beyond it.
        let near_limit = memory.is_some_and(|limit| self.max_memory >= 0.9 * limit as f64);
        match (self.failed, self.exit) {
            (0, 0) => Ended::Well,
            (0 | 25, 99) => Ended::Requeued,
            _ if killed && h_rt.is_some_and(|h_rt| self.seconds >= f64::from(h_rt)) => Ended::Walltime,
            _ if near_limit => Ended::Memory,
            _ if killed => Ended::Killed,
            // 1 to 11: before the job; 17 to 38: its host, its files, its user.
            (1..=24 | 26..=38, _) => Ended::NotStarted,
            _ => Ended::Failed,
        }
    }
}

/// Parses the answer to `qacct -j`: one paragraph for each array task that has ended. What is not understood is left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Account> {
    let mut found: Vec<Account> = Vec::new();
    for line in text.lines() {
        if line.starts_with("=====") {
            found.push(Account::default());
            continue;
        }
        let Some(account) = found.last_mut() else { continue };
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim();
        let first = value.split([' ', ':']).next().unwrap_or_default();
        match key {
            "jobnumber" => account.job = value.parse().unwrap_or(0),
            "taskid" => account.task = value.parse().unwrap_or(0),
            "hostname" => value.clone_into(&mut account.host),
            "failed" => {
                account.failed = first.parse().unwrap_or(0);
                value[first.len()..].trim_start_matches([' ', ':']).clone_into(&mut account.reason);
            }
            "exit_status" => account.exit = first.parse().unwrap_or(0),
            "ru_wallclock" => account.seconds = number(value),
            "maxvmem" => account.max_memory = number(value),
            _ => {}
        }
    }
    found.retain(|account| account.job > 0);
    found
}

/// A number with a unit such as `4s` or `4.762MB`.
fn number(text: &str) -> f64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "K" | "KB" => 1024.0,
        "M" | "MB" => 1048576.0,
        "G" | "GB" => 1073741824.0,
        "T" | "TB" => 1099511627776.0,
        _ => 1.0,
    };
    digits.parse::<f64>().unwrap_or(0.0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Grid Engine 8.1.9 answers, shortened.
    const ANSWER: &str = "==============================================================
qname        all.q               
hostname     n1                  
jobname      ip-x                
jobnumber    1                   
taskid       2                   
failed       0    
exit_status  0                   
ru_wallclock 4s
ru_maxrss    4.488KB
maxvmem      4.762MB
==============================================================
hostname     n2                  
jobnumber    1                   
taskid       undefined
failed       100 : assumedly after job
exit_status  137                  (Killed)
ru_wallclock 61.5s
maxvmem      1.950GB
";

    #[test]
    fn tasks_are_read_with_how_they_ended() {
        let found = parse(ANSWER);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].task, found[0].seconds, found[0].max_memory), (2, 4.0, 4.762 * 1048576.0));
        let second = &found[1];
        assert_eq!((second.task, second.failed, second.exit, second.reason.as_str()), (0, 100, 137, "assumedly after job"));
        assert_eq!(second.ended(None, None), Ended::Killed);
        assert_eq!(second.ended(Some(60), None), Ended::Walltime);
        assert_eq!(second.ended(Some(600), Some(2 << 30)), Ended::Memory);
        assert_eq!(found[0].ended(Some(3), Some(1)), Ended::Well);
        assert_eq!(parse("error: job id 9 not found\n"), []);
    }

    #[test]
    fn failures_are_told_apart() {
        let ended = |failed, exit| Account { failed, exit, ..Account::default() }.ended(Some(100), Some(1 << 30));
        assert_eq!(ended(0, 99), Ended::Requeued);
        assert_eq!(ended(25, 99), Ended::Requeued);
        assert_eq!(ended(11, 0), Ended::NotStarted);
        assert_eq!(ended(26, 0), Ended::NotStarted);
        assert_eq!(ended(0, 7), Ended::Failed);
        assert_eq!(ended(0, 134), Ended::Killed);
        assert_eq!(ended(100, 137), Ended::Killed);
    }
}
