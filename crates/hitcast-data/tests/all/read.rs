//! What the reader makes of good files.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use hitcast_core::testing::report_skipped;
use hitcast_data::read::{IgnoredReason, InferredColumn, RenamedColumn};
use hitcast_data::{BadValues, ColumnKind, CsvReader, DataError, EmptyColumns, Schema, SchemaChoice};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const FILE: &str = "track,energy,explicit\nA,0.5,True\n\"B, \"\"b\"\"\",,False\n";

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn assert_is_the_file(loaded: &hitcast_data::Loaded) {
    let table = &loaded.table;
    assert_eq!(
        table.texts("track").unwrap().iter().collect::<Vec<_>>(),
        [Some("A"), Some("B, \"b\"")]
    );
    assert_eq!(table.numbers("energy").unwrap()[0], 0.5);
    assert!(table.numbers("energy").unwrap()[1].is_nan());
    assert_eq!(table.flags("explicit").unwrap(), [Some(true), Some(false)]);
    assert_eq!(table.source_rows(), [0, 1]);
}

#[test]
fn a_file_is_read_with_its_types_inferred_and_reported() {
    let folder = TempDir::new().unwrap();
    let loaded = CsvReader::default()
        .read(write(&folder, "a.csv", FILE.as_bytes()))
        .unwrap();
    assert_is_the_file(&loaded);
    assert_eq!(loaded.schema, None);
    assert_eq!(
        (loaded.report.rows_read, loaded.report.bytes),
        (2, FILE.len() as u64)
    );
    let kinds = [
        ("track", ColumnKind::Text),
        ("energy", ColumnKind::Number),
        ("explicit", ColumnKind::Flag),
    ];
    let inferred = kinds.map(|(name, kind)| InferredColumn {
        name: name.to_owned(),
        kind,
    });
    assert_eq!(loaded.report.columns_inferred, inferred);
}

#[test]
fn byte_order_mark_line_ends_and_blank_lines_change_nothing() {
    let plain = CsvReader::default().read_from(FILE.as_bytes(), "plain").unwrap();
    let crlf = FILE.replace('\n', "\r\n");
    let variants = [
        format!("\u{feff}{FILE}"),
        format!("\u{feff}{crlf}"),
        crlf.clone(),
        FILE.replace('\n', "\r"),
        FILE.trim_end().to_owned(),
        format!("\n\n{}\n\n", FILE.replace('\n', "\n\n")),
    ];
    for text in variants {
        for chunk_bytes in [1, 7, 1 << 20] {
            let reader = CsvReader {
                chunk_bytes,
                ..CsvReader::default()
            };
            let loaded = reader.read_from(text.as_bytes(), "variant").unwrap();
            assert_is_the_file(&loaded);
            assert!(loaded.table.names().eq(plain.table.names()), "{text:?}");
        }
    }
}

#[test]
fn packed_files_are_read_as_they_are_whatever_they_are_called() {
    let folder = TempDir::new().unwrap();
    let (first, second) = FILE.as_bytes().split_at(30);
    let members = [gzip(first), gzip(second)].concat();
    let notes: &[u8] = b"read me";
    let files = [
        ("a.csv.gz", gzip(FILE.as_bytes())),
        ("several_members.csv.gz", members),
        ("gzip_called.csv", gzip(FILE.as_bytes())),
        ("plain_called.csv.gz", FILE.as_bytes().to_vec()),
        ("a.zip", zip(&[("inner/a.csv", FILE.as_bytes())])),
        (
            "zip_called.csv",
            zip(&[
                ("notes.txt", notes),
                ("a.CSV", FILE.as_bytes()),
                ("__MACOSX/._a.csv", notes),
            ]),
        ),
    ];
    for (name, bytes) in files {
        let path = write(&folder, name, &bytes);
        let loaded = CsvReader::default().read(&path).unwrap();
        assert_is_the_file(&loaded);
        assert_eq!(loaded.report.bytes, FILE.len() as u64, "{name}");
        assert_is_the_file(&CsvReader::default().read_from(&*bytes, name).unwrap());
        let rows: usize = CsvReader::default()
            .batches(&path, 1)
            .unwrap()
            .map(|batch| batch.unwrap().n_rows())
            .sum();
        assert_eq!(rows, 2);
    }
}

