//! The reader against the `csv` crate, on random files full of quotes and line breaks, cut anywhere.

#![allow(clippy::expect_used)]
#![allow(clippy::unwrap_used)]

use hitcast_data::read::{RowProblem, SkippedRow};
use hitcast_data::{
    BadValues, Column, ColumnKind, ColumnSchema, CsvReader, DataError, EmptyColumns, Loaded, Schema,
    SchemaChoice, Table, ValueFormat,
};
use proptest::prelude::*;

fn text_column(name: &str) -> ColumnSchema {
    ColumnSchema {
        header: name.to_owned(),
        name: name.to_owned(),
        format: ValueFormat::Text,
        unit: None,
        range: None,
        missing: Vec::new(),
        optional: true,
    }
}

fn two_texts(threads: usize, chunk_bytes: usize) -> CsvReader {
    let schema = Schema {
        name: "two-texts".to_owned(),
        columns: vec![text_column("x"), text_column("y")],
    };
    CsvReader {
        threads,
        chunk_bytes,
        schema: SchemaChoice::Given(schema),
        bad_values: BadValues::Skip,
        empty_columns: EmptyColumns::Ignore,
        listed_skips: usize::MAX,
        ..CsvReader::default()
    }
}

/// Rows of two fields, and the lines on which other rows begin.
type Reference = (Vec<[Option<String>; 2]>, Vec<u64>);

/// What the `csv` crate makes of a file.
fn reference(bytes: &[u8]) -> Reference {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for record in reader.byte_records() {
        let record = record.unwrap();
        if record.len() != 2 {
            let at = usize::try_from(record.position().unwrap().byte()).unwrap();
            let at = at
                + bytes[at..]
                    .iter()
                    .take_while(|b| matches!(b, b'\n' | b'\r'))
                    .count();
            bad.push(1 + breaks(&bytes[..at]));
            continue;
        }
        let field = |i: usize| {
            let text = String::from_utf8(record[i].to_vec()).unwrap();
            (!text.bytes().all(|b| b.is_ascii_whitespace())).then_some(text)
        };
        rows.push([field(0), field(1)]);
    }
    (rows, bad)
}

/// Line breaks by the plain definition: `\r\n`, `\n` or `\r`.
fn breaks(bytes: &[u8]) -> u64 {
    let text = String::from_utf8(bytes.to_vec())
        .unwrap()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    text.matches('\n').count() as u64
}

/// Whether a file ends inside quotes, by the grammar as it is written down.
fn ends_quoted(text: &str) -> bool {
    #[derive(PartialEq)]
    enum State {
        FieldStart,
        Plain,
        Quoted,
        QuoteInQuoted,
    }
    let mut state = State::FieldStart;
    for c in text.chars() {
        state = match (state, c) {
            (State::Quoted, '"') => State::QuoteInQuoted,
            (State::Quoted, _) | (State::FieldStart | State::QuoteInQuoted, '"') => State::Quoted,
            (_, ',' | '\n' | '\r') => State::FieldStart,
            _ => State::Plain,
        };
    }
    state == State::Quoted
}

fn texts(table: &Table, name: &str) -> Vec<Option<String>> {
    match table.texts(name) {
        Ok(column) => column.iter().map(|text| text.map(str::to_owned)).collect(),
        Err(_) => vec![None; table.n_rows()],
    }
}

/// A column's name, type, values, codes and dictionary.
type Described = (String, ColumnKind, Vec<String>, Vec<u32>, Vec<String>);

/// All that can be told apart in a table: also the order of the dictionaries.
fn everything(table: &Table) -> Vec<Described> {
    table
        .iter()
        .map(|(name, column)| {
            let values = (0..column.len()).map(|row| column.display(row)).collect();
            let (codes, dictionary) = match column {
                Column::Text(texts) => (
                    texts.codes().to_vec(),
                    texts.dictionary().iter().map(str::to_owned).collect(),
                ),
                _ => (Vec::new(), Vec::new()),
            };
            (name.to_owned(), column.kind(), values, codes, dictionary)
        })
        .collect()
}

