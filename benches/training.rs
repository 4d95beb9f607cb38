//! The training step: epochs/s, GFLOP/s and share of the core's arithmetic peak, for the study's network with every activation, model and
//! optimizer, and for wide ones of MNIST's shape; then what a network learns of real pictures and mushrooms, where `../shared` has them.
//!
//! `cargo bench --bench training [-- PARTS-OF-A-NAME]`. The peak is measured in the same run: independent fused multiply-adds in registers. All
//! products are our own tiles, whatever the shape: their sums have one order on every instruction set and any number of threads. Beside a wide
//! network stands what its layers' shapes chose: `+` sums added panel by panel, `t` gradients from turned inputs, `-` neither.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use infoplane::data::{Limit, Part, idx, mushroom};
use infoplane::math::exec::Exec;
use infoplane::math::rng::{Purpose, Stream};
use infoplane::math::simd::{Block, Isa, Kernel, LANES, Simd};
use infoplane::train::data::{Dataset, Sheet};
use infoplane::train::network::{Layer, Network};
use infoplane::train::spec::{Activation, DatasetName, Model, Optimizer, Regularization, Split, TrainingSpec};
use infoplane::train::trainer::Trainer;
use infoplane::train::{dense, gradients};

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
    let rounds = 1_000_000;
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

/// What the shape of every layer chooses, see `train::dense` and `train::gradients`.
fn forms(spec: &TrainingSpec, data: &Dataset, isa: Isa) -> String {
    let network = Network::new(spec, data.inputs(), data.n_classes);
    let turns = |n_out, n_in| gradients::wide(n_out, n_in) && isa.name() == "avx512";
    let form = |layer: &Layer| match (dense::in_panels(layer.n_in), turns(layer.rows, layer.n_in)) {
        (false, false) => "-",
        (true, false) => "+",
        (false, true) => "t",
        (true, true) => "+t",
    };
    network.layers.iter().map(form).collect::<Vec<_>>().join(" ")
}

/// Data of MNIST's shape, of which 8,000 examples are trained on: grey values and classes by a formula.
fn images() -> Dataset {
    let mut stream = Stream::new(0, Purpose::Init, 0);
    let (n, inputs) = (10_000, 784_usize);
    let row = inputs.div_ceil(LANES);
    let rows = (0..n * row).map(|_| Block(std::array::from_fn(|_| stream.uniform() as f32 * 2.0 - 1.0))).collect();
    let labels = (0..n as u32).map(|i| i % 10).collect();
    let class_values = (0..10).map(f64::from).collect();
    let sheet = Sheet { inputs, rows, labels, class_values, class_names: Vec::new(), soft: None, train: None };
    Dataset::new(sheet, None, 0)
}

/// One thing to measure.
struct Case {
    name: String,
    spec: TrainingSpec,
    images: bool,
    threads: usize,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut study = |name: &str, spec: TrainingSpec| {
        cases.push(Case { name: format!("study {name}"), spec, images: false, threads: 1 });
    };
    for &activation in Activation::ALL.iter().filter(|activation| **activation != Activation::Step) {
        study(&format!("{} adam", activation.name()), TrainingSpec { activation, ..TrainingSpec::default() });
    }
    for &optimizer in Optimizer::ALL.iter().filter(|optimizer| **optimizer != Optimizer::ADAM) {
        study(&format!("tanh {}", optimizer.name()), TrainingSpec { optimizer, ..TrainingSpec::default() });
    }
    study("tanh adam batchnorm", TrainingSpec { model: Model::FeedforwardBatchnorm, ..TrainingSpec::default() });
    study("tanh adam max norm", TrainingSpec { max_norm_weights: Some(0.8), ..TrainingSpec::default() });
    let regularization = Regularization { dropout: 0.2, ..Regularization::default() };
    study("tanh adam dropout", TrainingSpec { regularization, ..TrainingSpec::default() });
    for (architecture, threads) in [(vec![128, 64, 32], 1), (vec![1024, 20, 20, 20], 1), (vec![1024, 20, 20, 20], 2)] {
        let widths: Vec<_> = architecture.iter().map(u32::to_string).collect();
        let spec = TrainingSpec { architecture, learning_rate: 1e-3, ..TrainingSpec::default() };
        cases.push(Case {
            name: format!("mnist {} tanh adam, {threads} threads", widths.join("-")),
            spec,
            images: true,
            threads,
        });
    }
    cases
}

