//! The layout of a sheet: its title, panels in rows with their headers, labels of the axes, legend and colour bar.

use super::axes::{Labels, tick};
use super::legend::{Bar, Legend};
use super::sheet::{Frame, GREY, INK, LEADING, Look, Panels};
use super::svg::{Anchor, Scene, TextStyle};
use super::text;

/// Separates the parts of a panel's note.
pub const NOTE_SEPARATOR: &str = " · ";
/// Most lines of a title; what is longer is cut (the SVG keeps the whole of a group's as its tool tip).
const MAX_LINES: usize = 8;

/// Panels that belong together under one title; those of a group with several begin a row.
#[derive(Clone, Debug, Default)]
pub struct Group<'a> {
    /// What they show; may be empty.
    pub title: &'a str,
    /// What else the reader must know, in parts separated by [`NOTE_SEPARATOR`].
    pub note: &'a str,
    /// One panel each: what it shows of the group; may be empty.
    pub panels: Vec<&'a str>,
}

/// What a sheet holds besides the data.
#[derive(Debug)]
pub struct Content<'a> {
    pub title: &'a str,
    pub groups: Vec<Group<'a>>,
    /// Labels of the x and the y axis; may be empty.
    pub labels: (&'a str, &'a str),
    pub legend: Legend<'a>,
    pub bar: Option<Bar<'a>>,
    /// Room of the widest tick label of a y axis.
    pub y_room: f64,
    /// Whether every panel carries labels of its own on the x and on the y axis.
    pub own: (bool, bool),
    /// Height of a panel in units of its width; `None`: the sheet's.
    pub aspect: Option<f64>,
}

/// A sheet laid out.
#[derive(Debug)]
pub struct Layout<'a> {
    look: Look,
    content: Content<'a>,
    heading: Heading,
    /// One a panel.
    headers: Vec<Header>,
    panels: Panels,
}

impl<'a> Layout<'a> {
    pub fn new(look: Look, content: Content<'a>) -> Self {
        let em = look.em;
        let y_label = if content.labels.1.is_empty() { 0.0 } else { LEADING * look.label + 0.4 * em };
        let left = 0.5 * em + y_label + content.y_room + 0.35 * em + tick(&look);
        let right = content.bar.as_ref().map_or(1.5 * em, |bar| bar.width(&look));
        let gap_x = if content.own.1 { 1.7 * em + content.y_room + tick(&look) } else { 1.7 * em };
        let gap_y = if content.own.0 { 2.9 * em } else { 1.1 * em };
        let width = Panels::width(&look, left + right, gap_x);

        let (shared, own) = split_notes(&content.groups);
        let heading = Heading::new(&look, content.title, &shared);
        let mut headers = Vec::new();
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (group, note) in content.groups.iter().zip(&own) {
            // A title stands over as many panels as its group has in its first row.
            let beside = group.panels.len().clamp(1, look.columns) as f64;
            let room = beside * width + (beside - 1.0) * gap_x;
            let begins = !look.columns.is_multiple_of(group.panels.len().max(1));
            for (i, panel) in group.panels.iter().enumerate() {
                let (title, note) = if i == 0 { (group.title, note.as_str()) } else { ("", "") };
                let header = Header::new(&look, (title, note, room), (panel, width));
                match rows.last_mut() {
                    Some(row) if row.len() < look.columns && !(begins && i == 0) => row.push(header.height(&look)),
                    _ => rows.push(vec![header.height(&look)]),
                }
                headers.push(header);
            }
        }
        let height = width * content.aspect.unwrap_or(if look.columns > 2 { 0.86 } else { 0.78 });
        let panels = Panels::place((left, heading.height(&look)), (width, height), &rows, (gap_x, gap_y));
        Self { look, content, heading, headers, panels }
    }

    /// Width of a panel.
    pub fn panel_width(&self) -> f64 {
        self.panels.frames.first().map_or(0.0, |frame| frame.width)
    }

