//! The sums of distance correlation for one column a side, without looking at pairs.
//!
//! In the order of x, |x_j − x_i| is x_j − x_i for every earlier i; and |y_j − y_i| is y_j − y_i where y_i is below, its negative else. So
//! the sum of products is twice that over the earlier and lower, less that over all the earlier; and the former is gathered while
//! sorting by y: whenever a merge takes an element of the later half, those taken of the earlier half are what is earlier and lower.

use super::Sums;

/// What is summed over examples that are earlier and lower: 1, x, y, xy.
type Moments = [f64; 4];

pub(super) fn sums(x: &[f64], y: &[f64]) -> Sums {
    let n = x.len();
    let rows = [x, y].map(|values| {
        let mut rows = vec![0.0; n];
        row_sums(values, |example, sum| rows[example] = sum);
        rows
    });
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut points: Vec<[f64; 2]> = order.iter().map(|&example| [x[example], y[example]]).collect();
    let lower = earlier_and_lower(&mut points);
    // Over all pairs, each once: Σ (x_j − x_i)(y_j − y_i) = N Σ xy − Σ x Σ y.
    let [sum_x, sum_y] = [x, y].map(|side| side.iter().sum::<f64>());
    let all = n as f64 * x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() - sum_x * sum_y;
    Sums { products: vec![2.0 * (2.0 * lower - all)], rows: rows.into() }
}

/// Σ_j |v_i − v_j| of every example.
fn row_sums(values: &[f64], mut put: impl FnMut(usize, f64)) {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let total: f64 = order.iter().map(|&example| values[example]).sum();
    let mut before = 0.0;
    for (rank, &example) in order.iter().enumerate() {
        let value = values[example];
        put(example, value * (2.0 * rank as f64 - n as f64) + total - 2.0 * before);
        before += value;
    }
}

/// Σ (x_j − x_i)(y_j − y_i) over pairs with i before j and y_i ≤ y_j. Leaves the points sorted by y.
fn earlier_and_lower(points: &mut [[f64; 2]]) -> f64 {
    let n = points.len();
    let mut from = points.to_vec();
    let mut to = from.clone();
    let (mut width, mut sum) = (1, 0.0);
    while width < n {
        for (pair, merged) in from.chunks(2 * width).zip(to.chunks_mut(2 * width)) {
            let (earlier, later) = pair.split_at(width.min(pair.len()));
            sum += merge(earlier, later, merged);
        }
        std::mem::swap(&mut from, &mut to);
        width *= 2;
    }
    points.copy_from_slice(&from);
    sum
}

fn merge(earlier: &[[f64; 2]], later: &[[f64; 2]], merged: &mut [[f64; 2]]) -> f64 {
    let (mut left, mut right, mut sum) = (0, 0, 0.0);
    let mut below: Moments = [0.0; 4];
    for slot in merged {
        let from_left = right == later.len() || left < earlier.len() && earlier[left][1] <= later[right][1];
        if from_left {
            let [x, y] = earlier[left];
            left += 1;
            below = [below[0] + 1.0, below[1] + x, below[2] + y, below[3] + x * y];
            *slot = [x, y];
        } else {
            let [x, y] = later[right];
            right += 1;
            sum += below[0] * x * y - below[1] * y - below[2] * x + below[3];
            *slot = [x, y];
        }
    }
    sum
}
