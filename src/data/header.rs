//! Whether the first line of a table in text names its columns: one rule for cohorts' data and for samples.
//!
//! A header is a line in which no field is a number. pandas numbers the columns that have no names, so a line that counts, `0,1,2,3`, is
//! a header, too, also among words (`0,1,y`) or behind the empty name of an index (`,0,1`). A short one may as well be an example of whole
//! numbers: `0,1,2` alone is a header only above a number written with a fraction. Every other line with a number is an example: where
//! one of its fields is missing or a word, that is an error of this field, and no reason to lose the line.

/// What a first line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Names of the columns.
    Names,
    /// The first example.
    Example,
    /// Counts from 0 and is short: names as pandas gives them if a number below is written with a fraction, else an example.
    Unclear,
}

/// Fields from which on nobody's first example counts from 0.
const LONG: usize = 4;

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Number,
    /// No number, and no name either: nothing, a sign for a missing number, or several numbers with another delimiter.
    NoName,
    Word,
}

/// How tables write that a number is missing.
const MISSING: [&str; 8] = ["", "na", "n/a", "null", "none", "nil", "?", "-"];

impl Field {
    fn of(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() || text.contains(|c: char| c.is_ascii_digit()) => Self::Number,
            Err(_) if !MISSING.contains(&text.to_lowercase().as_str()) && !is_several_numbers(text) => Self::Word,
            _ => Self::NoName,
        }
    }
}

/// Whether a field is numbers with delimiters that are not the table's, as decimal commas are.
#[must_use]
pub fn is_several_numbers(text: &str) -> bool {
    let mut parts = text.split([',', ';', '\t', ' ']);
    text.contains([',', ';', '\t', ' ']) && parts.all(|part| part.parse::<f64>().is_ok())
}

/// Whether a number is written with a fraction or an exponent, as those of floating point are.
#[must_use]
pub fn is_written_as_real(text: &str) -> bool {
    text.contains(['.', 'e', 'E']) && text.parse::<f64>().is_ok()
}

/// What a line of these fields is, if it is the first of a table.
#[must_use]
pub fn first(fields: &[&str]) -> First {
    let mut numbers: usize = 0;
    let (mut counts, mut words, mut others) = (true, 0, 0);
    for (place, field) in fields.iter().enumerate() {
        match Field::of(field) {
            Field::Number => {
                counts &= *field == numbers.to_string();
                numbers += 1;
            }
            Field::Word => words += 1,
            Field::NoName if place == 0 && field.is_empty() => {}
            Field::NoName => others += 1,
        }
    }
    match (numbers, words) {
        (0, 0) => First::Example,
        (0, _) => First::Names,
        (1.., 0) if counts && numbers == fields.len() && numbers < LONG => First::Unclear,
        _ if counts && numbers > 1 && others == 0 => First::Names,
        _ => First::Example,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_numbers_or_count() {
        for (line, expected) in [
            ("a,b,y", First::Names),
            (",a,b", First::Names),
            ("a,none,b", First::Names),
            ("2020-01-01,2020-01-02", First::Names),
            ("0,1", First::Unclear),
            ("0,1,2", First::Unclear),
            ("0,1,2,3", First::Names),
            (",0,1", First::Names),
            ("0,1,2,y", First::Names),
            (",0,1,2", First::Names),
            ("0", First::Unclear),
            ("1,2,3", First::Example),
            ("0,2", First::Example),
            ("0.0,1.0", First::Example),
            ("0,1,", First::Example),
            ("0,1,NA", First::Example),
            ("0,y", First::Example),
            ("0.1257,,1", First::Example),
            ("NA,1,0", First::Example),
            ("nan,1", First::Example),
            ("1e400,a", First::Example),
            ("nan,inf", First::Example),
            (",,", First::Example),
            ("1.5,cat", First::Example),
            ("7", First::Example),
        ] {
            assert_eq!(first(&line.split(',').collect::<Vec<_>>()), expected, "{line}");
        }
        assert_eq!(first(&["1,5", "2,5"]), First::Example);
        assert_eq!(first(&["1.5;2", "x"]), First::Names);
        assert!(is_several_numbers("1,5") && !is_several_numbers("1.5") && !is_several_numbers("a,b") && !is_several_numbers(""));
        assert!(is_written_as_real("1e5") && is_written_as_real("-.5") && !is_written_as_real("17") && !is_written_as_real("e"));
    }
}
