//! `agaricus-lepiota.data` (UCI): a mushroom a line, 23 letters by commas, edible or poisonous first. Each attribute becomes one input a
//! letter that it takes, 1 where it is that and 0 elsewhere; letters in order. The published file gives 117.

use std::collections::BTreeSet;

use super::part::{Labels, Part};
use super::{Limit, Read, Unreadable};

/// Attributes of a mushroom.
const ATTRIBUTES: usize = 22;

/// Mushrooms, one-hot.
///
/// # Errors
/// [`Unreadable`].
pub fn read(bytes: &[u8], limit: Limit) -> Read<Part> {
    let mut mushrooms: Vec<[u8; ATTRIBUTES + 1]> = Vec::new();
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() {
            mushrooms.push(letters(line).ok_or_else(|| {
                let expected = "23 letters by commas, e or p first, as in agaricus-lepiota.data";
                Unreadable::new(format!("line {} is no mushroom", number + 1), expected)
            })?);
        }
    }
    if mushrooms.is_empty() {
        return Err(Unreadable::new("no mushroom", "one a line"));
    }
    let of_attribute = |attribute| mushrooms.iter().map(|m| m[1 + attribute]).collect::<BTreeSet<u8>>();
    let columns: Vec<(usize, u8)> = (0..ATTRIBUTES)
        .flat_map(|attribute| of_attribute(attribute).into_iter().map(move |letter| (attribute, letter)))
        .collect();
    let labels = Labels::of_words(mushrooms.iter().map(|mushroom| if mushroom[0] == b'e' { "edible" } else { "poisonous" }))?;
    Part::new(mushrooms.len(), columns.len(), labels, limit, |e, row| {
        let is = |(attribute, letter): &(usize, u8)| f32::from(u8::from(mushrooms[e][1 + attribute] == *letter));
        row.iter_mut().zip(&columns).for_each(|(to, column)| *to = is(column));
        Ok(())
    })
}

/// The letters of a line, if it is one.
fn letters(line: &[u8]) -> Option<[u8; ATTRIBUTES + 1]> {
    let mut letters = [0; ATTRIBUTES + 1];
    let mut fields = line.split(|&byte| byte == b',');
    for letter in &mut letters {
        let [one] = fields.next()? else { return None };
        *letter = *one;
    }
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'?';
    (fields.next().is_none() && letters.iter().all(is_letter) && matches!(letters[0], b'e' | b'p')).then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_inputs() {
        let line = |label: char, first: char| format!("{label},{first},s,n,t,p,f,c,n,k,e,e,s,s,w,w,p,w,o,p,k,s,u\r\n");
        let text = line('p', 'x') + &line('e', 'b') + "\n";
        let part = read(text.as_bytes(), Limit::default()).unwrap();
        assert_eq!(part.inputs, 23);
        assert_eq!((part.rows[0].0[..3].to_vec(), part.rows[2].0[..3].to_vec()), (vec![0.0, 1.0, 1.0], vec![1.0, 0.0, 1.0]));
        let sheet = part.into_sheet(None).unwrap();
        assert_eq!((sheet.labels, sheet.class_names.join(" ")), (vec![1, 0], "edible poisonous".into()));
        for bad in ["x,x", &line('x', 'x'), &line('p', 'X'), &line('p', 'x').replace("u\r", "u,u\r"), "hello"] {
            let error = read((line('p', 'x') + bad).as_bytes(), Limit::default()).unwrap_err().to_string();
            assert!(error.starts_with("line 2 is no mushroom"), "{error}");
        }
        assert!(read(b"", Limit::default()).is_err());
    }
}
