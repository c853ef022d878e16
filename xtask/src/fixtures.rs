//! Small synthetic CSV files with the columns and quirks of the four public ones.
//!
//! Everything in them is invented: names from lists of words, numbers from a model whose popularity depends on the
//! sound in ways a straight line cannot follow. The same seed gives the same bytes, so the files are committed and a
//! test compares them with what is made here.

mod song;
mod words;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hitcast_core::{Seed, Stream};

use song::GENRES;

const SEED: Seed = Seed::new(20_240_229);

/// Writes the fixtures into a folder and returns their paths.
pub(crate) fn write_fixtures(dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    fixtures()
        .into_iter()
        .map(|(name, text)| {
            let path = dir.join(name);
            fs::write(&path, text)?;
            Ok(path)
        })
        .collect()
}

/// Names and contents of the fixtures.
pub(crate) fn fixtures() -> Vec<(&'static str, String)> {
    vec![
        ("spotify_features.csv", spotify_features()),
        ("spotify_tracks.csv", spotify_tracks()),
        ("spotify_songs.csv", spotify_songs()),
        ("spotify_history.csv", spotify_history()),
    ]
}

const NOTES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

/// The form of `SpotifyFeatures.csv`: a song stands once for each of its genres, rows in the order of the genres, note
/// names, `Major`/`Minor`, `4/4`, a genre in two spellings, blanks.
fn spotify_features() -> String {
    let seed = SEED.child("spotify_features");
    let songs = song::songs(seed, 2950);
    let mut stream = seed.stream("rows");
    let mut text =
        "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,energy,\
                    instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence\n"
            .to_owned();
    for (index, genre) in GENRES.iter().enumerate() {
        for song in songs.iter().filter(|song| song.genres.contains(&index)) {
            let apostrophe = if stream.uniform() < 0.4 { "'" } else { "\u{2019}" };
            // What was measured is the same in each row of a song; how popular it was, a day later, almost.
            let popularity = (song.popularity + stream.normal() * 0.7).clamp(0.0, 100.0);
            let mode = if song.major { "Major" } else { "Minor" };
            let fields = [
                genre.name.replace('\'', apostrophe),
                sometimes_blank(&mut stream, 0.004, song.artists[0].name.clone()),
                song.title.clone(),
                sometimes_blank(&mut stream, 0.01, song.id.clone()),
                format!("{popularity:.0}"),
                three_digits(song.acousticness),
                three_digits(song.danceability),
                sometimes_blank(&mut stream, 0.008, format!("{:.0}", song.duration_ms)),
                three_digits(song.energy),
                three_digits(song.instrumentalness),
                sometimes_blank(&mut stream, 0.01, NOTES[song.key % 12].to_owned()),
                three_digits(song.liveness),
                format!("{:.3}", song.loudness),
                sometimes_blank(&mut stream, 0.01, mode.to_owned()),
                three_digits(song.speechiness),
                sometimes_blank(&mut stream, 0.008, format!("{:.3}", song.tempo)),
                sometimes_blank(&mut stream, 0.01, format!("{}/4", song.beats)),
                three_digits(song.valence),
            ];
            push_row(&mut text, &fields);
        }
    }
    text
}

/// The form of `dataset.csv`: a first column without a name, `True`/`False`, artists joined by semicolons, one row
/// without names, tracks that could not be analysed (tempo 0).
fn spotify_tracks() -> String {
    let seed = SEED.child("spotify_tracks");
    let songs = song::songs(seed, 1050);
    let mut text = ",track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,key,\
                    loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature,\
                    track_genre\n"
        .to_owned();
    let mut stream = seed.stream("rows");
    let mut number = 0_u32;
    for (index, genre) in GENRES.iter().enumerate() {
        for song in songs.iter().filter(|song| song.genres.contains(&index)) {
            let artists: Vec<&str> = song.artists.iter().map(|artist| artist.name.as_str()).collect();
            let nameless = number == 700;
            let name = |text: &str| if nameless { String::new() } else { text.to_owned() };
            let analysed = stream.uniform() > 0.004;
            let measured = |value: String| if analysed { value } else { "0.0".to_owned() };
            let fields = [
                number.to_string(),
                song.id.clone(),
                name(&artists.join(";")),
                name(&song.album),
                name(&song.title),
                format!("{:.0}", song.popularity),
                format!("{:.0}", song.duration_ms),
                if song.explicit { "True" } else { "False" }.to_owned(),
                measured(three_digits(song.danceability)),
                three_digits(song.energy),
                song.key.to_string(),
                format!("{:.3}", song.loudness),
                u8::from(song.major).to_string(),
                measured(three_digits(song.speechiness)),
                three_digits(song.acousticness),
                three_digits(song.instrumentalness),
                three_digits(song.liveness),
                measured(three_digits(song.valence)),
                measured(format!("{:.3}", song.tempo)),
                if analysed {
                    song.beats.to_string()
                } else {
                    "0".to_owned()
                },
                genre.name.to_lowercase().replace(['\'', ' '], "-"),
            ];
            push_row(&mut text, &fields);
            number += 1;
        }
    }
    text
}

