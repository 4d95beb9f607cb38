//! The orders that wait in a worker: taken first to last by the one who executes them, given back from the end.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::launch::wire::Order;

/// Orders that wait; shared between the thread that listens and the one that executes.
#[derive(Debug, Default)]
pub struct Orders {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Order>,
    /// Nothing is taken any more.
    closed: bool,
}

impl Orders {
    /// Adds orders behind those that wait; once closed, refuses them: their tickets.
    pub fn add(&self, orders: Vec<Order>) -> Vec<u64> {
        let mut queue = self.lock();
        if queue.closed {
            return orders.iter().map(|order| order.ticket).collect();
        }
        queue.waiting.extend(orders);
        drop(queue);
        self.changed.notify_all();
        Vec::new()
    }

    /// Takes nothing any more and gives back what waits: the tickets.
    pub fn close(&self) -> Vec<u64> {
        let mut queue = self.lock();
        queue.closed = true;
        let waiting = mem::take(&mut queue.waiting);
        drop(queue);
        self.changed.notify_all();
        waiting.into_iter().map(|order| order.ticket).collect()
    }

    /// Takes the last `most` orders away; their tickets.
    pub fn give_back(&self, most: usize) -> Vec<u64> {
        let waiting = &mut self.lock().waiting;
        let kept = waiting.len().saturating_sub(most);
        waiting.split_off(kept).into_iter().map(|order| order.ticket).collect()
    }

    /// The next order; waits for one. `None` once closed.
    pub fn next(&self) -> Option<Order> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(order) = queue.waiting.pop_front() {
                return Some(order);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A queue is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
        let next = || orders.next().map(|order| order.ticket);
        orders.add((0..5).map(order).collect());
        assert_eq!(orders.give_back(2), [3, 4]);
        assert_eq!(orders.add(vec![order(5)]), [0_u64; 0]);
        assert_eq!([next(), next()], [Some(0), Some(1)]);
        assert_eq!(orders.give_back(9), [2, 5]);
        std::thread::scope(|scope| {
            let waits = scope.spawn(next);
            orders.add(vec![order(7)]);
            assert_eq!(waits.join().unwrap(), Some(7));
        });
        orders.add(vec![order(8), order(9)]);
        assert_eq!(orders.close(), [8, 9]);
        assert_eq!((orders.add(vec![order(10)]), next()), (vec![10], None));
    }
}