/// Passes a second: the best of several windows, since a machine with other work only ever makes it slower.
fn rate(case: &Case, data: &Dataset, isa: Isa) -> f64 {
    let mut trainer = Trainer::new(&case.spec, data, 0, Exec { isa, parallel: case.threads > 1 });
    let mut window = || {
        let (start, mut passes) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_millis(250) {
            trainer.pass().expect("these settings do not diverge");
            passes += 1;
        }
        f64::from(passes) / start.elapsed().as_secs_f64()
    };
    (0..6).map(|_| window()).fold(0.0, f64::max)
}

/// Pictures and mushrooms in the folder of published data, where there is one.
fn published() -> Vec<(&'static str, Dataset)> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let file = |path: &str| fs::read(shared.join(path)).ok();
    let pictures = file("mnist_t10k/t10k-images-idx3-ubyte.gz").zip(file("mnist_t10k/t10k-labels-idx1-ubyte.gz"));
    let pictures = pictures.map(|(images, labels)| idx::read(&images, &labels, Limit::default()).expect("pictures"));
    let mushrooms =
        file("mushroom/agaricus-lepiota.data").map(|text| mushroom::read(&text, Limit::default()).expect("mushrooms"));
    let parts = [("10,000 pictures of mnist", pictures), ("mushrooms", mushrooms)];
    let data = |part: Part| Dataset::new(part.into_sheet(None).expect("examples"), None, 0);
    parts.into_iter().filter_map(|(name, part)| part.map(|part| (name, data(part)))).collect()
}

/// Test accuracy after 20 passes of 128-64-32 tanh, Adam 1e-3, and passes a second.
fn learn(name: &str, data: &Dataset, isa: Isa) {
    let spec = TrainingSpec { architecture: vec![128, 64, 32], learning_rate: 1e-3, ..TrainingSpec::default() };
    let (mut trainer, start) = (Trainer::new(&spec, data, 0, Exec { isa, parallel: false }), Instant::now());
    (0..20).for_each(|_| trainer.pass().expect("these settings do not diverge"));
    let rate = 20.0 / start.elapsed().as_secs_f64();
    let accuracy = trainer.metrics(Split::Test).expect("a finite loss").accuracy;
    println!("{name:40} {rate:9.1} epochs/s, test accuracy {accuracy:.4} after 20");
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let study = Dataset::load(DatasetName::Harmonics, 0);
    let mnist = images();
    for isa in Isa::available().into_iter().rev().filter(|isa| isa.name() != "portable") {
        let peak = peak(isa);
        println!("\n{}: peak of one core {peak:.0} GFLOP/s", isa.name());
        for case in cases().iter().filter(|case| wanted.iter().all(|part| case.name.contains(part))) {
            let data = if case.images { &mnist } else { &study };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(case.threads).build().expect("threads");
            let rate = pool.install(|| rate(case, data, isa));
            let gflops = rate * flops(&case.spec, data) / 1e9;
            println!(
                "{:40} {rate:9.1} epochs/s {gflops:6.1} GFLOP/s {:3.0} % of a core's peak{}",
                case.name,
                100.0 * gflops / peak,
                if case.images { format!("  [{}]", forms(&case.spec, data, isa)) } else { String::new() }
            );
        }
        for (name, data) in published().iter().filter(|(name, _)| wanted.iter().all(|part| name.contains(part))) {
            learn(name, data, isa);
        }
    }
}