#[test]
fn damaged_and_unclear_archives_are_errors_that_name_the_members() {
    let folder = TempDir::new().unwrap();
    let text = FILE.as_bytes();
    let error = |name: &str, bytes: &[u8]| {
        let error = CsvReader::default()
            .read(write(&folder, name, bytes))
            .unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        error
    };
    let two = error("two.zip", &zip(&[("a.csv", text), ("b.csv", text)]));
    assert!(
        matches!(two, DataError::Archive { .. }) && two.to_string().contains("a.csv, b.csv"),
        "{two}"
    );
    let none = error("none.zip", &zip(&[("notes.txt", text)]));
    assert!(
        matches!(none, DataError::Archive { .. }) && none.to_string().contains("notes.txt"),
        "{none}"
    );
    let mut broken = zip(&[("a.csv", FILE.repeat(50).as_bytes())]);
    assert!(matches!(
        error("cut.zip", &broken[..broken.len() / 2]),
        DataError::Archive { .. }
    ));
    broken[60] ^= 0x55;
    assert!(matches!(
        error("flipped.zip", &broken),
        DataError::ReadFile { .. } | DataError::NotText { .. }
    ));
    let packed = gzip(FILE.repeat(50).as_bytes());
    assert!(matches!(
        error("cut.csv.gz", &packed[..packed.len() / 2]),
        DataError::ReadFile { .. }
    ));
}

#[test]
fn a_schema_gives_names_and_types_and_columns_without_one_are_inferred() {
    let schema = Schema::from_toml(
        r#"
        name = "mine"
        [[columns]]
        header = ""
        name = "row"
        format = "skip"
        [[columns]]
        header = "Key"
        name = "key"
        format = "key"
        [[columns]]
        header = "mode"
        format = "mode"
        [[columns]]
        header = "bar"
        name = "time_signature"
        format = "time_signature"
        [[columns]]
        header = "who"
        name = "artists"
        format = "text_list"
        [[columns]]
        header = "genre"
        format = "label"
        missing = ["NA"]
        [[columns]]
        header = "released"
        name = "release_date"
        format = "date"
        [[columns]]
        header = "popularity"
        format = "number"
        missing = ["NA"]
        [[columns]]
        header = "isrc"
        format = "text"
        optional = true
        "#,
    )
    .unwrap();
    let text = ",Key,mode,bar,who,genre,released,popularity,key\n\
                0,C#,Major,4/4,\"['A', \"\"B's\"\"]\",Children’s,1969-12,7,x\n\
                1,-1,0,3,C;D,NA,1969,NA,y\n";
    let reader = CsvReader {
        schema: SchemaChoice::Given(schema),
        ..CsvReader::default()
    };
    let loaded = reader.read_from(text.as_bytes(), "mine").unwrap();
    let table = &loaded.table;
    let names = [
        "key",
        "mode",
        "time_signature",
        "artists",
        "genre",
        "release_date",
        "popularity",
        "key_2",
    ];
    assert!(table.names().eq(names));
    let row = |row| names.map(|name| table.column(name).unwrap().display(row));
    assert_eq!(
        row(0),
        ["1", "1", "4", "A;B's", "Children's", "1969-12", "7", "x"]
    );
    assert_eq!(row(1), ["", "0", "3", "C;D", "", "1969", "", "y"]);
    assert_eq!(loaded.schema.map(|schema| schema.name).as_deref(), Some("mine"));
    assert_eq!(loaded.report.columns_ignored[0].reason, IgnoredReason::Schema);
    let renamed = RenamedColumn {
        header: "key".to_owned(),
        position: 9,
        name: "key_2".to_owned(),
    };
    assert_eq!(loaded.report.columns_renamed, [renamed]);
}

#[test]
fn blank_and_repeated_names_become_names_that_say_so() {
    let loaded = CsvReader::default()
        .read_from(&b",a,a,\" \",a_2\n1,2,3,4,5\n"[..], "names")
        .unwrap();
    assert!(
        loaded
            .table
            .names()
            .eq(["column_1", "a", "a_2", "column_4", "a_2_2"])
    );
    let renamed: Vec<usize> = loaded
        .report
        .columns_renamed
        .iter()
        .map(|column| column.position)
        .collect();
    assert_eq!(renamed, [1, 3, 4, 5]);
}

