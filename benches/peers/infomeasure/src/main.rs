//! What the crate `infomeasure` needs for ksg1 (k = 3), beside `infoplane`: milliseconds, least of several calls, on one thread.
//!
//! `cd benches/peers/infomeasure && taskset -c 0 cargo run --release`. The samples are drawn as in `cargo bench --bench estimators`: normal
//! columns that single precision holds, each y at 0.6 with its x.

use std::time::Instant;

use infomeasure::estimators::mutual_information::MutualInformation;
use infomeasure::estimators::traits::GlobalValue;
use ndarray::Array2;

/// Normal values, by Box and Muller from a linear congruential generator: quality does not matter here.
fn normals(n: usize, dims: usize, state: &mut u64) -> Array2<f64> {
    let mut uniform = || {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    Array2::from_shape_simple_fn((n, dims), || {
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        f64::from((radius * angle.cos()) as f32)
    })
}

fn sides(n: usize, dims: usize) -> [Array2<f64>; 2] {
    let mut state = 1;
    let x = normals(n, dims, &mut state);
    let y = (0.6 * &x + 0.8 * &normals(n, dims, &mut state)).mapv(|v| f64::from(v as f32));
    [x, y]
}

/// Least milliseconds of calls that take a second together, at least three; and the value.
fn least(mut call: impl FnMut() -> f64) -> (f64, f64) {
    let (begin, mut best, mut value, mut calls) = (Instant::now(), f64::INFINITY, 0.0, 0);
    while calls < 3 || begin.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        value = call();
        best = best.min(start.elapsed().as_secs_f64());
        calls += 1;
    }
    (best * 1e3, value)
}

fn main() {
    for n in [4096, 20_000] {
        let series = sides(n, 10);
        let (ms, nats) = least(|| MutualInformation::nd_ksg::<20, 10, 10>(&series, 3, 0.0).global_value());
        println!("ksg1  10+10 {n:>7} {ms:>10.2} ms  {nats:.6} nats");
        let series = sides(n, 1);
        let (ms, nats) = least(|| MutualInformation::nd_ksg::<2, 1, 1>(&series, 3, 0.0).global_value());
        println!("ksg1    1+1 {n:>7} {ms:>10.2} ms  {nats:.6} nats");
    }
}
