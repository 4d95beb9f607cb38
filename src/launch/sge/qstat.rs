//! What `qstat -xml` answers: the array tasks of jobs and their states.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::advice::QueueTrouble;

/// The state of an array task, by the letters that `qstat` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskState {
    /// `qw`: waits for a slot.
    Waiting,
    /// `hqw`: waits and is held.
    Held,
    /// `t`: is being started.
    Starting,
    /// `r`: runs, as far as the scheduler knows.
    Running,
    /// `Rr`, `Rq`…: was restarted.
    Restarted,
    /// `s`, `S`, `T`: suspended by a person, by its queue, by a threshold.
    Suspended,
    /// `Eqw`: an error keeps it from starting, until a person clears it.
    Error,
    /// `d…`: is being deleted; on a host that does not answer for ever.
    Deleting,
    /// Letters that we do not know.
    Unknown,
}

impl TaskState {
    /// The state of letters such as `Eqw`. The worst that a letter tells counts.
    #[must_use]
    pub fn of_letters(letters: &str) -> Self {
        let has = |set: &str| letters.chars().any(|letter| set.contains(letter));
        let known = !letters.is_empty() && letters.chars().all(|letter| "qwhtrRsSTEdP".contains(letter));
        match () {
            () if !known => Self::Unknown,
            () if has("d") => Self::Deleting,
            () if has("E") => Self::Error,
            () if has("sSTP") => Self::Suspended,
            () if has("h") && has("w") => Self::Held,
            // `Rq` and `Rqw` wait again.
            () if has("w") || letters == "Rq" => Self::Waiting,
            () if has("R") => Self::Restarted,
            () if has("t") => Self::Starting,
            () if has("r") => Self::Running,
            () => Self::Unknown,
        }
    }

    /// In a word or two, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarted => "restarted",
            Self::Suspended => "suspended",
            Self::Error => "in error",
            Self::Deleting => "being deleted",
            Self::Unknown => "in an unknown state",
        }
    }
}

/// Some array tasks of one job in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobTasks {
    /// Number of the job.
    pub job: u64,
    /// Its name.
    pub name: String,
    /// Their state.
    pub state: TaskState,
    /// Where they are, if they are anywhere.
    pub queue: Option<String>,
    /// How many.
    pub count: u64,
}

/// Parses the answer to `qstat -xml`.
///
/// # Errors
/// In words, if it is no such answer.
pub fn parse(xml: &str) -> Result<Vec<JobTasks>, String> {
    let mut fields: Option<Fields> = None;
    let mut found = Vec::new();
    walk(xml, |element| match element {
        Element::Begin("job_list") => fields = Some(Fields::default()),
        Element::End("job_list", _) => found.extend(fields.take().and_then(Fields::tasks)),
        Element::End(name, text) => {
            if let Some(fields) = &mut fields {
                fields.set(name, text);
            }
        }
        Element::Begin(_) => {}
    })?;
    Ok(found)
}

/// Parses the answer to `qstat -f -xml`: queue instances that are in some state.
///
/// # Errors
/// In words, if it is no such answer.
pub fn parse_queues(xml: &str) -> Result<Vec<QueueTrouble>, String> {
    let (mut found, mut in_jobs) = (Vec::new(), false);
    let mut queue = QueueTrouble { name: String::new(), state: String::new() };
    walk(xml, |element| match element {
        Element::Begin("Queue-List") => queue = QueueTrouble { name: String::new(), state: String::new() },
        Element::Begin("job_list") => in_jobs = true,
        Element::End("job_list", _) => in_jobs = false,
        Element::End("name", text) if !in_jobs => text.clone_into(&mut queue.name),
        Element::End("state", text) if !in_jobs => text.clone_into(&mut queue.state),
        Element::End("Queue-List", _) => found.push(queue.clone()),
        _ => {}
    })?;
    found.retain(|queue| !queue.state.is_empty());
    Ok(found)
}

/// A step through an answer.
enum Element<'a> {
    /// An element begins.
    Begin(&'a str),
    /// It ends; with its text, if that was all of it.
    End(&'a str, &'a str),
}

/// Walks through an answer of `qstat`.
fn walk(xml: &str, mut each: impl FnMut(Element<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(xml);
    let (mut path, mut text, mut is_answer) = (Vec::<String>::new(), String::new(), false);
    loop {
        match reader.read_event().map_err(|error| format!("not XML at byte {}: {error}", reader.error_position()))? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                is_answer |= name == "job_info";
                each(Element::Begin(&name));
                path.push(name);
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(reference) => text.push_str(&entity(&reference)),
            Event::End(_) => {
                let name = path.pop().unwrap_or_default();
                each(Element::End(&name, text.trim()));
                text.clear();
            }
            Event::Eof if is_answer && path.is_empty() => return Ok(()),
            Event::Eof => return Err("it ends too early".to_owned()),
            _ => {}
        }
    }
}

