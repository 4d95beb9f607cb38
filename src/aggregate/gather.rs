//! The measured values of one experiment, collected run by run and given out row by row of `aggregate`, in bounded memory.
//!
//! A median takes all values of a row, so they cannot be summed up on the way. Beyond a limit they are written to a file without a name, a
//! part at a time, and read back column by column: memory then holds one part, or the values of one row, whatever the number of runs.

use std::collections::BTreeMap;
use std::path::Path;

use crate::store::records::MeasureRow;
use crate::store::tables::{Columns, TableError};

/// Values held in memory before they are written away: 32 MiB.
const MOST_HELD: usize = 4 << 20;

/// Which row of `aggregate` of an experiment: place of the measurement, epoch, layer; in the order of the table.
pub type Key = (usize, i64, u32);

/// The values of one row, by run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Runs that have the row.
    pub n: i64,
    /// I(X;T) of those that have it.
    pub i_xt: Vec<f64>,
    /// I(T;Y) of those that have it.
    pub i_ty: Vec<f64>,
}

/// Values by row.
#[derive(Debug)]
pub struct Gathered<'a> {
    /// Where a file may stand for a moment.
    dir: &'a Path,
    most_held: usize,
    places: BTreeMap<Key, usize>,
    rows: Vec<Values>,
    held: usize,
    away: Option<Columns>,
}

impl<'a> Gathered<'a> {
    /// Nothing yet.
    #[must_use]
    pub fn new(dir: &'a Path) -> Self {
        Self { dir, most_held: MOST_HELD, places: BTreeMap::new(), rows: Vec::new(), held: 0, away: None }
    }

    /// Takes in a row of a measurement; a value that is not there is left out, never filled in.
    ///
    /// # Errors
    /// [`TableError::Io`] if values cannot be written away.
    pub fn add(&mut self, place: usize, row: &MeasureRow) -> Result<(), TableError> {
        let new = self.rows.len();
        let at = *self.places.entry((place, row.epoch, row.layer)).or_insert(new);
        if at == new {
            self.rows.push(Values::default());
        }
        let values = &mut self.rows[at];
        values.n += 1;
        values.i_xt.extend(row.i_xt);
        values.i_ty.extend(row.i_ty);
        self.held += usize::from(row.i_xt.is_some()) + usize::from(row.i_ty.is_some());
        if self.held < self.most_held { Ok(()) } else { self.put_away() }
    }

    fn put_away(&mut self) -> Result<(), TableError> {
        let away = match &mut self.away {
            Some(away) => away,
            none => none.insert(Columns::create(self.dir)?),
        };
        away.put(self.rows.iter().flat_map(|values| [&values.i_xt[..], &values.i_ty]))?;
        self.rows.iter_mut().for_each(|values| {
            values.i_xt.clear();
            values.i_ty.clear();
        });
        self.held = 0;
        Ok(())
    }

    /// All rows with their values, in the order of the table.
    pub fn rows(mut self) -> impl Iterator<Item = Result<(Key, Values), TableError>> {
        std::mem::take(&mut self.places).into_iter().map(move |(key, at)| {
            let held = std::mem::take(&mut self.rows[at]);
            let Some(away) = &self.away else { return Ok((key, held)) };
            let (mut i_xt, mut i_ty) = (away.get(2 * at)?, away.get(2 * at + 1)?);
            i_xt.extend(held.i_xt);
            i_ty.extend(held.i_ty);
            Ok((key, Values { n: held.n, i_xt, i_ty }))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = (usize, MeasureRow)> {
        let value = || prop::option::of(-1e3..1e3_f64);
        (0..3_usize, -1..4_i64, 0..3_u32, value(), value())
            .prop_map(|(place, epoch, layer, i_xt, i_ty)| (place, MeasureRow { epoch, layer, i_xt, i_ty }))
    }

    proptest! {
        #[test]
        fn what_is_written_away_comes_back_in_its_order(rows in prop::collection::vec(row(), 0..200), most_held in 1..50_usize) {
            let dir = tempfile::tempdir().unwrap();
            let gather = |most_held| {
                let mut gathered = Gathered { most_held, ..Gathered::new(dir.path()) };
                rows.iter().for_each(|(place, row)| gathered.add(*place, row).unwrap());
                gathered.rows().collect::<Result<Vec<_>, _>>().unwrap()
            };
            let mut naive: BTreeMap<Key, Values> = BTreeMap::new();
            for (place, row) in &rows {
                let values = naive.entry((*place, row.epoch, row.layer)).or_default();
                values.n += 1;
                values.i_xt.extend(row.i_xt);
                values.i_ty.extend(row.i_ty);
            }
            let naive: Vec<_> = naive.into_iter().collect();
            prop_assert_eq!(gather(most_held), naive.clone());
            prop_assert_eq!(gather(usize::MAX), naive);
            prop_assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
}
