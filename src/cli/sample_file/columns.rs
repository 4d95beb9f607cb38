//! Which columns `0..3`, `0,2`, `a,b` name.

/// Places of the columns that `text` names, out of `n`.
pub fn places(n: usize, names: Option<&[String]>, text: &str) -> Result<Vec<usize>, String> {
    let mut picked = Vec::new();
    for part in text.split(',').map(str::trim) {
        if let Some(at) = names.and_then(|names| names.iter().position(|name| name == part)) {
            picked.push(at);
        } else if let Some((from, to)) = part.split_once("..") {
            let bound = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
            match (bound(from, 0), bound(to, n)) {
                (Some(from), Some(to)) if from < to && to <= n => picked.extend(from..to),
                _ => return Err(format!("columns `{part}`: expected a half-open range within 0..{n}")),
            }
        } else {
            let known = names.map_or_else(String::new, |names| format!(" or one of {}", some_of(names)));
            let number = part.parse().ok().filter(|&c: &usize| c < n);
            picked.push(number.ok_or_else(|| match n {
                0 => format!("no column `{part}`; there are none"),
                _ => format!("no column `{part}`; expected a number below {n}, a range{known}"),
            })?);
        }
    }
    Ok(picked)
}

/// The first of many names.
pub fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_names() {
        let names = ["a".to_owned(), "b".to_owned(), "0..1".to_owned()];
        assert_eq!(places(3, None, "0..2"), Ok(vec![0, 1]));
        assert_eq!(places(3, None, "..2,2,0"), Ok(vec![0, 1, 2, 0]));
        assert_eq!(places(3, Some(&names), "b, 0..1,1.."), Ok(vec![1, 2, 1, 2]));
        for bad in ["3", "1..9", "2..1", "1..1", "", "x", "-1", "0..x"] {
            assert!(places(3, None, bad).is_err(), "{bad}");
        }
        assert!(places(2, Some(&names[..2]), "c").unwrap_err().ends_with("a range or one of a, b"));
    }
}
