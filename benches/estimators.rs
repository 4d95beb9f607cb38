//! Speed of the estimators: ns a row or a pair, and the share of the machine's arithmetic peak, for every instruction set.
//!
//! `cargo bench --bench estimators`. The roofline tables come first, then criterion's statistics of some of the calls; `-- --test` leaves
//! those out. What peers need for the same: `benches/peers`.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use infoplane::estimate::{Classes, Estimator, EstimatorSpec, Pair, PairEstimator, Sample, Scratch, Side, Values};
use infoplane::math::exec::Exec;
use infoplane::math::rng::{Purpose, Stream};
use infoplane::math::simd::{Block, Isa, Kernel, LANES, Simd};
use ndarray::Array2;
use rayon::prelude::*;

const SPECS: [EstimatorSpec; 3] = [
    EstimatorSpec::Binning { bin_width: EstimatorSpec::DEFAULT_BIN_WIDTH },
    EstimatorSpec::Upper { noise_variance: EstimatorSpec::DEFAULT_NOISE_VARIANCE },
    EstimatorSpec::Lower { noise_variance: EstimatorSpec::DEFAULT_NOISE_VARIANCE },
];
/// Units and examples: the standard network's first and last hidden layer on all of the harmonics data, a wide layer, a large sample.
const SHAPES: [(usize, usize); 4] = [(10, 4096), (3, 4096), (128, 4096), (10, 20_000)];

/// Activations like those of a tanh layer that has learnt: uniform in (−1, 1), half of them driven into saturation; two classes.
fn layer(units: usize, examples: usize) -> (Array2<f32>, Classes) {
    let mut stream = Stream::new(1, Purpose::Init, 0);
    let values = Array2::from_shape_simple_fn((units, examples), || {
        let value = stream.uniform() * 4.0 - 2.0;
        value.clamp(-1.0, 1.0) as f32
    });
    let labels: Vec<u32> = (0..examples).map(|_| stream.below(2)).collect();
    (values, Classes::new(&labels))
}

/// Independent multiply-adds, as many as hide their latency and fit the registers, `rounds` times. Returns how many vectors they were.
struct Peak {
    rounds: usize,
}

impl Kernel for Peak {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        if S::WIDE { chains::<S, 12>(s, self.rounds) } else { chains::<S, 5>(s, self.rounds) }
    }
}

#[inline(always)]
fn chains<S: Simd, const CHAINS: usize>(s: S, rounds: usize) -> usize {
    let factor = s.load(black_box(&Block([0.999; LANES])));
    let mut chains = [s.splat(1.0); CHAINS];
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = s.mul_add(*chain, factor, factor);
        }
    }
    let mut sum = 0.0;
    for chain in chains {
        sum += s.sum(chain);
    }
    black_box(sum);
    rounds * CHAINS
}

/// Least time of `work`, in seconds, over calls that take about a fifth of a second together.
fn least(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.2 || best == f64::INFINITY {
        let call = Instant::now();
        work();
        best = best.min(call.elapsed().as_secs_f64());
    }
    best
}

/// Multiply-adds of this instruction set in GFLOP/s, each counted as two.
fn peak(isa: Isa) -> f64 {
    let mut vectors = 0;
    let seconds = least(|| vectors = isa.dispatch(Peak { rounds: 20_000 }));
    2.0 * (vectors * LANES) as f64 / seconds / 1e9
}

/// Floating-point operations of a kernel value and its two sums: difference, square and sum per unit; for the exponential a
/// minimum, six multiply-adds and a half, and the scaling.
fn operations_per_pair(units: usize) -> f64 {
    3.0 * units as f64 + 1.0 + 2.0 * 7.0 + 1.0 + 1.0 + 2.0
}

