//! Turns: whoever has many rows keeps nobody else from having some.

/// Takes one row of each, then a second one of each, until there are `rows_max` or no more.
pub(crate) fn take_in_turns<T>(mut turns: Vec<std::vec::IntoIter<T>>, rows_max: usize) -> Vec<T> {
    let mut taken = Vec::new();
    let mut progress = true;
    while progress && taken.len() < rows_max {
        progress = false;
        for turn in &mut turns {
            if taken.len() >= rows_max {
                break;
            }
            if let Some(row) = turn.next() {
                taken.push(row);
                progress = true;
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_first_before_any_has_its_second() {
        let turns =
            || vec![vec![1, 2, 3].into_iter(), Vec::new().into_iter(), vec![11].into_iter(), vec![21, 22].into_iter()];
        assert_eq!(take_in_turns(turns(), 9), [1, 11, 21, 2, 22, 3]);
        assert_eq!(take_in_turns(turns(), 2), [1, 11]);
        assert_eq!(take_in_turns(turns(), 4), [1, 11, 21, 2]);
        assert!(take_in_turns(turns(), 0).is_empty());
    }
}
