//! What the reader says of bad files: each message names the file and what to do.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::{CsvReader, DataError, Result, Schema, SchemaChoice};

fn read(bytes: &[u8]) -> Result<hitcast_data::Loaded> {
    CsvReader::default().read_from(bytes, "songs.csv")
}

fn error(bytes: &[u8]) -> DataError {
    let error = read(bytes).unwrap_err();
    assert!(error.to_string().contains("songs.csv"), "{error}");
    error
}

fn tempo_reader() -> CsvReader {
    let schema = Schema::from_toml(
        "name = \"t\"\n[[columns]]\nheader = \"name\"\nformat = \"text\"\n[[columns]]\nheader = \"tempo\"\nformat = \"number\"\n",
    )
    .unwrap();
    CsvReader {
        schema: SchemaChoice::Given(schema),
        ..CsvReader::default()
    }
}

#[test]
fn an_empty_file_is_an_error() {
    for empty in ["", "\n\r\n", "\u{feff}", "\u{feff}\n", "\" \"\n"] {
        assert!(
            matches!(error(empty.as_bytes()), DataError::EmptyFile { .. }),
            "{empty:?}"
        );
    }
}

#[test]
fn a_header_without_rows_is_an_error() {
    for header in ["a,b", "a,b\n", "a,b\r\n\r\n"] {
        assert!(
            matches!(error(header.as_bytes()), DataError::NoRows { .. }),
            "{header:?}"
        );
    }
}

#[test]
fn a_header_without_names_is_an_error() {
    assert!(matches!(
        error(b",,\n1,2,3\n"),
        DataError::BlankHeader { columns: 3, .. }
    ));
}

#[test]
fn a_missing_column_is_an_error_with_the_nearest_name() {
    let error = tempo_reader()
        .read_from(&b"name,temppo\na,1\n"[..], "songs.csv")
        .unwrap_err();
    assert!(matches!(&error, DataError::MissingColumn { column, .. } if column == "tempo"));
    assert_eq!(
        error.to_string(),
        "songs.csv has no column \"tempo\" (did you mean \"temppo\"?); its columns are name, temppo"
    );
}