#[test]
fn bad_rows_are_skipped_counted_and_listed_on_request() {
    let text = "name,tempo\na,120\n\"b\nb\",fast\nc,90,1\nd,nan\ne,100\n";
    let schema = Schema::from_toml(
        "name = \"t\"\n[[columns]]\nheader = \"name\"\nformat = \"text\"\n[[columns]]\nheader = \"tempo\"\nformat = \"number\"\n",
    )
    .unwrap();
    for chunk_bytes in [1, 5, 13, 1 << 20] {
        let reader = CsvReader {
            bad_values: BadValues::Skip,
            schema: SchemaChoice::Given(schema.clone()),
            listed_skips: 2,
            chunk_bytes,
            ..CsvReader::default()
        };
        let loaded = reader.read_from(text.as_bytes(), "t.csv").unwrap();
        assert_eq!(loaded.table.numbers("tempo").unwrap(), [120.0, 100.0]);
        assert_eq!(loaded.table.source_rows(), [0, 4]);
        let report = &loaded.report;
        assert_eq!((report.rows_read, report.rows_skipped), (2, 3));
        assert_eq!(report.skipped_by_reason["bad value in column \"tempo\""], 2);
        assert_eq!(report.skipped_by_reason["wrong number of fields"], 1);
        let places: Vec<(u64, u64)> = report
            .skipped
            .iter()
            .map(|skipped| (skipped.line, skipped.row))
            .collect();
        // The bad value stands on the second line of its row.
        assert_eq!(places, [(4, 1), (5, 2)]);
        let shown = report.to_string();
        assert!(
            shown.contains("line 4: column \"tempo\": \"fast\" is not a finite number"),
            "{shown}"
        );
        assert!(shown.contains("… and 1 more"), "{shown}");
        let json = serde_json::to_string(report).unwrap();
        assert_eq!(
            &serde_json::from_str::<hitcast_data::ReadReport>(&json).unwrap(),
            report
        );
    }
}

#[test]
fn a_skipped_row_takes_no_part_in_finding_types() {
    let text = "a,b\n1,2\nx,3,4\n5,6\n";
    let reader = CsvReader {
        bad_values: BadValues::Skip,
        ..CsvReader::default()
    };
    let loaded = reader.read_from(text.as_bytes(), "t").unwrap();
    assert_eq!(loaded.table.numbers("a").unwrap(), [1.0, 5.0]);
}

#[test]
fn one_text_in_the_last_row_makes_a_column_text() {
    let mut text = "id\n".to_owned();
    for i in 0..20_000 {
        text.push_str(&format!("{i}\n"));
    }
    text.push_str("none\n");
    for threads in [1, 3] {
        let reader = CsvReader {
            threads,
            chunk_bytes: 1000,
            ..CsvReader::default()
        };
        let loaded = reader.read_from(text.as_bytes(), "ids").unwrap();
        let ids = loaded.table.texts("id").unwrap();
        assert_eq!(
            (ids.len(), ids.get(7), ids.get(20_000)),
            (20_001, Some("7"), Some("none"))
        );
    }
}

#[test]
fn another_delimiter_is_followed() {
    let reader = CsvReader {
        delimiter: b'\t',
        ..CsvReader::default()
    };
    let loaded = reader.read_from(&b"a\tb\n1,5\t2\n"[..], "t.tsv").unwrap();
    assert_eq!(loaded.table.texts("a").unwrap().get(0), Some("1,5"));
}

#[test]
fn batches_hold_what_the_whole_table_holds() {
    let folder = TempDir::new().unwrap();
    let mut text = "a,b,c\n".to_owned();
    for i in 0..1000 {
        text.push_str(&format!("{i},t{},\"x\n{i}\"\n", i % 7));
    }
    let path = write(&folder, "b.csv", text.as_bytes());
    let reader = CsvReader {
        threads: 3,
        chunk_bytes: 100,
        ..CsvReader::default()
    };
    let whole = reader.read(&path).unwrap().table;
    let batches = reader.batches(&path, 64).unwrap();
    let mut first = 0;
    for batch in batches {
        let batch = batch.unwrap();
        let rows: Vec<usize> = (first..first + batch.n_rows()).collect();
        assert_eq!(batch, whole.take(&rows));
        // A batch holds no text of other rows.
        assert!(batch.texts("c").unwrap().dictionary().len() <= batch.n_rows());
        first += batch.n_rows();
    }
    assert_eq!(first, 1000);
}