fn same(a: &Result<Loaded, DataError>, b: &Result<Loaded, DataError>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => {
            everything(&a.table) == everything(&b.table)
                && a.table.source_rows() == b.table.source_rows()
                && a.report == b.report
        }
        (Err(a), Err(b)) => a.to_string() == b.to_string(),
        _ => false,
    }
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ab1é ]{1,3}",
        1 => "[\u{1}\t\u{b}\u{f}\u{10}-]{1,4}",
        1 => "a{50,80}",
        3 => Just(",".to_owned()),
        3 => Just("\"".to_owned()),
        2 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\r".to_owned()),
        2 => Just("a,b\n".to_owned()),
        2 => Just("\"a\nb\",\"c\"\"\"\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn any_file_is_read_as_the_csv_crate_reads_it(
        body in nasty(),
        threads in 1_usize..5,
        chunk_bytes in prop_oneof![1_usize..40, 100_usize..400],
    ) {
        let file = format!("x,y\n{body}");
        let got = two_texts(threads, chunk_bytes).read_from(file.as_bytes(), "nasty");
        if ends_quoted(&file) {
            prop_assert!(matches!(got, Err(DataError::UnclosedQuote { .. })), "{got:?}");
            return Ok(());
        }
        let (rows, bad) = reference(file.as_bytes());
        if rows.is_empty() {
            let expected = matches!(got, Err(DataError::NoRows { .. } | DataError::AllSkipped { .. }));
            prop_assert!(expected, "{got:?}");
            return Ok(());
        }
        let got = got.unwrap();
        let (x, y) = (texts(&got.table, "x"), texts(&got.table, "y"));
        let got_rows: Vec<_> = x.into_iter().zip(y).map(|(x, y)| [x, y]).collect();
        prop_assert_eq!(got_rows, rows);
        let lines: Vec<u64> = got.report.skipped.iter().map(|skipped| skipped.line).collect();
        prop_assert_eq!(lines, bad);
    }

    #[test]
    fn the_table_does_not_depend_on_threads_or_chunks(
        body in nasty(),
        threads in 1_usize..5,
        chunk_bytes in 1_usize..60,
        skip: bool,
        infer: bool,
    ) {
        let file = format!("x,y\n{body}");
        let mut reader = two_texts(1, 1 << 20);
        if !skip {
            reader.bad_values = BadValues::Error;
        }
        if infer {
            reader.schema = SchemaChoice::Infer;
        }
        let whole = reader.read_from(file.as_bytes(), "nasty");
        let cut = CsvReader { threads, chunk_bytes, ..reader }.read_from(file.as_bytes(), "nasty");
        prop_assert!(same(&whole, &cut), "{whole:?}\n{cut:?}");
    }

    #[test]
    fn bytes_that_are_no_utf_8_do_not_depend_on_threads_either(
        body in prop::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(0xc3), Just(0xa9), Just(b'a'), Just(b'"')], 0..120),
        threads in 1_usize..4,
        chunk_bytes in 1_usize..60,
    ) {
        let body = [b"x,y\n".to_vec(), body].concat();
        let whole = two_texts(1, 1 << 20).read_from(&*body, "bytes");
        let cut = two_texts(threads, chunk_bytes).read_from(&*body, "bytes");
        prop_assert!(same(&whole, &cut), "{whole:?}\n{cut:?}");
    }

    #[test]
    fn a_bad_value_takes_its_own_row_and_no_other(
        rows in prop::collection::vec((0..200_usize, 0..200_usize, 0..7_usize), 1..500),
        with_doubled_quotes: bool,
        threads in 1_usize..4,
        chunk_bytes in prop_oneof![20_usize..200, 2000_usize..4000, Just(1 << 20)],
    ) {
        // Few rows of many are bad, so that most of those that are read together are good.
        let number = |i: usize| ["one", "1e999"].get(i).map_or_else(|| format!("{i}.5"), |&bad| bad.to_owned());
        let key = |i: usize| ["H", "12"].get(i).map_or_else(|| (i % 12).to_string(), |&bad| bad.to_owned());
        let text = |i: usize| match i {
            4 if with_doubled_quotes => "\"c\"\"d\"",
            _ => ["", "NA", "a", "b", "c", "\"e\nf\"", "é"][i],
        };
        let c = if with_doubled_quotes { "c\"d" } else { "c" };
        let mut file = "x,k,t,free\n".to_owned();
        for &(x, k, t) in &rows {
            file.push_str(&format!("{},{},{},{}\n", number(x), key(k), text(t), if x < 2 { "word" } else { "7" }));
        }
        let column = |name: &str, format| ColumnSchema { format, ..text_column(name) };
        let mut texts_with_na = column("t", ValueFormat::Text);
        texts_with_na.missing.push("NA".to_owned());
        let schema = Schema {
            name: "three".to_owned(),
            columns: vec![column("x", ValueFormat::Number), column("k", ValueFormat::Key), texts_with_na],
        };
        let reader = CsvReader { schema: SchemaChoice::Given(schema), ..two_texts(threads, chunk_bytes) };
        let good: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].0 > 1 && rows[row].1 > 1).collect();
        let read = reader.read_from(file.as_bytes(), "bad");
        if good.is_empty() {
            prop_assert!(matches!(read, Err(DataError::AllSkipped { .. })), "{read:?}");
            return Ok(());
        }
        let whole = CsvReader { threads: 1, chunk_bytes: 1 << 20, ..reader.clone() };
        prop_assert!(same(&read, &whole.read_from(file.as_bytes(), "bad")));
        let Loaded { table, report, .. } = read.unwrap();
        let numbers = |name: &str| match table.column(name) {
            Ok(Column::Number(values)) => values.clone(),
            other => panic!("{name}: {other:?}"),
        };
        let wanted: Vec<f64> = good.iter().map(|&row| rows[row].0 as f64 + 0.5).collect();
        prop_assert_eq!(numbers("x"), wanted);
        let wanted: Vec<f64> = good.iter().map(|&row| (rows[row].1 % 12) as f64).collect();
        prop_assert_eq!(numbers("k"), wanted);
        // Only bad rows have a word there, and they take no part in finding the type.
        prop_assert_eq!(numbers("free"), vec![7.0; good.len()]);
        if table.contains("t") {
            let wanted: Vec<Option<String>> = good
                .iter()
                .map(|&row| [None, None, Some("a"), Some("b"), Some(c), Some("e\nf"), Some("é")][rows[row].2])
                .map(|text| text.map(str::to_owned))
                .collect();
            prop_assert_eq!(texts(&table, "t"), wanted);
        }
        let source_rows: Vec<usize> = table.source_rows().iter().map(|&row| row as usize).collect();
        prop_assert_eq!(&source_rows, &good);
        let skipped: Vec<u64> = report.skipped.iter().map(|skipped| skipped.row).collect();
        let bad: Vec<u64> = (0..rows.len()).filter(|row| !good.contains(row)).map(|row| row as u64).collect();
        prop_assert_eq!(skipped, bad);
        // The first bad value is the one that is named, and its line counts the line breaks in quotes.
        let strict = CsvReader { bad_values: BadValues::Error, ..reader };
        if let Some(first) = (0..rows.len()).find(|row| !good.contains(row)) {
            let line = 2 + first + rows[..first].iter().filter(|row| row.2 == 5).count();
            let error = strict.read_from(file.as_bytes(), "bad").unwrap_err().to_string();
            prop_assert!(error.contains(&format!("line {line}, column")), "{error}, not line {line}");
        }
    }

    #[test]
    fn inference_looks_at_all_rows(
        rows in prop::collection::vec((0..9_usize, 0..9_usize, 0..9_usize), 1..40),
        limits in (1..9_usize, 1..9_usize, 1..9_usize),
        threads in 1_usize..4,
        chunk_bytes in 1_usize..80,
        rows_per_batch in 1_usize..50,
    ) {
        const VALUES: [&str; 9] = ["", "1", "2.5", "-3e2", "0", "True", "false", "x", "nan"];
        let cell = |value: usize, limit: usize| VALUES[value % limit];
        let mut file = "a,b,c\n".to_owned();
        let mut columns = [Vec::new(), Vec::new(), Vec::new()];
        for (a, b, c) in rows {
            // The third column is not numbers with something at the end, but the end of the values alone.
            let row = [cell(a, limits.0), cell(b, limits.1), VALUES[(9 - 1 - c % limits.2).max(1)]];
            file.push_str(&format!("{},{},{}\n", row[0], row[1], row[2]));
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let reader = CsvReader {
            threads,
            chunk_bytes,
            schema: SchemaChoice::Infer,
            empty_columns: EmptyColumns::Ignore,
            ..CsvReader::default()
        };
        let loaded = reader.read_from(file.as_bytes(), "inferred").unwrap();
        for (name, values) in ["a", "b", "c"].iter().zip(&columns) {
            let present: Vec<&str> = values.iter().copied().filter(|value| !value.is_empty()).collect();
            let expected = if present.is_empty() {
                None
            } else if present.iter().all(|value| value.parse::<f64>().is_ok_and(f64::is_finite)) {
                Some(ColumnKind::Number)
            } else if present.iter().all(|value| matches!(*value, "True" | "false")) {
                Some(ColumnKind::Flag)
            } else {
                Some(ColumnKind::Text)
            };
            let got = loaded.table.column(name).ok();
            prop_assert_eq!(got.map(Column::kind), expected, "{}", name);
            for (row, value) in values.iter().enumerate() {
                if let Some(column) = got {
                    prop_assert_eq!(column.is_missing(row), value.is_empty());
                    match column {
                        Column::Number(_) if !value.is_empty() => {
                            prop_assert_eq!(column.display(row), value.parse::<f64>().unwrap().to_string());
                        }
                        Column::Flag(_) => prop_assert_eq!(column.display(row), value.to_lowercase()),
                        _ => prop_assert_eq!(column.display(row), *value),
                    }
                }
            }
        }
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &file).unwrap();
        let batches: Vec<Table> =
            reader.batches(path.path(), rows_per_batch).unwrap().collect::<Result<_, _>>().unwrap();
        let names: Vec<&str> = loaded.table.names().collect();
        let mut first = 0;
        for batch in &batches {
            prop_assert!(batch.n_rows() <= rows_per_batch);
            prop_assert!(batch.names().eq(names.iter().copied()));
            let rows: Vec<usize> = (first..first + batch.n_rows()).collect();
            let wanted = loaded.table.take(&rows);
            for name in &names {
                let (got, wanted) = (batch.column(name).unwrap(), wanted.column(name).unwrap());
                prop_assert_eq!(got.kind(), wanted.kind());
                prop_assert!((0..rows.len()).all(|row| got.display(row) == wanted.display(row)));
            }
            prop_assert_eq!(batch.source_rows(), wanted.source_rows());
            first += rows.len();
        }
        prop_assert_eq!(first, loaded.table.n_rows());
    }
}