#[test]
fn a_column_of_the_schema_that_stands_twice_is_an_error() {
    let error = tempo_reader()
        .read_from(&b"name,tempo,tempo\na,1,2\n"[..], "songs.csv")
        .unwrap_err();
    assert!(matches!(error, DataError::AmbiguousHeader { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_text_is_an_error_that_says_what_it_is() {
    let utf_16: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe".to_vec(), utf_16.clone()].concat();
    let files: [(&[u8], &str); 7] = [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG"),
        (&marked, "UTF-16"),
        (&utf_16, "UTF-16"),
        (b"PAR1\x15\x04\x15", "Parquet"),
        (b"  <!DOCTYPE html><html>", "web page"),
        (b"caf\xe9,b\n1,2\n", "not UTF-8"),
        (b"a,b\n1,\x00\x01\x02\n", "binary"),
    ];
    for (bytes, what) in files {
        let error = error(bytes);
        assert!(
            matches!(error, DataError::NotText { .. }) && error.to_string().contains(what),
            "{error}"
        );
    }
}

#[test]
fn a_column_that_is_all_missing_is_an_error() {
    let inferred = error(b"a,b\n1,\n2, \n");
    assert!(
        matches!(&inferred, DataError::EmptyColumn { column, rows: 2, .. } if column == "b"),
        "{inferred}"
    );
    let given = tempo_reader()
        .read_from(&b"name,tempo\na,\nb,\n"[..], "songs.csv")
        .unwrap_err();
    assert!(
        matches!(&given, DataError::EmptyColumn { column, .. } if column == "tempo"),
        "{given}"
    );
}

#[test]
fn the_first_bad_value_of_the_file_is_named_whatever_the_number_of_threads() {
    let mut text = "name,tempo\n\"two\nlines\",1\n".to_owned();
    for i in 0..500 {
        text.push_str(&format!(
            "n{i},{}\n",
            if i % 100 == 99 { "fast" } else { "120.5" }
        ));
    }
    for threads in 1..5 {
        for chunk_bytes in [1, 64, 999, 1 << 20] {
            let reader = CsvReader {
                threads,
                chunk_bytes,
                ..tempo_reader()
            };
            let error = reader.read_from(text.as_bytes(), "songs.csv").unwrap_err();
            assert_eq!(
                error.to_string(),
                "songs.csv, line 103, column \"tempo\": \"fast\" is not a finite number; mend it, or have bad rows skipped"
            );
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_bad_values() {
    for value in ["nan", "inf", "-Infinity", "1e999"] {
        let text = format!("name,tempo\na,1\nb,{value}\n");
        let error = tempo_reader()
            .read_from(text.as_bytes(), "songs.csv")
            .unwrap_err();
        assert!(
            matches!(&error, DataError::BadValue { line: 3, value: v, .. } if v == value),
            "{error}"
        );
    }
}

#[test]
fn ragged_rows_are_errors_with_their_line() {
    for (text, got) in [("a,b\n1,2\n3\n", 1), ("a,b\n1,2\n3,4,5\n", 3)] {
        let error = error(text.as_bytes());
        assert!(
            matches!(error, DataError::FieldCount { line: 3, expected: 2, got: g, .. } if g == got),
            "{error}"
        );
    }
}

#[test]
fn text_that_is_not_utf_8_is_an_error_with_its_place() {
    let error = error(b"a,b\r\nx,y\r\nx,\"caf\xe9\"\r\n");
    assert_eq!(
        error.to_string(),
        "songs.csv, line 3, column \"b\": \"caf\u{fffd}\" is not valid UTF-8; save the file as UTF-8, or have bad rows skipped"
    );
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_with_the_line_that_opens_it() {
    for text in ["a,b\n1,2\n3,\"4\n5,6\n", "a,b\r\n1,2\r\n3,\"4\"\"\r\n5,6\r\n"] {
        for chunk_bytes in [1, 4, 1 << 20] {
            let reader = CsvReader {
                chunk_bytes,
                ..CsvReader::default()
            };
            let error = reader.read_from(text.as_bytes(), "songs.csv").unwrap_err();
            assert!(
                matches!(error, DataError::UnclosedQuote { line: 3, .. }),
                "{error}"
            );
        }
    }
    assert!(matches!(
        error(b"a,\"b\n1,2\n"),
        DataError::UnclosedQuote { line: 1, .. }
    ));
}

#[test]
fn a_row_longer_than_allowed_is_an_error_on_every_cut() {
    let text = format!("a,b\n1,2\n3,\"{}\"\n5,6\n", "x\n".repeat(200));
    for chunk_bytes in [1, 50, 100, 150, 400, 1 << 20] {
        let reader = CsvReader {
            chunk_bytes,
            max_record_bytes: 100,
            ..CsvReader::default()
        };
        let error = reader.read_from(text.as_bytes(), "songs.csv").unwrap_err();
        assert!(
            matches!(
                error,
                DataError::LongRecord {
                    line: 3,
                    limit: 100,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let missing = CsvReader::default()
        .read(folder.path().join("none.csv"))
        .unwrap_err();
    assert!(missing.to_string().contains("none.csv"), "{missing}");
    let error = CsvReader::default().read(folder.path()).unwrap_err();
    assert!(error.to_string().contains("folder"), "{error}");
}

#[test]
fn settings_that_cannot_be_are_errors_that_name_them() {
    let readers = [
        (
            "delimiter",
            CsvReader {
                delimiter: b'"',
                ..CsvReader::default()
            },
        ),
        (
            "chunk_bytes",
            CsvReader {
                chunk_bytes: 0,
                ..CsvReader::default()
            },
        ),
        (
            "max_record_bytes",
            CsvReader {
                max_record_bytes: 0,
                ..CsvReader::default()
            },
        ),
    ];
    for (setting, reader) in readers {
        let error = reader.read_from(&b"a\n1\n"[..], "songs.csv").unwrap_err();
        assert!(
            matches!(error, DataError::ReaderSetting { setting: s, .. } if s == setting),
            "{error}"
        );
    }
    let error = CsvReader::default().batches("songs.csv", 0).unwrap_err();
    assert!(
        matches!(
            error,
            DataError::ReaderSetting {
                setting: "rows_per_batch",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn batches_end_with_the_first_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "name,tempo\na,1\nb,2\nc,x\nd,4\n").unwrap();
    let reader = CsvReader {
        chunk_bytes: 4,
        threads: 1,
        ..tempo_reader()
    };
    let batches: Vec<_> = reader.batches(&path, 1).unwrap().collect();
    assert!(batches.len() <= 3 && batches.iter().take(batches.len() - 1).all(Result::is_ok));
    assert!(matches!(
        batches.last(),
        Some(Err(DataError::BadValue { line: 4, .. }))
    ));
}