#[test]
fn only_the_columns_that_are_asked_for_are_read_and_checked() {
    let schema = Schema::from_toml(
        "name = \"s\"\n[[columns]]\nheader = \"x\"\nname = \"energy\"\nformat = \"number\"\n\
         [[columns]]\nheader = \"y\"\nname = \"tempo\"\nformat = \"number\"\n\
         [[columns]]\nheader = \"absent\"\nname = \"absent\"\nformat = \"number\"\n",
    )
    .unwrap();
    let asked = |columns: &[&str]| CsvReader {
        schema: SchemaChoice::Given(schema.clone()),
        columns: Some(columns.iter().map(|name| (*name).to_owned()).collect()),
        ..CsvReader::default()
    };
    let text = "x,other,y\n0.5,a,fast\n0.25,b,slow\n";
    let loaded = asked(&["other", "energy"])
        .read_from(text.as_bytes(), "t")
        .unwrap();
    assert!(loaded.table.names().eq(["energy", "other"]));
    assert_eq!(loaded.table.numbers("energy").unwrap(), [0.5, 0.25]);
    assert_eq!(loaded.report.columns_ignored[0].header, "y");
    assert_eq!(loaded.report.columns_ignored[0].reason, IgnoredReason::NotAsked);
    let error = asked(&["tempo"]).read_from(text.as_bytes(), "t").unwrap_err();
    assert!(matches!(error, DataError::BadValue { .. }), "{error}");
    let error = asked(&["absent"]).read_from(text.as_bytes(), "t").unwrap_err();
    assert!(matches!(error, DataError::MissingColumn { .. }), "{error}");
    let error = asked(&["enrgy"]).read_from(text.as_bytes(), "t").unwrap_err();
    assert!(error.to_string().contains("did you mean \"energy\"?"), "{error}");
}

#[test]
fn columns_without_values_are_left_out_on_request() {
    let text = "a,b\n1,\n2,\n";
    let reader = CsvReader {
        empty_columns: EmptyColumns::Ignore,
        ..CsvReader::default()
    };
    let loaded = reader.read_from(text.as_bytes(), "t").unwrap();
    assert!(loaded.table.names().eq(["a"]));
    assert_eq!(loaded.report.columns_ignored[0].reason, IgnoredReason::AllMissing);
    assert_eq!(
        (
            loaded.report.columns_ignored[0].header.as_str(),
            loaded.report.columns_ignored[0].position
        ),
        ("b", 2)
    );
}

#[test]
fn the_public_files_have_the_facts_that_are_known_of_them() {
    let Some(folder) = std::env::var_os("HITCAST_DATA").map(PathBuf::from) else {
        report_skipped("HITCAST_DATA names no folder with the public files");
        return;
    };
    let facts = [
        ("dataset.csv", "spotify-tracks", 114_000, Some(33.24)),
        ("spotify_songs.csv", "spotify-songs", 32_833, None),
        ("SpotifyFeatures_sample.csv", "spotify-features", 9_993, None),
        ("SpotifyFeatures.csv", "spotify-features", 82_408, None),
        ("tracks_sample.csv", "spotify-history", 13_787, None),
        ("tracks.csv", "spotify-history", 23_539, None),
    ];
    for (file, schema, rows, mean) in facts {
        let path = folder.join(file);
        if !path.exists() {
            report_skipped(&format!("HITCAST_DATA names no folder with {file}"));
            continue;
        }
        let loaded = CsvReader::default().read(&path).unwrap();
        assert_eq!(
            loaded.schema.as_ref().map(|schema| schema.name.as_str()),
            Some(schema),
            "{file}"
        );
        assert_eq!(loaded.table.n_rows(), rows, "{file}");
        assert_eq!(loaded.report.rows_skipped, 0, "{file}");
        if let Some(mean) = mean {
            let popularity = loaded.table.numbers("popularity").unwrap();
            let got = popularity.iter().sum::<f64>() / popularity.len() as f64;
            assert!((got - mean).abs() < 0.005, "{file}: {got}");
        }
        let cut = CsvReader {
            threads: 3,
            chunk_bytes: 10_007,
            ..CsvReader::default()
        }
        .read(&path)
        .unwrap();
        assert!(cut.table.iter().zip(loaded.table.iter()).all(|((_, a), (_, b))| {
            (0..rows).all(|row| a.is_missing(row) == b.is_missing(row) && a.display(row) == b.display(row))
        }));
    }
}