/// EDGE, both informations, beside inputs of 12 units; and the bounds of double precision: ns a row and a pair.
fn others() {
    for (units, examples) in [(10, 4096), (10, 20_000)] {
        let (values, classes) = layer(units, examples);
        let inputs = layer(12, examples).0.mapv(|v| if v > 0.0 { 1.0 } else { 0.0 });
        let sample = Sample::new(values.view(), &classes).and_then(|s| s.with_inputs(inputs.view())).expect("finite activations");
        let edge = EstimatorSpec::by_name("edge").expect("edge");
        let seconds = least(|| {
            black_box(edge.information(black_box(&sample), Exec::serial(), &mut Scratch::default()).expect("an estimate"));
        });
        println!(
            "{:9} edge     {units:>5} {examples:>8} {:>10.3} {:>8.2}/row",
            "best",
            seconds * 1e3,
            seconds * 1e9 / examples as f64
        );
    }
    let (values, classes) = layer(10, 4096);
    let wide = values.mapv(f64::from);
    let upper = EstimatorSpec::by_name("upper").expect("upper");
    let seconds = least(|| {
        let double = Values::Double(wide.view());
        black_box(upper.of_layer(double, &classes, Exec::serial(), &mut Scratch::default()).expect("an estimate"));
    });
    let pairs = 4096.0 * 4096.0 / 2.0;
    let gflops = pairs * operations_per_pair(10) / seconds / 1e9;
    let head = format!("{:9} upper64  {:>5} {:>8} {:>10.3}", "best", 10, 4096, seconds * 1e3);
    println!("{head} {:>7.3}/pair {gflops:>10.1} {:>6.0} %", seconds * 1e9 / pairs, 100.0 * gflops / (peak(Isa::best()) / 2.0));
    for examples in [4096, 20_000] {
        let (values, classes) = layer(10, examples);
        let sample = Sample::new(values.view(), &classes).expect("finite activations");
        let kde = EstimatorSpec::by_name("kde").expect("kde");
        let seconds = least(|| {
            black_box(kde.information(black_box(&sample), Exec::serial(), &mut Scratch::default()).expect("an estimate"));
        });
        let pairs = (examples * examples) as f64 / 2.0;
        let gflops = pairs * operations_per_pair(10) / seconds / 1e9;
        let head = format!("{:9} kde      {:>5} {examples:>8} {:>10.3}", "best", 10, seconds * 1e3);
        println!("{head} {:>7.3}/pair {gflops:>10.1} {:>6.0} %", seconds * 1e9 / pairs, 100.0 * gflops / peak(Isa::best()));
    }
}

/// Two sides that depend on each other, each of so many normal columns, as single precision holds them.
fn sides(units: usize, examples: usize) -> [Array2<f64>; 2] {
    let mut stream = Stream::new(2, Purpose::Init, 0);
    let x = Array2::from_shape_simple_fn((examples, units), || f64::from(stream.normal() as f32));
    let y = x.mapv(|value| f64::from((0.6 * value + 0.8 * stream.normal()) as f32));
    [x, y]
}

/// Floating-point operations of a pair of examples where all pairs are looked at, and whether in double precision: a difference and a
/// maximum a unit, then which is farther, whether it is near, and four counts; or a difference, a square and a sum a unit, a root and two
/// sums a side, and a product.
fn operations_of_sides(name: &str, units: usize) -> Option<(f64, bool)> {
    match name {
        "ksg1" | "ksg2" | "mixed_ksg" if units > 6 => Some((2.0 * units as f64 + 6.0, false)),
        "dcor" if units > 2 => Some((3.0 * units as f64 + 2.0 * 3.0 + 2.0, true)),
        _ => None,
    }
}

