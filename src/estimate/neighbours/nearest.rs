//! The nearest so far of candidates that come in any order.

/// Those that may still be among the `k` nearest; a point counts as often as its weight says.
#[derive(Debug, Default)]
pub(super) struct Nearest {
    k: usize,
    /// Whether all at the distance of the `k`-th are kept. Else as many as make it the `k`-th.
    all: bool,
    /// Distances and points.
    pub(super) items: Vec<(f64, u32)>,
    /// Where `k` is small, the `k` least distances in ascending order.
    least: Vec<f64>,
    /// Else the length at which the items are gone through, and a distance that the `k`-th did not exceed when that was done last.
    full: usize,
    last: f64,
    /// The distance at which one was left out last.
    left_out: f64,
}

impl Nearest {
    /// Up to here the least distances are kept in order.
    const SMALL: usize = 24;

    /// Begins anew; `itself` others are in the very place and no candidates.
    pub(super) fn clear(&mut self, k: usize, itself: u32, all: bool) {
        self.items.clear();
        self.least.clear();
        (self.k, self.all, self.full, self.last, self.left_out) = (k, all, 2 * k + 8, f64::INFINITY, f64::INFINITY);
        if k <= Self::SMALL {
            self.least.resize(k.min(itself as usize), 0.0);
        } else if itself as usize >= k {
            self.last = 0.0;
        }
    }

    /// Takes a candidate.
    #[inline(always)]
    pub(super) fn take(&mut self, distance: f64, point: u32, weight: u32) {
        if self.k > Self::SMALL {
            self.items.push((distance, point));
            if self.items.len() >= self.full {
                self.settle(|distance| distance);
            }
            return;
        }
        let radius = self.radius();
        if distance >= radius {
            if self.all {
                self.items.push((distance, point));
            } else if distance == radius {
                self.left_out = distance;
            }
            return;
        }
        self.items.push((distance, point));
        for _ in 0..weight.min(self.k as u32) {
            if distance >= self.radius() {
                break;
            }
            // Inserted from the end: there are few.
            if self.least.len() < self.k {
                self.least.push(distance);
            }
            let mut place = self.least.len() - 1;
            while place > 0 && self.least[place - 1] > distance {
                self.least[place] = self.least[place - 1];
                place -= 1;
            }
            self.least[place] = distance;
        }
    }

    /// A distance that the `k`-th does not exceed: infinity while there are fewer, and exact where `k` is small.
    #[inline(always)]
    pub(super) fn radius(&self) -> f64 {
        if self.k > Self::SMALL {
            self.last
        } else if self.least.len() < self.k {
            f64::INFINITY
        } else {
            self.least[self.k - 1]
        }
    }

    /// Whether one that is as near as the `k`-th was left out.
    pub(super) fn is_crowded(&self) -> bool {
        self.left_out < f64::INFINITY && self.left_out == self.radius()
    }

    /// Whether candidates at this distance or farther change nothing any more.
    #[inline(always)]
    pub(super) fn is_beyond(&self, distance: f64) -> bool {
        distance > self.radius() || distance == self.left_out && distance == self.radius()
    }

    /// Drops items that are further than `widen` of the `k`-th distance.
    pub(super) fn settle(&mut self, widen: impl Fn(f64) -> f64) {
        if self.k > Self::SMALL && self.items.len() >= self.k {
            let nth = self.items.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0)).1.0;
            self.last = nth.min(self.last);
        }
        let bound = widen(self.radius());
        self.items.retain(|(distance, _)| *distance <= bound);
        // Where many share one distance they stay; then there is no hurry to look again.
        self.full = 2 * self.items.len().max(self.k) + 8;
    }
}
