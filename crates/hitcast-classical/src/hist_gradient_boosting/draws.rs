//! The rows and features that a tree or a node draws.

use std::sync::Arc;

use hitcast_core::Stream;

/// So many of the items, without replacement, in their order (selection sampling; Knuth 1969, algorithm S).
pub(super) fn sampled<T: Copy>(items: &[T], count: usize, random: &mut Stream) -> Vec<T> {
    let mut sampled = Vec::with_capacity(count.min(items.len()));
    for (place, item) in items.iter().enumerate() {
        let wanted = count - sampled.len();
        if wanted == 0 {
            break;
        }
        if random.below(items.len() - place) < wanted {
            sampled.push(*item);
        }
    }
    sampled
}

/// Which of `n_features` are drawn, so many out of some.
pub(super) fn drawn(features: &[usize], count: usize, n_features: usize, random: &mut Stream) -> Arc<[bool]> {
    let mut drawn = vec![false; n_features];
    for feature in sampled(features, count, random) {
        drawn[feature] = true;
    }
    drawn.into()
}

/// A share of so many, rounded down, and at least 1.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub(super) fn part(share: f64, of: usize) -> usize {
    ((share * of as f64) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hitcast_core::Seed;

    #[test]
    fn each_item_is_drawn_as_often_as_the_others() {
        let items = [3, 5, 7, 11, 13];
        let mut random = Seed::new(1).stream("test");
        let mut counts = [0; 14];
        for _ in 0..10_000 {
            let drawn = sampled(&items, 2, &mut random);
            assert!(drawn.len() == 2 && drawn[0] < drawn[1]);
            drawn.into_iter().for_each(|item| counts[item] += 1);
        }
        assert!(
            items.iter().all(|item| (3_800..4_200).contains(&counts[*item])),
            "{counts:?}"
        );
        assert_eq!(sampled(&items, 9, &mut random), items);
        assert!(sampled(&items, 0, &mut random).is_empty());
    }
}