/// The methods that compare two sides, of 10 columns each, or of one where a method is for that or faster there. Those of nearest
/// neighbours look at every pair from both ends.
fn of_sides(peak: f64) {
    println!(
        "\n{:9} {:8} {:>5} {:>8} {:>10} {:>12} {:>10} {:>8}",
        "", "method", "units", "examples", "ms", "ns", "GFLOP/s", "of peak"
    );
    let wide = ["ksg1", "ksg2", "mixed_ksg", "dcor", "svcca", "edge"];
    let narrow = ["ksg1", "ksg2", "mixed_ksg", "dcor", "bspline", "adaptive"];
    let cases = wide.map(|name| (name, 10)).into_iter().chain(narrow.map(|name| (name, 1)));
    for ((name, units), examples) in cases.flat_map(|case| [(case, 4096), (case, 20_000)]) {
        let [x, y] = sides(units, examples);
        let pair = Pair::new(x.view(), Side::Values(y.view())).expect("finite values");
        let spec = EstimatorSpec::by_name(name).expect("a method");
        let mut scratch = Scratch::default();
        let seconds = least(|| {
            black_box(spec.estimate(black_box(&pair), Exec::serial(), &mut scratch).expect("an estimate"));
        });
        let head = format!("{:9} {name:9}{:>4} {examples:>8} {:>10.3}", "best", 2 * units, seconds * 1e3);
        let Some((operations, double)) = operations_of_sides(name, 2 * units) else {
            println!("{head} {:>8.2}/row", seconds * 1e9 / examples as f64);
            continue;
        };
        let all = (examples * examples) as f64;
        let (pairs, peak) = if double { (all / 2.0, peak / 2.0) } else { (all, peak) };
        let gflops = pairs * operations / seconds / 1e9;
        println!("{head} {:>7.3}/pair {gflops:>10.1} {:>6.0} %", seconds * 1e9 / pairs, 100.0 * gflops / peak);
    }
}

/// Least seconds of one estimate on two threads, and of two estimates on a thread each; in turn, so that what else the machine does hits
/// both.
fn together_and_apart(one: &(dyn Fn(Exec, &mut Scratch) + Sync)) -> (f64, f64) {
    let serial = Exec::serial();
    let parallel = Exec { parallel: true, ..serial };
    let [mut a, mut b, mut shared] = [(); 3].map(|()| Scratch::default());
    let timed = |exec: Exec, scratch: &mut Scratch| {
        let start = Instant::now();
        one(exec, scratch);
        start.elapsed().as_secs_f64()
    };
    let (mut together, mut apart) = (f64::INFINITY, f64::INFINITY);
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 0.5 || apart == f64::INFINITY {
        for _ in 0..3 {
            together = together.min(timed(parallel, &mut shared));
        }
        for _ in 0..3 {
            // Neither begins before the other is there.
            let there = AtomicU32::new(0);
            let meet = || {
                there.fetch_add(1, Ordering::SeqCst);
                while there.load(Ordering::SeqCst) < 2 {
                    std::hint::spin_loop();
                }
            };
            let run = |scratch: &mut Scratch| {
                meet();
                timed(serial, scratch)
            };
            let (x, y) = rayon::join(|| run(&mut a), || run(&mut b));
            apart = apart.min(x.max(y));
        }
    }
    (together, apart)
}

