//! Lists in which nothing may come twice.

use std::collections::HashSet;

/// The longest list that is compared pair by pair.
const PAIRWISE_MAX: usize = 16;

/// Returns the place of the first number that the list has had before. Linear in the list.
pub(crate) fn first_repeat(list: &[u32]) -> Option<usize> {
    if list.len() <= PAIRWISE_MAX {
        let mut places = list.iter().enumerate();
        return places
            .find(|(at, number)| list.iter().take(*at).any(|before| before == *number))
            .map(|(at, _)| at);
    }
    let mut seen = HashSet::with_capacity(list.len());
    list.iter().position(|number| !seen.insert(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repeat_is_found_in_lists_of_every_length() {
        for length in 0..40_u32 {
            let mut list: Vec<u32> = (0..length).collect();
            assert_eq!(first_repeat(&list), None);
            list.extend([length, length / 2, 0]);
            assert_eq!(first_repeat(&list), Some(length as usize + 1));
        }
    }
}
