//! The training step: epochs/s, GFLOP/s and share of the core's arithmetic peak, for the study's network and a wide one.
//!
//! `cargo bench --bench training`. The peak is measured in the same run: independent fused multiply-adds in registers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use infoplane::math::exec::Exec;
use infoplane::math::simd::{Block, Isa, Kernel, LANES, Simd};
use infoplane::train::data::Dataset;
use infoplane::train::spec::{Activation, DatasetName, Optimizer, Split, TrainingSpec};
use infoplane::train::trainer::Trainer;

/// Independent chains of multiply-adds: twelve registers, which fit every instruction set and hide the latency of any current core.
struct Peak {
    rounds: u32,
}

impl Kernel for Peak {
    type Output = Block;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Block {
        let (a, b) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
        // A vector is one register on AVX-512 and two on AVX2.
        if S::WIDE { chains::<S, 12>(s, a, b, self.rounds) } else { chains::<S, 6>(s, a, b, 2 * self.rounds) }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(s: S, a: S::V, b: S::V, rounds: u32) -> Block {
    let mut chains = [s.zero(); N];
    for _ in 0..rounds {
        for chain in &mut chains {
            *chain = s.mul_add(*chain, a, b);
        }
    }
    let mut out = Block::default();
    s.store(&mut out, chains.into_iter().reduce(|x, y| s.add(x, y)).unwrap_or(a));
    out
}

/// Best rate of multiply-adds over several tries, in GFLOP/s (two a multiply-add).
fn peak(isa: Isa) -> f64 {
    let rounds = 2_000_000;
    let seconds = (0..8).map(|_| {
        let start = Instant::now();
        black_box(isa.dispatch(Peak { rounds }));
        start.elapsed().as_secs_f64()
    });
    f64::from(rounds) * 12.0 * LANES as f64 * 2.0 / seconds.fold(f64::MAX, f64::min) / 1e9
}

/// Floating-point operations of a pass: two a multiply-add, of the three products; activations and the optimizer not counted.
fn flops(spec: &TrainingSpec, data: &Dataset) -> f64 {
    let widths: Vec<usize> =
        [data.inputs()].into_iter().chain(spec.architecture.iter().map(|&u| u as usize)).chain([data.n_classes]).collect();
    let forward: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
    let first = widths[0] * widths[1];
    ((3 * forward - first) * 2 * data.examples(Split::Train).n) as f64
}

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(4)).configure_from_args();
    let data = Dataset::load(DatasetName::Harmonics, 0);
    let cases = [
        ("study tanh adam", vec![10, 7, 5, 4, 3], Activation::Tanh, Optimizer::ADAM),
        ("study relu adam", vec![10, 7, 5, 4, 3], Activation::Relu, Optimizer::ADAM),
        ("study tanh sgd", vec![10, 7, 5, 4, 3], Activation::Tanh, Optimizer::SGD),
        ("wide 256-128 relu adam", vec![256, 128], Activation::Relu, Optimizer::ADAM),
    ];
    for isa in Isa::available().into_iter().rev().filter(|isa| isa.name() != "portable") {
        let peak = peak(isa);
        println!("\n{}: peak of one core {peak:.0} GFLOP/s", isa.name());
        for (name, architecture, activation, optimizer) in &cases {
            let (activation, optimizer) = (*activation, *optimizer);
            let spec = TrainingSpec { architecture: architecture.clone(), activation, optimizer, ..TrainingSpec::default() };
            let mut trainer = Trainer::new(&spec, &data, 0, Exec { isa, parallel: false });
            let start = Instant::now();
            let mut passes = 0;
            while start.elapsed() < Duration::from_millis(1500) {
                trainer.pass().expect("the study's settings do not diverge");
                passes += 1;
            }
            let rate = f64::from(passes) / start.elapsed().as_secs_f64();
            let gflops = rate * flops(&spec, &data) / 1e9;
            println!(
                "{name}: {rate:.0} epochs/s, {gflops:.1} GFLOP/s, {:.0} % of peak; 8,000 epochs in {:.2} s",
                100.0 * gflops / peak,
                8000.0 / rate
            );
            let mut group = criterion.benchmark_group(format!("pass/{}", isa.name()));
            group.throughput(Throughput::Elements(data.examples(Split::Train).n as u64));
            group.sample_size(20);
            group.bench_function(*name, |b| b.iter(|| trainer.pass()));
            group.finish();
        }
    }
    criterion.final_summary();
}
