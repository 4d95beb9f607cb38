//! The harmonics data set, generated from first principles.
//!
//! The 12 inputs are the vertices of a regular icosahedron; an example is one of the 2¹² subsets x of them, and its label is 1 where the
//! rotation-invariant power-spectrum energy f(x) = Σ_l a_l Σ_ij x_i x_j P_l(cos γ_ij) exceeds a threshold θ, with γ_ij the angle between
//! vertices i and j and P_l the Legendre polynomials (after Shwartz-Ziv & Tishby 2017). The gap around θ is ±0.15, so rounding cannot move a label.

/// Number of inputs: the vertices.
pub const INPUTS: usize = 12;
/// Number of examples: the subsets of the vertices.
pub const EXAMPLES: usize = 1 << INPUTS;
/// Number of degrees of the power spectrum.
pub const DEGREES: usize = 4;
/// Weights a_l of the Legendre polynomials of degree l = 0..3.
const AMPLITUDES: [f64; DEGREES] = [2.0, 18.0, 16.0, 9.0];
/// Threshold θ on the energy.
const THRESHOLD: f64 = 209.7;
/// Steepness γ of the soft labels.
pub const GAMMA: f64 = 1.0;
/// The five neighbours of each vertex, in the numbering of the published file.
const NEIGHBOURS: [[usize; 5]; INPUTS] = [
    [1, 3, 5, 10, 11],
    [0, 2, 3, 4, 11],
    [1, 3, 4, 8, 9],
    [0, 1, 2, 8, 10],
    [1, 2, 6, 9, 11],
    [0, 6, 7, 10, 11],
    [4, 5, 7, 9, 11],
    [5, 6, 8, 9, 10],
    [2, 3, 7, 9, 10],
    [2, 4, 6, 7, 8],
    [0, 3, 5, 7, 8],
    [0, 1, 4, 5, 6],
];
/// The vertex opposite to each.
const ANTIPODE: [usize; INPUTS] = [9, 7, 5, 6, 10, 2, 3, 1, 11, 0, 4, 8];

/// Input `vertex` of example `example`: example r is r in binary, the last input its least significant bit.
#[must_use]
pub const fn input(example: usize, vertex: usize) -> f32 {
    ((example >> (INPUTS - 1 - vertex)) & 1) as f32
}

/// Labels of all examples, in the order of the examples.
#[must_use]
pub fn labels() -> Vec<u32> {
    let kernel = kernel();
    (0..EXAMPLES).map(|example| u32::from(energy(&kernel, example) > THRESHOLD)).collect()
}

/// Power of an example in each degree l = 0..3: a_l Σ_ij x_i x_j P_l(cos γ_ij). Their sum is the energy f.
#[must_use]
pub fn spectrum(example: usize) -> [f64; DEGREES] {
    let mut power = [0.0; DEGREES];
    for i in (0..INPUTS).filter(|&i| input(example, i) > 0.0) {
        for j in (0..INPUTS).filter(|&j| input(example, j) > 0.0) {
            power.iter_mut().zip(legendre(cosine(i, j))).zip(AMPLITUDES).for_each(|((sum, p), a)| *sum += a * p);
        }
    }
    power
}

/// p(y = 1 | x) = 1/(1 + exp(−γ(f(x) − θ))) of all examples, in their order.
#[must_use]
pub fn probabilities(gamma: f64) -> Vec<f64> {
    let kernel = kernel();
    (0..EXAMPLES).map(|example| 1.0 / (1.0 + libm::exp(-gamma * (energy(&kernel, example) - THRESHOLD)))).collect()
}

/// Σ_l a_l P_l(cos γ_ij) for every pair of vertices.
fn kernel() -> [[f64; INPUTS]; INPUTS] {
    std::array::from_fn(|i| std::array::from_fn(|j| AMPLITUDES.iter().zip(legendre(cosine(i, j))).map(|(a, p)| a * p).sum()))
}

/// Cosine of the angle between two vertices.
fn cosine(i: usize, j: usize) -> f64 {
    let neighbour = 1.0 / 5.0f64.sqrt();
    if i == j {
        1.0
    } else if ANTIPODE[i] == j {
        -1.0
    } else if NEIGHBOURS[i].contains(&j) {
        neighbour
    } else {
        -neighbour
    }
}

/// Legendre polynomials P₀..P₃ at c.
fn legendre(c: f64) -> [f64; DEGREES] {
    [1.0, c, 1.5 * c * c - 0.5, 2.5 * c * c * c - 1.5 * c]
}

/// The energy f of an example.
fn energy(kernel: &[[f64; INPUTS]; INPUTS], example: usize) -> f64 {
    let x: [f64; INPUTS] = std::array::from_fn(|v| f64::from(input(example, v)));
    (0..INPUTS).map(|i| (0..INPUTS).map(|j| x[i] * x[j] * kernel[i][j]).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solid_is_an_icosahedron() {
        for i in 0..INPUTS {
            assert_eq!(ANTIPODE[ANTIPODE[i]], i);
            assert!(!NEIGHBOURS[i].contains(&ANTIPODE[i]));
            for &j in &NEIGHBOURS[i] {
                assert!(NEIGHBOURS[j].contains(&i), "{i} {j}");
                // Neighbours of a vertex are the antipode's non-neighbours.
                assert!(!NEIGHBOURS[ANTIPODE[i]].contains(&j));
            }
        }
    }

    #[test]
    fn energies_leave_a_gap_around_the_threshold() {
        let kernel = kernel();
        let (mut below, mut above) = (f64::MIN, f64::MAX);
        for e in (0..EXAMPLES).map(|example| energy(&kernel, example)) {
            if e > THRESHOLD {
                above = above.min(e);
            } else {
                below = below.max(e);
            }
        }
        assert!(below <= 209.55 && above >= 209.85, "{below} {above}");
    }

    #[test]
    fn label_shares_by_number_of_ones() {
        let mut ones = [0; 13];
        let mut all = [0; 13];
        for (example, label) in labels().into_iter().enumerate() {
            all[example.count_ones() as usize] += 1;
            ones[example.count_ones() as usize] += label;
        }
        assert_eq!(all, [1, 12, 66, 220, 495, 792, 924, 792, 495, 220, 66, 12, 1]);
        assert_eq!(ones, [0, 0, 0, 0, 0, 60, 532, 732, 495, 220, 66, 12, 1]);
    }
}
