//! A film from drawings: H.264 in MP4, as every browser plays it. The only place that knows the encoder and the container.
//!
//! A ground is drawn once. Every frame adds some of it for good, and lays something over it for its own time; so a frame costs what is new
//! in it, however long the trajectory behind it is. Drawing and encoding run side by side.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use muxide::api::{MuxerBuilder, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{
    Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange, RateControlMode, SpsPpsStrategy,
    UsageType, VuiConfig,
};
use openh264::formats::{YUVBuffer, YUVSource};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use thiserror::Error;

use super::raster::{RasterError, options};

/// Frames a second.
pub const RATE: u32 = 15;
/// Frames between two that stand alone, so that one can jump into the film.
const JUMP: u32 = 4 * RATE;
/// Frames drawn ahead of the encoder.
const AHEAD: usize = 4;

/// One frame, as SVG documents of the size of the ground.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What it adds to the ground, to stay.
    pub lasting: String,
    /// What lies over the ground in this frame alone.
    pub passing: String,
    /// For how many frames' time it is shown, at least one.
    pub times: u32,
}

/// Why a film could not be made.
#[derive(Debug, Error)]
pub enum FilmError {
    /// A frame could not be drawn.
    #[error("cannot draw a frame")]
    Draw(#[from] RasterError),
    /// The encoder refused.
    #[error("cannot encode the film: {0}")]
    Encode(String),
    /// There is nothing to show.
    #[error("a film needs a frame at least")]
    Empty,
}

/// The film, as the bytes of an MP4 file. Sides are rounded up to even numbers of pixels.
///
/// # Errors
/// [`FilmError`]
pub fn film(ground: &str, frames: &[Frame]) -> Result<Vec<u8>, FilmError> {
    if frames.is_empty() {
        return Err(FilmError::Empty);
    }
    std::thread::scope(|scope| {
        let (out, pictures) = sync_channel(AHEAD);
        let drawing = scope.spawn(move || draw(ground, frames, &out));
        let encoded = encode(&pictures);
        // Ends the drawing where the encoder gave up.
        drop(pictures);
        match drawing.join() {
            Ok(drawn) => drawn?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        encoded
    })
}

/// Draws the frames and hands them over, each with how often it is shown.
fn draw(ground: &str, frames: &[Frame], out: &SyncSender<(YUVBuffer, u32)>) -> Result<(), FilmError> {
    let options = options();
    let tree = parse(ground, &options)?;
    let even = |length: f32| (length.ceil() as u32).next_multiple_of(2).max(16);
    let (width, height) = (even(tree.size().width()), even(tree.size().height()));
    let size = || RasterError::Size { width: tree.size().width(), height: tree.size().height(), scale: 1.0 };
    let mut ground = Pixmap::new(width, height).ok_or_else(size)?;
    ground.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::identity(), &mut ground.as_mut());
    let mut picture = ground.clone();
    for frame in frames {
        if !frame.lasting.is_empty() {
            resvg::render(&parse(&frame.lasting, &options)?, Transform::identity(), &mut ground.as_mut());
        }
        picture.data_mut().copy_from_slice(ground.data());
        resvg::render(&parse(&frame.passing, &options)?, Transform::identity(), &mut picture.as_mut());
        // The encoder has gone: it tells why.
        if out.send((planes(picture.data(), width as usize, height as usize), frame.times.max(1))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn parse(svg: &str, options: &Options<'_>) -> Result<Tree, FilmError> {
    Tree::from_str(svg, options).map_err(|e| RasterError::Svg(e).into())
}

/// Encodes pictures as they come.
fn encode(pictures: &Receiver<(YUVBuffer, u32)>) -> Result<Vec<u8>, FilmError> {
    let failed = |e: &dyn std::fmt::Display| FilmError::Encode(e.to_string());
    let config = EncoderConfig::new()
        .usage_type(UsageType::CameraVideoRealTime)
        // The quality is the same for all frames, and the search for what moved short: hardly anything does, and without an assembler to
        // build the encoder's own kernels a longer search costs five times the time.
        .rate_control_mode(RateControlMode::Off)
        .complexity(Complexity::Low)
        .adaptive_quantization(false)
        .background_detection(false)
        .scene_change_detect(false)
        .max_frame_rate(FrameRate::from_hz(RATE as f32))
        .skip_frames(false)
        // One thread: the bytes must not depend on the machine.
        .num_threads(1)
        .sps_pps_strategy(SpsPpsStrategy::ConstantId)
        .qp(QpRange::new(12, 26))
        .intra_frame_period(IntraFramePeriod::from_num_frames(JUMP))
        .vui(VuiConfig::bt709());
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| failed(&e))?;
    let mut muxer = None;
    let pictures = pictures.iter().flat_map(|(picture, times)| {
        let picture = Rc::new(picture);
        (0..times).map(move |_| Rc::clone(&picture))
    });
    for (i, picture) in pictures.enumerate() {
        let bits = encoder.encode(picture.as_ref()).map_err(|e| failed(&e))?;
        let key = matches!(bits.frame_type(), FrameType::IDR | FrameType::I);
        let bytes = bits.to_vec();
        let muxer = match &mut muxer {
            Some(muxer) => muxer,
            none => {
                let (width, height) = picture.dimensions();
                let builder = MuxerBuilder::new(Vec::new()).video(VideoCodec::H264, width as u32, height as u32, RATE.into());
                none.insert(builder.with_fast_start(true).build().map_err(|e| failed(&e))?)
            }
        };
        muxer.write_video(i as f64 / f64::from(RATE), &bytes, key).map_err(|e| failed(&e))?;
    }
    let mut muxer = muxer.ok_or(FilmError::Empty)?;
    muxer.finish_in_place().map_err(|e| failed(&e))?;
    Ok(muxer.into_writer())
}

/// RGBA (opaque) as planes of luma and, at half the size, chroma: BT.709, the range of studios.
fn planes(rgba: &[u8], width: usize, height: usize) -> YUVBuffer {
    /// Weights of red, green and blue, times 2^16: luma, then the two chromas. Their sums keep every value within a byte.
    const WEIGHTS: [[i32; 3]; 3] = [[11_966, 40_254, 4_064], [-6_596, -22_189, 28_784], [28_784, -26_145, -2_639]];
    let weigh = |[r, g, b]: [i32; 3], rgb: [i32; 3]| r * rgb[0] + g * rgb[1] + b * rgb[2];
    let (luma, chroma) = (width * height, width * height / 4);
    let mut yuv = vec![0; luma + 2 * chroma];
    let (y, uv) = yuv.split_at_mut(luma);
    let (u, v) = uv.split_at_mut(chroma);
    for (pixel, y) in rgba.as_chunks::<4>().0.iter().zip(y) {
        let rgb = [pixel[0].into(), pixel[1].into(), pixel[2].into()];
        *y = ((weigh(WEIGHTS[0], rgb) + (16 << 16) + (1 << 15)) >> 16) as u8;
    }
    let rows = rgba.chunks_exact(8 * width).zip(u.chunks_exact_mut(width / 2)).zip(v.chunks_exact_mut(width / 2));
    for ((rows, u), v) in rows {
        let (upper, lower) = rows.split_at(4 * width);
        let pairs = upper.as_chunks::<8>().0.iter().zip(lower.as_chunks::<8>().0);
        for ((a, b), (u, v)) in pairs.zip(u.iter_mut().zip(v)) {
            let sum = |c: usize| i32::from(a[c]) + i32::from(a[c + 4]) + i32::from(b[c]) + i32::from(b[c + 4]);
            let rgb = [sum(0), sum(1), sum(2)];
            // Sums of four: two more bits to shift away.
            *u = ((weigh(WEIGHTS[1], rgb) + (128 << 18) + (1 << 17)) >> 18) as u8;
            *v = ((weigh(WEIGHTS[2], rgb) + (128 << 18) + (1 << 17)) >> 18) as u8;
        }
    }
    YUVBuffer::from_vec(yuv, width, height)
}

#[cfg(test)]
mod tests {
    use openh264::decoder::Decoder;

    use super::*;

    fn square(colour: &str) -> String {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='64pt' height='32pt' viewBox='0 0 64 32'>\
             <rect x='16' width='32' height='32' fill='{colour}'/></svg>"
        )
    }

    #[test]
    fn colours_are_those_of_bt_709() {
        for (rgb, expected) in [
            ([255, 255, 255], (235, 128, 128)),
            ([0, 0, 0], (16, 128, 128)),
            ([255, 0, 0], (63, 102, 240)),
            ([0, 0, 255], (32, 240, 118)),
        ] {
            let rgba: Vec<u8> = std::iter::repeat_n([rgb[0], rgb[1], rgb[2], 255], 4 * 4).flatten().collect();
            let planes = planes(&rgba, 4, 4);
            assert_eq!((planes.y()[5], planes.u()[2], planes.v()[3]), expected, "{rgb:?}");
        }
    }

    #[test]
    fn a_film_is_decoded_to_what_was_drawn_and_is_the_same_every_time() {
        let frames: Vec<Frame> = ["red", "blue", "lime"]
            .iter()
            .map(|colour| Frame { lasting: String::new(), passing: square(colour), times: 5 })
            .collect();
        let bytes = film(&square("none"), &frames).unwrap();
        assert_eq!(bytes, film(&square("none"), &frames).unwrap());
        assert_eq!(&bytes[4..8], b"ftyp");
        for tag in [&b"moov"[..], b"avc1", b"avcC", b"mdat"] {
            assert!(bytes.windows(4).any(|window| window == tag), "{}", String::from_utf8_lossy(tag));
        }
        // The samples lie in `mdat` one after the other, each unit behind its length.
        let data = bytes.windows(4).position(|window| window == b"mdat").unwrap() + 4;
        let mut rest = &bytes[data..];
        let (mut decoder, mut last) = (Decoder::new().unwrap(), (0, 0));
        let mut pictures = 0;
        while rest.len() > 4 {
            let length = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            let unit = [&[0, 0, 0, 1], &rest[4..4 + length]].concat();
            if let Some(picture) = decoder.decode(&unit).unwrap() {
                pictures += 1;
                last = (picture.u()[(16 / 2) * picture.strides().1 + 16], picture.v()[(16 / 2) * picture.strides().2 + 16]);
            }
            rest = &rest[4 + length..];
        }
        pictures += decoder.flush_remaining().unwrap().len();
        assert_eq!(pictures, 15);
        // Lime: little of either chroma.
        assert!(last.0 < 70 && last.1 < 60, "{last:?}");
    }

    #[test]
    fn bad_drawings_are_errors() {
        assert!(matches!(film("nonsense", &[Frame::default()]), Err(FilmError::Draw(_))));
        assert!(matches!(film(&square("red"), &[]), Err(FilmError::Empty)));
    }
}