/// A character that stands as a reference.
fn entity(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match &**reference {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
    .to_owned()
}

/// What one `job_list` says.
#[derive(Default)]
struct Fields {
    job: Option<u64>,
    name: String,
    state: String,
    queue: Option<String>,
    tasks: Option<String>,
}

impl Fields {
    fn set(&mut self, name: &str, value: &str) {
        match name {
            "JB_job_number" => self.job = value.parse().ok(),
            "JB_name" => value.clone_into(&mut self.name),
            "state" => value.clone_into(&mut self.state),
            "queue_name" => self.queue = (!value.is_empty()).then(|| value.to_owned()),
            "tasks" => self.tasks = Some(value.to_owned()),
            _ => {}
        }
    }

    fn tasks(self) -> Option<JobTasks> {
        let count = self.tasks.as_deref().map_or(1, count);
        Some(JobTasks { job: self.job?, name: self.name, state: TaskState::of_letters(&self.state), queue: self.queue, count })
    }
}

/// How many tasks a text such as `1-5:2,7` names.
fn count(tasks: &str) -> u64 {
    let one = |part: &str| {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last, step) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, step.parse::<u64>().ok()?);
        Some(last.checked_sub(first)?.checked_div(step)? + 1)
    };
    tasks.split(',').map(str::trim).filter_map(one).sum::<u64>().max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Grid Engine 8.1.9 answers.
    const ANSWER: &str = r#"<?xml version='1.0'?>
<job_info  xmlns:xsd="http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas/qstat/qstat.xsd">
  <queue_info>
    <job_list state="running">
      <JB_job_number>7</JB_job_number>
      <JAT_prio>0.50000</JAT_prio>
      <JB_name>ip-0123456789ab-a&amp;b</JB_name>
      <JB_owner>root</JB_owner>
      <state>Rr</state>
      <JAT_start_time>2026-11-24T08:29:48</JAT_start_time>
      <queue_name>all.q@n1</queue_name>
      <slots>1</slots>
      <tasks>2</tasks>
    </job_list>
  </queue_info>
  <job_info>
    <job_list state="pending">
      <JB_job_number>7</JB_job_number>
      <JB_name>ip-0123456789ab-a&#38;b</JB_name>
      <state>Eqw</state>
      <queue_name></queue_name>
      <tasks>3-10:1,12</tasks>
    </job_list>
    <job_list state="pending">
      <JB_job_number>8</JB_job_number>
      <state>qw</state>
    </job_list>
  </job_info>
</job_info>"#;

    #[test]
    fn tasks_are_read_with_their_states() {
        let found = parse(ANSWER).unwrap();
        let name = "ip-0123456789ab-a&b".to_owned();
        let first =
            JobTasks { job: 7, name: name.clone(), state: TaskState::Restarted, queue: Some("all.q@n1".into()), count: 1 };
        let second = JobTasks { job: 7, name, state: TaskState::Error, queue: None, count: 9 };
        let third = JobTasks { job: 8, name: String::new(), state: TaskState::Waiting, queue: None, count: 1 };
        assert_eq!(found, [first, second, third]);
    }

    #[test]
    fn queues_in_trouble_are_read() {
        let xml = "<job_info><queue_info><Queue-List><name>all.q@n1</name><qtype>BIP</qtype><slots_total>4</slots_total>\
                   <state>E</state><job_list state='running'><JB_name>x</JB_name><state>r</state></job_list></Queue-List>\
                   <Queue-List><name>all.q@n2</name></Queue-List></queue_info><job_info></job_info></job_info>";
        assert_eq!(parse_queues(xml).unwrap(), [QueueTrouble { name: "all.q@n1".into(), state: "E".into() }]);
        assert!(parse_queues("<job_info>").is_err());
    }

    #[test]
    fn letters_tell_the_worst() {
        use TaskState::{Deleting, Error, Held, Restarted, Running, Starting, Suspended, Unknown, Waiting};
        let cases = [
            ("qw", Waiting),
            ("hqw", Held),
            ("t", Starting),
            ("r", Running),
            ("R", Restarted),
            ("Rr", Restarted),
            ("Rq", Waiting),
            ("s", Suspended),
            ("S", Suspended),
            ("T", Suspended),
            ("ts", Suspended),
            ("Rs", Suspended),
            ("Eqw", Error),
            ("Ehqw", Error),
            ("dr", Deleting),
            ("dt", Deleting),
            ("dRr", Deleting),
            ("dRs", Deleting),
            ("hRqw", Held),
            ("Rqw", Waiting),
            ("", Unknown),
            ("z", Unknown),
        ];
        for (letters, state) in cases {
            assert_eq!(TaskState::of_letters(letters), state, "{letters}");
        }
    }

    #[test]
    fn counts_of_tasks() {
        assert_eq!(
            [count("7"), count("1-5:1"), count("1-9:2,20"), count("x"), count("9-1:1"), count("1-5:0")],
            [1, 5, 6, 1, 1, 1]
        );
    }

    proptest! {
        #[test]
        fn whatever_is_cut_or_changed_is_an_error_or_an_answer(cut in 0..ANSWER.len(), at in 0..ANSWER.len(), byte in 32..127_u8) {
            prop_assert!(parse(&ANSWER[..cut]).is_err());
            let mut bytes = ANSWER.as_bytes().to_vec();
            bytes[at] = byte;
            let _ = parse(&String::from_utf8(bytes).unwrap());
        }
    }
}
