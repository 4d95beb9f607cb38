//! Tasks → batches: what a pilot takes under one lease. A function of the tasks, their predicted times and the number of pilots alone.

/// Shortest batch worth a lease, in seconds, where nobody asked for a number of pilots.
const LEAST_SECONDS: f64 = 20.0;
/// Batches for each pilot: the last ones to end wait for a quarter of a pilot's work at most.
const PER_PILOT: usize = 4;
/// Least number of pilots beyond which there is one batch for each.
const MANY_PILOTS: usize = 5_000;
/// Seconds of work for which one more pilot is worth starting, where nobody asked for a number.
const PILOT_SECONDS: f64 = 60.0;

/// How tasks are shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Number of tasks of each batch, in the order of the tasks; none is empty.
    pub batches: Vec<usize>,
    /// Pilots worth starting: never more than batches.
    pub pilots: u32,
}

/// Shares out tasks of the given seconds, in their order. `asked` pilots are wanted by somebody; else as many as pay, at most `most`. Each
/// pilot works on `workers` tasks at once.
#[must_use]
pub fn partition(seconds: &[f64], asked: Option<u32>, most: u32, workers: u32) -> Partition {
    let total: f64 = seconds.iter().sum();
    let workers = workers.max(1);
    let worth = (total / (PILOT_SECONDS * f64::from(workers))).ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let pilots = asked.unwrap_or(worth).min(most).max(1);
    let wanted = if pilots as usize > MANY_PILOTS { pilots as usize } else { pilots as usize * PER_PILOT };
    // A batch must be able to keep all workers of a pilot busy.
    let least = if asked.is_some() { 0.0 } else { LEAST_SECONDS * f64::from(workers) };
    let target = (total / wanted as f64).max(least);
    let least_tasks = (workers as usize).min(seconds.len().div_ceil(pilots as usize)).max(1);
    let (mut batches, mut count, mut sum) = (Vec::new(), 0, 0.0);
    // What all batches so far should have: rounding must not add up.
    let mut due = target;
    for (place, &cost) in seconds.iter().enumerate() {
        count += 1;
        sum += cost;
        let left = seconds.len() - place - 1;
        // Equal tasks of no cost are shared out by number.
        let by_number = (place + 1) * wanted >= (batches.len() + 1) * seconds.len();
        let full = if total > 0.0 { sum + cost / 2.0 >= due } else { by_number };
        if full && count >= least_tasks && left > 0 {
            batches.push(count);
            count = 0;
            due = sum + target;
        }
    }
    if count > 0 {
        batches.push(count);
    }
    let pilots = pilots.min(u32::try_from(batches.len()).unwrap_or(u32::MAX));
    Partition { batches, pilots }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_work_is_not_torn_and_long_tasks_stand_alone() {
        assert_eq!(partition(&[], None, 10, 1), Partition { batches: vec![], pilots: 0 });
        assert_eq!(partition(&[0.001; 1000], None, 1000, 1), Partition { batches: vec![1000], pilots: 1 });
        assert_eq!(partition(&[3600.0; 5], None, 1000, 1), Partition { batches: vec![1; 5], pilots: 5 });
        // Somebody asked for eight pilots: they get them, if there are as many tasks.
        assert_eq!(partition(&[0.01; 24], Some(8), 8, 1).pilots, 8);
        assert_eq!(partition(&[0.01; 3], Some(8), 8, 1).pilots, 3);
        assert_eq!(partition(&[0.0; 100], Some(4), 4, 1).batches.len(), 16);
    }

    #[test]
    fn a_hundred_thousand_tasks_are_few_batches() {
        let found = partition(&[1.0; 100_000], None, 1000, 1);
        assert_eq!((found.pilots, found.batches.len()), (1000, 4000));
        let found = partition(&[1.0; 100_000], Some(8), 8, 1);
        assert_eq!((found.pilots, found.batches.len()), (8, 32));
    }

    proptest! {
        #[test]
        fn every_task_is_in_one_batch(
            seconds in vec(0.0..1000.0_f64, 0..300),
            asked in proptest::option::of(1..50_u32),
            most in 1..100_u32,
            workers in 1..9_u32,
        ) {
            let found = partition(&seconds, asked, most, workers);
            prop_assert_eq!(found.batches.iter().sum::<usize>(), seconds.len());
            prop_assert!(found.batches.iter().all(|&n| n > 0) && found.pilots <= most && found.pilots as usize <= found.batches.len());
            // Few for each pilot: files stay few.
            let pilots = asked.unwrap_or(u32::MAX).min(most) as usize;
            prop_assert!(found.batches.len() <= 2 * PER_PILOT * pilots + 1, "{:?}", found);
            prop_assert_eq!(partition(&seconds, asked, most, workers), found);
        }
    }
}