/// The form of `spotify_songs.csv`: the target is `track_popularity`, playlists, dates of three precisions, `NA` for a
/// name that is not known.
fn spotify_songs() -> String {
    let seed = SEED.child("spotify_songs");
    let songs = song::songs(seed, 620);
    let mut text = "track_id,track_name,track_artist,track_popularity,track_album_id,track_album_name,\
                    track_album_release_date,playlist_name,playlist_id,playlist_genre,playlist_subgenre,danceability,\
                    energy,key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,\
                    duration_ms\n"
        .to_owned();
    let ids: Vec<String> = GENRES
        .iter()
        .map(|genre| song::id(&mut seed.stream(genre.name)))
        .collect();
    for (index, (genre, playlist_id)) in GENRES.iter().zip(&ids).enumerate() {
        for (row, song) in songs
            .iter()
            .filter(|song| song.genres.contains(&index))
            .enumerate()
        {
            let nameless = row == 40 && index % 3 == 0;
            let name = |text: &str| {
                if nameless {
                    "NA".to_owned()
                } else {
                    text.to_owned()
                }
            };
            let lower = genre.name.to_lowercase();
            let fields = [
                song.id.clone(),
                name(&song.title),
                name(&song.artists[0].name),
                format!("{:.0}", song.popularity),
                song.album_id.clone(),
                name(&song.album),
                song.date.clone(),
                format!("{}, loud & quiet", genre.name),
                playlist_id.clone(),
                lower.clone(),
                format!("{} {lower}", if song.energy > 0.6 { "loud" } else { "quiet" }),
                three_digits(song.danceability),
                three_digits(song.energy),
                song.key.to_string(),
                format!("{:.3}", song.loudness),
                u8::from(song.major).to_string(),
                three_digits(song.speechiness),
                three_digits(song.acousticness),
                short_exponent(song.instrumentalness),
                three_digits(song.liveness),
                three_digits(song.valence),
                format!("{:.3}", song.tempo),
                format!("{:.0}", song.duration_ms),
            ];
            push_row(&mut text, &fields);
        }
    }
    text
}

/// The form of `tracks.csv`: lists as Python literals, dates of three precisions, 0/1 for flags, old recordings that
/// hardly anybody plays.
fn spotify_history() -> String {
    let seed = SEED.child("spotify_history");
    let mut text = "id,name,popularity,duration_ms,explicit,artists,id_artists,release_date,danceability,energy,key,\
                    loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,time_signature\n"
        .to_owned();
    for (row, song) in song::songs(seed, 1100).iter().enumerate() {
        let names: Vec<&str> = song.artists.iter().map(|artist| artist.name.as_str()).collect();
        let ids: Vec<&str> = song.artists.iter().map(|artist| artist.id.as_str()).collect();
        let popularity = (song.popularity - 0.4 * f64::from(2020_u16.saturating_sub(song.year))).max(0.0);
        let fields = [
            song.id.clone(),
            if row == 300 {
                String::new()
            } else {
                song.title.clone()
            },
            format!("{popularity:.0}"),
            format!("{:.0}", song.duration_ms),
            u8::from(song.explicit).to_string(),
            python_list(&names),
            python_list(&ids),
            song.date.clone(),
            three_digits(song.danceability),
            three_digits(song.energy),
            song.key.to_string(),
            format!("{:.3}", song.loudness),
            u8::from(song.major).to_string(),
            three_digits(song.speechiness),
            three_digits(song.acousticness),
            short_exponent(song.instrumentalness),
            three_digits(song.liveness),
            three_digits(song.valence),
            format!("{:.3}", song.tempo),
            song.beats.to_string(),
        ];
        push_row(&mut text, &fields);
    }
    text
}

fn sometimes_blank(stream: &mut Stream, share: f64, value: String) -> String {
    if stream.uniform() < share {
        String::new()
    } else {
        value
    }
}

/// Three significant digits, with an exponent of two digits below 0.0001, as pandas writes it.
fn three_digits(value: f64) -> String {
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{value:.2e}");
    match scientific.split_once("e-") {
        Some((digits, exponent)) if value < 1e-4 => format!("{digits}e-{exponent:0>2}"),
        _ => scientific
            .parse::<f64>()
            .map_or(scientific, |rounded| rounded.to_string()),
    }
}

/// Three significant digits, with an exponent of one digit below 0.0001, as R writes it.
fn short_exponent(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else {
        three_digits(value).replace("e-0", "e-")
    }
}

/// A list of strings as Python prints it.
fn python_list(items: &[&str]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| {
            let quote = if item.contains('\'') && !item.contains('"') {
                '"'
            } else {
                '\''
            };
            let escaped = item.replace('\\', "\\\\");
            let escaped = if quote == '\'' {
                escaped.replace('\'', "\\'")
            } else {
                escaped
            };
            format!("{quote}{escaped}{quote}")
        })
        .collect();
    format!("[{}]", items.join(", "))
}

fn push_row(text: &mut String, fields: &[String]) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if field.contains([',', '"', '\n', '\r']) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"{}\"", field.replace('"', "\"\""));
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_what_is_made_here() {
        let folder = Path::new("../fixtures");
        for (name, text) in fixtures() {
            let committed = fs::read_to_string(folder.join(name)).unwrap();
            assert!(
                committed == text,
                "{name} differs from what `cargo xtask fixtures` makes"
            );
        }
    }

    #[test]
    fn what_is_written_is_what_is_made() {
        let folder = std::env::temp_dir().join(format!("hitcast-fixtures-{}", std::process::id()));
        let paths = write_fixtures(&folder).unwrap();
        let written: Vec<String> = paths
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            written,
            fixtures().into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        );
    }

    #[test]
    fn numbers_and_lists_look_as_they_do_in_the_public_files() {
        assert_eq!(three_digits(0.61149), "0.611");
        assert_eq!(three_digits(0.000_001_014), "1.01e-06");
        assert_eq!(short_exponent(0.000_023_3), "2.33e-5");
        assert_eq!(
            python_list(&["Ona", "Quill's", "A \"B\" C's"]),
            r#"['Ona', "Quill's", 'A "B" C\'s']"#
        );
    }
}
