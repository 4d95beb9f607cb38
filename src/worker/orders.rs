//! The orders that wait in a worker: taken first to last by the one who executes them, given back from the end.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::launch::wire::Order;

/// Orders that wait; shared between the thread that listens and the one that executes.
#[derive(Debug, Default)]
pub struct Orders {
    waiting: Mutex<VecDeque<Order>>,
    changed: Condvar,
}

impl Orders {
    /// Adds orders behind those that wait.
    pub fn add(&self, orders: Vec<Order>) {
        self.lock().extend(orders);
        self.changed.notify_all();
    }

    /// Takes the last `most` orders away; their tickets.
    pub fn give_back(&self, most: usize) -> Vec<u64> {
        let mut waiting = self.lock();
        let kept = waiting.len().saturating_sub(most);
        waiting.split_off(kept).into_iter().map(|order| order.ticket).collect()
    }

    /// The next order; waits for one.
    pub fn next(&self) -> Order {
        let mut waiting = self.lock();
        loop {
            if let Some(order) = waiting.pop_front() {
                return order;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A queue is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::ids::Id;
    use crate::grid::plan::Task;
    use crate::train::spec::TrainingSpec;

    #[test]
    fn first_come_first_served_and_the_last_are_given_back() {
        let order = |ticket| {
            let task =
                Task { training: Id([0; 16]), spec: TrainingSpec::default().into(), seed: 0, train: true, measure: [].into() };
            Order { ticket, attempt: 1, task, fence: 0 }
        };
        let orders = Orders::default();
        assert_eq!(orders.give_back(3), [0_u64; 0]);
        orders.add((0..5).map(order).collect());
        assert_eq!(orders.give_back(2), [3, 4]);
        orders.add(vec![order(5)]);
        assert_eq!([orders.next().ticket, orders.next().ticket], [0, 1]);
        assert_eq!(orders.give_back(9), [2, 5]);
        std::thread::scope(|scope| {
            let next = scope.spawn(|| orders.next().ticket);
            orders.add(vec![order(7)]);
            assert_eq!(next.join().unwrap(), 7);
        });
    }
}
