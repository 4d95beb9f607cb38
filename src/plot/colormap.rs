//! Colour maps: a number from 0 to 1 becomes a colour.

pub use super::svg::Rgb;

/// A colour map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colormap {
    /// Perceptually uniform, legible in grey and with every common form of colour blindness; the default.
    #[default]
    Viridis,
    /// gnuplot's traditional map, black over violet and red to yellow: r = √t, g = t³, b = sin 2πt.
    Gnuplot,
}

/// Viridis (Smith, van der Walt; CC0) at 33 equal distances; between them it is linear to within 2/255.
const VIRIDIS: [u32; 33] = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989, 0x3b528b, 0x375a8d, 0x33638d, 0x2f6a8e,
    0x2c728e, 0x297a8e, 0x26818e, 0x23898e, 0x21908c, 0x1f988b, 0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b, 0x3ebc74, 0x4cc26c,
    0x5dc963, 0x6ece58, 0x82d34c, 0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a, 0xfde725,
];

impl Colormap {
    /// The colour at `t`; values outside 0 to 1 get the nearest end's colour, NaN that of 0.
    #[must_use]
    pub fn at(self, t: f64) -> Rgb {
        let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
        match self {
            Self::Viridis => viridis(t),
            Self::Gnuplot => {
                let blue = libm::sin(2.0 * std::f64::consts::PI * t);
                Rgb(byte(t.sqrt()), byte(t * t * t), byte(blue))
            }
        }
    }
}

fn viridis(t: f64) -> Rgb {
    let position = t * (VIRIDIS.len() - 1) as f64;
    let below = (position.floor() as usize).min(VIRIDIS.len() - 2);
    let part = position - below as f64;
    let channel = |shift: u32| {
        let [a, b] = [VIRIDIS[below], VIRIDIS[below + 1]].map(|rgb| f64::from((rgb >> shift) & 0xff));
        (a + (b - a) * part).round() as u8
    };
    Rgb(channel(16), channel(8), channel(0))
}

/// 0 to 1 as a channel's byte; what lies outside is clipped by the cast.
fn byte(value: f64) -> u8 {
    (value * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle_are_the_published_colours() {
        assert_eq!(Colormap::Viridis.at(0.0), Rgb(0x44, 0x01, 0x54));
        assert_eq!(Colormap::Viridis.at(0.5), Rgb(0x21, 0x90, 0x8c));
        assert_eq!(Colormap::Viridis.at(1.0), Rgb(0xfd, 0xe7, 0x25));
        assert_eq!(Colormap::Gnuplot.at(0.0), Rgb(0, 0, 0));
        assert_eq!(Colormap::Gnuplot.at(0.25), Rgb(128, 4, 255));
        assert_eq!(Colormap::Gnuplot.at(1.0), Rgb(255, 255, 0));
    }

    #[test]
    fn values_outside_get_the_nearest_colour() {
        for map in [Colormap::Viridis, Colormap::Gnuplot] {
            assert_eq!(map.at(-1.0), map.at(0.0));
            assert_eq!(map.at(2.0), map.at(1.0));
            assert_eq!(map.at(f64::NAN), map.at(0.0));
        }
    }

    #[test]
    fn viridis_gets_lighter_all_the_way() {
        let light = |i: i32| {
            let Rgb(r, g, b) = Colormap::Viridis.at(f64::from(i) / 100.0);
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        assert!((0..100).all(|i| light(i) < light(i + 1) + 0.5));
    }
}
