//! Reading a CSV file: a synthetic one with the columns of a public file of tracks, or the one that
//! `HITCAST_DATA/dataset.csv` is.

// What `criterion_group!` makes is public and has no documentation.
#![allow(missing_docs, unreachable_pub)]

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hitcast_data::{CsvReader, SchemaChoice};

/// A file of that many rows, the same on each run.
fn synthetic(rows: u32) -> String {
    let mut text =
        "track_id,artists,track_name,popularity,duration_ms,explicit,danceability,loudness,tempo,genre\n"
            .to_owned();
    let mut state = 0x9e37_79b9_u32;
    for row in 0..rows {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (number, explicit) = (state >> 8, if state & 1024 == 0 { "False" } else { "True" });
        let _ = writeln!(
            text,
            "{number:022x},\"Artist {}, The\",Song {row},{},{},{explicit},0.{:03},-{}.{:03},{}.{:03},genre {}",
            number % 5000,
            number % 101,
            100_000 + number % 300_000,
            number % 1000,
            number % 30,
            number % 997,
            60 + number % 140,
            number % 991,
            row / 1000,
        );
    }
    text
}

fn read(criterion: &mut Criterion) {
    let text = synthetic(50_000);
    let mut group = criterion.benchmark_group("csv");
    group
        .throughput(Throughput::Bytes(text.len() as u64))
        .sample_size(20);
    for threads in [1, 2] {
        let reader = CsvReader {
            threads,
            schema: SchemaChoice::Infer,
            ..CsvReader::default()
        };
        group.bench_with_input(
            BenchmarkId::new("synthetic", threads),
            &reader,
            |bencher, reader| {
                bencher.iter(|| {
                    reader
                        .read_from(black_box(text.as_bytes()), "synthetic.csv")
                        .map(|loaded| loaded.table.n_rows())
                });
            },
        );
    }
    let real = std::env::var_os("HITCAST_DATA").map(|folder| Path::new(&folder).join("dataset.csv"));
    if let Some(path) = real.filter(|path| path.exists()) {
        group.throughput(Throughput::Bytes(
            std::fs::metadata(&path).map_or(0, |metadata| metadata.len()),
        ));
        for threads in [1, 2] {
            let reader = CsvReader {
                threads,
                ..CsvReader::default()
            };
            group.bench_with_input(
                BenchmarkId::new("dataset", threads),
                &reader,
                |bencher, reader| {
                    bencher.iter(|| reader.read(black_box(&path)).map(|loaded| loaded.table.n_rows()));
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