    /// Draws everything, the inside of each panel by `draw`.
    pub fn draw(&self, mut draw: impl FnMut(&mut Scene, usize, Frame, Labels)) -> String {
        let (look, content) = (&self.look, &self.content);
        let em = look.em;
        let hull = self.panels.hull();
        let (x_label, y_label) = content.labels;
        let below = hull.bottom() + tick(look) + 1.4 * em;
        let baseline = below + look.label;
        let legend_top = if x_label.is_empty() { below + 0.4 * em } else { baseline + 0.9 * em };
        let height = legend_top + content.legend.height(look) + 0.3 * em;
        let mut scene = Scene::new(look.width, height, content.title);
        self.heading.draw(&mut scene, look);
        let mut i = 0;
        for group in &content.groups {
            scene.group(&format!("{}\n{}", group.title, group.note), |scene| {
                for _ in &group.panels {
                    let frame = self.panels.frames[i];
                    self.headers[i].draw(scene, look, frame);
                    let (x, y) = (content.own.0 || self.panels.is_lowest(i), content.own.1 || self.panels.is_leftmost(i));
                    draw(scene, i, frame, Labels { x, y });
                    i += 1;
                }
            });
        }
        let label = TextStyle { size: look.label, colour: INK, anchor: Anchor::Middle, upwards: false };
        if !x_label.is_empty() {
            scene.text(hull.x + hull.width / 2.0, baseline, x_label, label);
        }
        if !y_label.is_empty() {
            let upwards = TextStyle { upwards: true, ..label };
            scene.text(0.5 * em + 0.85 * look.label, hull.y + hull.height / 2.0, y_label, upwards);
        }
        if let Some(bar) = &content.bar {
            bar.draw(&mut scene, look, &self.panels);
        }
        content.legend.draw(&mut scene, look, look.width / 2.0, legend_top);
        scene.finish()
    }
}

/// The groups' notes, parted into what all share and what is each group's own.
fn split_notes(groups: &[Group<'_>]) -> (String, Vec<String>) {
    let parts: Vec<Vec<&str>> = groups.iter().map(|group| group.note.split(NOTE_SEPARATOR).collect()).collect();
    let shared: Vec<&str> = match &parts[..] {
        [first, others @ ..] if !others.is_empty() => {
            first.iter().copied().filter(|part| others.iter().all(|o| o.contains(part))).collect()
        }
        _ => Vec::new(),
    };
    let own = parts.iter().map(|parts| {
        let own: Vec<&str> = parts.iter().copied().filter(|part| !shared.contains(part)).collect();
        own.join(NOTE_SEPARATOR)
    });
    (shared.join(NOTE_SEPARATOR), own.collect())
}

/// The sheet's title and what holds for all panels, in lines.
#[derive(Debug)]
struct Heading {
    title: Vec<String>,
    note: Vec<String>,
}

impl Heading {
    fn new(look: &Look, title: &str, note: &str) -> Self {
        let width = look.width - 2.0 * look.em;
        let title = text::wrap_balanced(title, look.heading, width, MAX_LINES);
        Self { title, note: text::wrap_parts(note, NOTE_SEPARATOR, look.em, width) }
    }

    fn height(&self, look: &Look) -> f64 {
        let lines = self.title.len() as f64 * look.heading + self.note.len() as f64 * look.em;
        LEADING * lines + if lines > 0.0 { 1.6 * look.em } else { 0.8 * look.em }
    }

    fn draw(&self, scene: &mut Scene, look: &Look) {
        let mut y = 0.3 * look.em;
        for (lines, size, colour) in [(&self.title, look.heading, INK), (&self.note, look.em, GREY)] {
            y += 0.2 * look.em;
            for line in lines {
                y += LEADING * size;
                scene.text(look.width / 2.0, y, line, TextStyle { size, colour, anchor: Anchor::Middle, upwards: false });
            }
        }
    }
}

/// What stands above a panel: title and note of its group, then what the panel shows of it, in lines that fit.
#[derive(Debug)]
struct Header {
    title: Vec<String>,
    note: Vec<String>,
    panel: Vec<String>,
}

impl Header {
    fn new(look: &Look, (title, note, room): (&str, &str, f64), (panel, width): (&str, f64)) -> Self {
        let title = text::wrap(title, look.title, room, MAX_LINES);
        let note = text::wrap_parts(note, NOTE_SEPARATOR, look.em, room);
        Self { title, note, panel: text::wrap(panel, look.em, width, 2) }
    }

    fn height(&self, look: &Look) -> f64 {
        let small = (self.note.len() + self.panel.len()) as f64 * look.em;
        LEADING * (self.title.len() as f64 * look.title + small) + 0.5 * look.em
    }

    /// Draws the lines upwards from the panel's upper edge, so that a short title stands close to its panel.
    fn draw(&self, scene: &mut Scene, look: &Look, frame: Frame) {
        let mut y = frame.y - 0.5 * look.em;
        for (lines, size, colour) in [(&self.panel, look.em, INK), (&self.note, look.em, GREY), (&self.title, look.title, INK)] {
            for line in lines.iter().rev() {
                scene.text(frame.x, y, line, TextStyle { size, colour, anchor: Anchor::Start, upwards: false });
                y -= LEADING * size;
            }
        }
    }
}