/// How much of two independent runs' speed two threads have that share one estimate. Binning runs on one thread always, and svcca is not
/// much longer than waking another: a worker of two threads gives each whole epochs, which the last lines show for binning.
fn two_threads() {
    println!("\ntwo threads on one estimate, as a share of two estimates on a thread each:");
    let two = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let share = |name: &str, one: &(dyn Fn(Exec, &mut Scratch) + Sync)| {
        let (together, apart) = two.install(|| together_and_apart(one));
        println!("  {name:14} {:>9.3} ms   {:.2}", together * 1e3, apart / (2.0 * together));
    };
    for examples in [4096, 20_000] {
        println!(" {examples} examples of 10 units");
        let (values, classes) = layer(10, examples);
        let sample = Sample::new(values.view(), &classes).expect("finite activations");
        let inputs = layer(12, examples).0.mapv(|v| if v > 0.0 { 1.0 } else { 0.0 });
        let sample = sample.with_inputs(inputs.view()).expect("finite inputs");
        for name in ["upper", "lower", "edge", "kde"] {
            let spec = EstimatorSpec::by_name(name).expect("a method");
            share(name, &|exec, scratch| {
                black_box(spec.information(black_box(&sample), exec, scratch).expect("an estimate"));
            });
        }
        for (name, units) in [("ksg1", 10), ("ksg1", 1), ("mixed_ksg", 10), ("mixed_ksg", 1), ("dcor", 10), ("svcca", 10)] {
            let [x, y] = sides(units, examples);
            let pair = Pair::new(x.view(), Side::Values(y.view())).expect("finite values");
            let spec = EstimatorSpec::by_name(name).expect("a method");
            share(&format!("{name} {units}+{units}"), &|exec, scratch| {
                black_box(spec.estimate(black_box(&pair), exec, scratch).expect("an estimate"));
            });
        }
        let binning = EstimatorSpec::by_name("binning").expect("a method");
        share("200 × binning", &|exec, scratch| {
            let serial = Exec { parallel: false, ..exec };
            let one = |scratch: &mut Scratch| drop(black_box(binning.information(black_box(&sample), serial, scratch)));
            if exec.parallel {
                (0..200).into_par_iter().for_each_init(Scratch::default, |scratch, _| one(scratch));
            } else {
                (0..200).for_each(|_| one(scratch));
            }
        });
    }
}

/// One line for each instruction set, shape and estimator. Where the processor adds and subtracts beside its multiply-adds, a share
/// of their peak can exceed 100 %.
fn roofline() {
    println!(
        "{:9} {:8} {:>5} {:>8} {:>10} {:>12} {:>10} {:>8}",
        "isa", "method", "units", "examples", "ms", "ns", "GFLOP/s", "of peak"
    );
    for isa in Isa::available().into_iter().rev() {
        let peak = peak(isa);
        println!("{:9} {:8} {:>55.1} {:>8}", isa.name(), "peak", peak, "100 %");
        // Without fused multiply-add in hardware every one is a call: a full table would take minutes.
        let shapes = if isa.name() == "portable" { &SHAPES[1..2] } else { &SHAPES[..] };
        for &(units, examples) in shapes {
            let (values, classes) = layer(units, examples);
            let sample = Sample::new(values.view(), &classes).expect("finite activations");
            for spec in SPECS {
                let mut scratch = Scratch::default();
                let exec = Exec { isa, parallel: false };
                let seconds = least(|| {
                    black_box(spec.information(black_box(&sample), exec, &mut scratch).expect("an estimate"));
                });
                let head = format!("{:9} {:8} {units:>5} {examples:>8} {:>10.3}", isa.name(), spec.name(), seconds * 1e3);
                if matches!(spec, EstimatorSpec::Binning { .. }) {
                    println!("{head} {:>8.2}/row", seconds * 1e9 / examples as f64);
                } else {
                    let pairs = (examples * examples) as f64 / 2.0;
                    let gflops = pairs * operations_per_pair(units) / seconds / 1e9;
                    println!("{head} {:>7.3}/pair {gflops:>10.1} {:>6.0} %", seconds * 1e9 / pairs, 100.0 * gflops / peak);
                }
            }
        }
    }
}

fn estimators(criterion: &mut Criterion) {
    roofline();
    others();
    of_sides(peak(Isa::best()));
    two_threads();
    let (values, classes) = layer(10, 4096);
    let sample = Sample::new(values.view(), &classes).expect("finite activations");
    for spec in SPECS {
        let mut scratch = Scratch::default();
        criterion.bench_function(&format!("{} 10 x 4096", spec.name()), |bencher| {
            bencher.iter(|| spec.information(black_box(&sample), Exec::serial(), &mut scratch));
        });
        criterion.bench_function(&format!("{} 10 x 4096, first call", spec.name()), |bencher| {
            bencher.iter_batched_ref(
                Scratch::default,
                |scratch| spec.information(black_box(&sample), Exec::serial(), scratch),
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1));
    targets = estimators
}
criterion_main!(benches);
