//! Errors of serde in the words of a user: with the nearest name where a name is unknown.

use hitcast_core::suggest::did_you_mean;

/// An error message of serde with the nearest of the names that it lists.
///
/// serde gives unknown names only in its message ("unknown field `a`, expected one of `b`, `c`"), so it is read from there.
pub(crate) fn explained(message: &str) -> String {
    let message = message.trim_end();
    if !(message.contains("unknown field") || message.contains("unknown variant")) {
        return message.to_owned();
    }
    let start = message.find("unknown ").unwrap_or(0);
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let Some(name) = quoted.next() else {
        return message.to_owned();
    };
    let suggestion = did_you_mean(name, quoted);
    let line_end = message[start..]
        .find('\n')
        .map_or(message.len(), |end| start + end);
    format!("{}{suggestion}{}", &message[..line_end], &message[line_end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_expected_names_is_suggested() {
        let message = "unknown field `targt`, expected one of `path`, `target`";
        assert_eq!(
            explained(message),
            format!("{message} (did you mean \"target\"?)")
        );
        assert_eq!(explained("missing field `a`"), "missing field `a`");
        assert_eq!(explained("unknown field"), "unknown field");
    }
}
