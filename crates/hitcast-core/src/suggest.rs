//! The nearest name, for errors about names.

/// The candidate nearest to `name` by Damerau and Levenshtein's distance, if it is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (name.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// " (did you mean \"…\"?)", or nothing.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_another_word_does_not() {
        let names = ["danceability", "energy", "loudness"];
        assert_eq!(nearest("dancability", names), Some("danceability"));
        assert_eq!(nearest("Energy", names), Some("energy"));
        assert_eq!(nearest("tempo", names), None);
        assert_eq!(did_you_mean("loudnes", names), " (did you mean \"loudness\"?)");
    }
}