#[test]
fn a_chunk_that_begins_inside_quotes_is_read_right_on_every_cut() {
    // Inside the quotes stand lines that look like rows.
    let file = "x,y\n1,\"a,b\nc,d\ne,f\n\"\"q\"\",g\n\"\n2,\"h\r\ni\"\n3,j,k\n4,l\n";
    let whole = two_texts(1, 1 << 20).read_from(file.as_bytes(), "cut");
    for chunk_bytes in 1..file.len() + 2 {
        for threads in 1..4 {
            let cut = two_texts(threads, chunk_bytes).read_from(file.as_bytes(), "cut");
            assert!(same(&whole, &cut), "{chunk_bytes} {threads}: {cut:?}");
        }
    }
    let whole = whole.unwrap();
    assert_eq!(
        texts(&whole.table, "y")[0].as_deref(),
        Some("a,b\nc,d\ne,f\n\"q\",g\n")
    );
    assert_eq!(whole.table.source_rows(), [0, 1, 3]);
    let problem = RowProblem::FieldCount { expected: 2, got: 3 };
    assert_eq!(
        whole.report.skipped,
        [SkippedRow {
            line: 9,
            row: 2,
            problem
        }]
    );
}

#[test]
fn what_a_wrong_guess_reads_has_no_say_in_the_types() {
    // Chunks that begin within the quotes find rows of two fields there whose first is no number.
    let file = format!("x,y\n1,\"{}\"\n2,b\n", "a,b\n".repeat(30));
    for chunk_bytes in 1..file.len() + 2 {
        let reader = CsvReader {
            chunk_bytes,
            threads: 2,
            ..CsvReader::default()
        };
        let loaded = reader.read_from(file.as_bytes(), "quoted").unwrap();
        assert_eq!(loaded.table.numbers("x").unwrap(), [1.0, 2.0], "{chunk_bytes}");
    }
}
