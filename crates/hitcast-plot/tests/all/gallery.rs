//! One figure of each kind, on made-up tracks.

use std::sync::OnceLock;

use hitcast_core::Seed;
use hitcast_metrics::{BinStrategy, ConfusionMatrix, PrecisionRecallCurve, RocCurve, reliability_curve};
use hitcast_plot::*;
use ndarray::{Array2, array};

/// Made-up tracks.
pub(crate) struct Tracks {
    pub(crate) popularity: Vec<f64>,
    pub(crate) energy: Vec<f64>,
    pub(crate) danceability: Vec<f64>,
    pub(crate) loudness: Vec<f64>,
    pub(crate) acousticness: Vec<f64>,
    pub(crate) duration: Vec<f64>,
    pub(crate) year: Vec<f64>,
    pub(crate) genre: Vec<&'static str>,
    pub(crate) class: Vec<usize>,
    pub(crate) predicted: Vec<f64>,
}

const GENRES: [&str; 14] = [
    "pop",
    "rap",
    "rock",
    "dance",
    "indie folk",
    "jazz",
    "classical",
    "children's music",
    "movie soundtracks",
    "reggaeton",
    "опера",
    "J-ポップ",
    "موسيقى",
    "world music from everywhere, recorded live and remastered",
];

pub(crate) const TIERS: [&str; 3] = ["low (below 30)", "middle", "hit (60 and above)"];

pub(crate) fn tracks(n: usize) -> Tracks {
    let mut s = Seed::new(7).stream("gallery");
    let mut t = Tracks {
        popularity: vec![],
        energy: vec![],
        danceability: vec![],
        loudness: vec![],
        acousticness: vec![],
        duration: vec![],
        year: vec![],
        genre: vec![],
        class: vec![],
        predicted: vec![],
    };
    for _ in 0..n {
        let genre = (s.uniform().powi(2) * 14.0) as usize;
        let energy = (0.62 + 0.2 * s.normal() - 0.02 * genre as f64).clamp(0.0, 1.0);
        let acousticness = (0.95 - energy + 0.18 * s.normal()).clamp(0.0, 1.0);
        let danceability = (0.55 + 0.15 * s.normal() + 0.1 * energy).clamp(0.0, 1.0);
        let loudness = -22.0 + 18.0 * energy + 2.0 * s.normal();
        let signal = 62.0 - 4.0 * genre as f64 + 14.0 * danceability + 0.4 * loudness;
        let popularity = (signal + 13.0 * s.normal()).clamp(0.0, 100.0).round();
        t.year.push(1960.0 + (s.uniform().sqrt() * 61.0).floor());
        t.duration
            .push(2.2 + (0.5 * s.normal()).exp() + if s.uniform() < 0.02 { 12.0 } else { 0.0 });
        t.class.push(if popularity < 30.0 {
            0
        } else if popularity < 60.0 {
            1
        } else {
            2
        });
        t.predicted
            .push((signal * 0.8 + 8.0 + 3.0 * s.normal()).clamp(0.0, 100.0));
        t.genre.push(GENRES[genre]);
        t.popularity.push(popularity);
        t.energy.push(energy);
        t.danceability.push(danceability);
        t.loudness.push(loudness);
        t.acousticness.push(acousticness);
    }
    t
}

fn scores(seed: u64, n: usize, skill: f64) -> (Vec<bool>, Vec<f64>) {
    let mut s = Seed::new(seed).stream("scores");
    (0..n)
        .map(|_| {
            let positive = s.uniform() < 0.3;
            let logit = (if positive { skill } else { -skill }) + 1.4 * s.normal() - 0.6;
            (positive, 1.0 / (1.0 + (-logit).exp()))
        })
        .unzip()
}

/// Every figure with the name of its files, made once.
pub(crate) fn figures() -> &'static [(&'static str, Figure)] {
    static FIGURES: OnceLock<Vec<(&'static str, Figure)>> = OnceLock::new();
    FIGURES.get_or_init(made_figures)
}

/// Every figure with the name of its files, made anew.
pub(crate) fn made_figures() -> Vec<(&'static str, Figure)> {
    let t = tracks(3000);
    let big = tracks(20_000);
    let labels = Labels::new;
    let mut with_holes = t.energy.clone();
    with_holes.iter_mut().step_by(37).for_each(|v| *v = f64::NAN);
    let names = [
        "popularity",
        "energy",
        "danceability",
        "loudness",
        "acousticness",
        "duration_min",
    ];
    let columns: Vec<&[f64]> = vec![
        &t.popularity,
        &t.energy,
        &t.danceability,
        &t.loudness,
        &t.acousticness,
        &t.duration,
    ];
    let named: Vec<(&str, &[f64])> = names.iter().copied().zip(columns.iter().copied()).collect();
    let mut all = vec![
        (
            "histogram",
            Histogram {
                labels: labels("Popularity of 3,000 tracks").x("Popularity (points, 0 to 100)"),
                ..Default::default()
            }
            .figure(&t.popularity),
        ),
        (
            "histogram_by_class",
            Histogram {
                labels: labels("Energy by popularity tier").x("Energy (0 to 1)"),
                ..Default::default()
            }
            .by_class(&with_holes, &t.class, &TIERS),
        ),
        (
            "correlation",
            CorrelationHeatmap::default().of_columns(&names, &columns),
        ),
        (
            "boxes",
            BoxPlots {
                labels: labels("Popularity by genre").x("Popularity (points)"),
                ..Default::default()
            }
            .figure(&t.popularity, &t.genre),
        ),
        (
            "tiers",
            TierDistributions {
                labels: labels("Features by popularity tier"),
                ..Default::default()
            }
            .figure(&named[1..], &t.class, &TIERS),
        ),
        (
            "summary",
            SummaryTable::default()
                .figure(&[named.clone(), vec![("energy with holes", with_holes.as_slice())]].concat()),
        ),
        (
            "scatter_by_class",
            Scatter {
                labels: labels("Danceability against energy")
                    .x("Energy (0 to 1)")
                    .y("Danceability (0 to 1)"),
                ..Default::default()
            }
            .by_class(&t.energy, &t.danceability, &t.class, &TIERS),
        ),
        (
            "scatter_by_number",
            Scatter {
                labels: labels("Loudness against energy")
                    .x("Energy (0 to 1)")
                    .y("Loudness (dB)"),
                color_label: "Popularity (points)".to_owned(),
                max_points: 1200,
                ..Default::default()
            }
            .by_number(&t.energy, &t.loudness, &t.popularity),
        ),
        (
            "scatter_dense",
            Scatter {
                labels: labels("Loudness against energy, many rows")
                    .x("Energy (0 to 1)")
                    .y("Loudness (dB)"),
                ..Default::default()
            }
            .figure(&big.energy, &big.loudness),
        ),
        (
            "missing",
            MissingValues::default().figure(
                &[
                    ("album_name", 4210),
                    ("artists", 12),
                    ("genre", 0),
                    ("tempo", 1),
                    ("explicit", 0),
                    ("release_year", 930),
                ]
                .map(|(name, missing)| MissingColumn {
                    name: name.to_owned(),
                    missing,
                    rows: 23_000,
                }),
            ),
        ),
        (
            "timeline",
            Timeline {
                labels: labels("Popularity over the years").y("Popularity (points)"),
                ..Default::default()
            }
            .figure(&t.year, &t.popularity),
        ),
    ];
    let epochs: Vec<EpochLoss> = (1..=60)
        .map(|epoch| {
            let e = epoch as f64;
            EpochLoss {
                epoch,
                train: 260.0 * (-e / 9.0).exp() + 205.0 - 0.5 * e,
                validation: Some(
                    250.0 * (-e / 8.0).exp() + 222.0 + 0.012 * (e - 25.0).powi(2) + 2.0 * (e * 1.7).sin(),
                ),
            }
        })
        .collect();
    let rates: Vec<f64> = (0..100)
        .map(|i| 1e-6 * 10_f64.powf(f64::from(i) / 14.0))
        .collect();
    let losses: Vec<f64> = rates
        .iter()
        .enumerate()
        .map(|(i, r)| {
            1.0 - 0.55 / (1.0 + (-(r.log10() + 3.0) * 3.0).exp())
                + (r * 3.0).powi(3)
                + 0.03 * (i as f64 * 2.3).sin()
        })
        .collect();
    all.extend([
        (
            "loss",
            LossCurves {
                labels: labels("Losses of the network").y("Mean squared error (points²)"),
                ..Default::default()
            }
            .figure(&epochs),
        ),
        (
            "learning_rate",
            LearningRateSchedule {
                labels: labels("Learning rate: warm-up and cosine"),
                ..Default::default()
            }
            .figure(
                &(0..80)
                    .map(|i| {
                        if i < 8 {
                            1e-3 * f64::from(i + 1) / 8.0
                        } else {
                            5e-4 * (1.0 + (f64::from(i - 8) / 72.0 * std::f64::consts::PI).cos())
                        }
                    })
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "learning_rate_finder",
            LearningRateFinder::default().figure(&rates, &losses, Some(1.2e-3)),
        ),
        (
            "predicted",
            PredictedActual {
                labels: labels("Predicted against actual popularity")
                    .x("Actual (points)")
                    .y("Predicted (points)"),
                ..Default::default()
            }
            .figure(&big.popularity, &big.predicted),
        ),
        (
            "predicted_few",
            PredictedActual::default().figure(&t.popularity[..300], &t.predicted[..300]),
        ),
        (
            "residuals",
            Residuals {
                labels: labels("Residuals of the network").x("Predicted (points)"),
                ..Default::default()
            }
            .figure(&t.popularity, &t.predicted),
        ),
        (
            "residuals_few",
            Residuals::default().figure(&t.popularity[..200], &t.predicted[..200]),
        ),
        (
            "error_by_group",
            GroupErrors {
                labels: labels("Error by genre").x("RMSE (points)"),
                ..Default::default()
            }
            .figure(
                &GENRES
                    .iter()
                    .enumerate()
                    .map(|(i, g)| {
                        let e = 11.0 + 4.0 * ((i * 7 % 11) as f64 / 11.0);
                        let half = 0.3 + 0.12 * i as f64;
                        Estimate::new(*g, e)
                            .between(e - half, e + half)
                            .of_rows(1500 / (i + 1))
                    })
                    .collect::<Vec<_>>(),
                Some(12.6),
            ),
        ),
    ]);
    let (positive, good) = scores(1, 2000, 1.2);
    let (_, weak) = scores(1, 2000, 0.5);
    let roc = [
        RocCurve::compute(&positive, &good).unwrap(),
        RocCurve::compute(&positive, &weak).unwrap(),
    ];
    let pr = [
        PrecisionRecallCurve::compute(&positive, &good).unwrap(),
        PrecisionRecallCurve::compute(&positive, &weak).unwrap(),
    ];
    let bins = [
        reliability_curve(&positive, &good, 10, BinStrategy::Uniform).unwrap(),
        reliability_curve(&positive, &weak, 10, BinStrategy::Uniform).unwrap(),
    ];
    let of = |share: f64, k: usize| -> Vec<usize> {
        t.class
            .iter()
            .enumerate()
            .map(|(i, c)| {
                if (i * 37 % 100) as f64 / 100.0 < share {
                    *c
                } else {
                    (c + i) % k
                }
            })
            .collect()
    };
    let confusion = ConfusionMatrix::compute(&t.class, &of(0.6, 3), 3).unwrap();
    let models = [
        ("Network 128-64-32", 12.61, 0.21),
        ("Boosting", 12.48, 0.22),
        ("Random forest", 12.95, 0.2),
        ("Ridge", 13.9, 0.25),
        ("Nearest neighbours", 14.3, 0.27),
    ];
    all.extend([
        (
            "roc",
            RocFigure::default().figure(&[("Network", &roc[0]), ("Logistic regression", &roc[1])]),
        ),
        (
            "precision_recall",
            PrecisionRecallFigure {
                positive_share: Some(0.3),
                ..Default::default()
            }
            .figure(&[("Network", &pr[0]), ("Logistic regression", &pr[1])]),
        ),
        (
            "reliability",
            ReliabilityDiagram::default().figure(&[("Network", &bins[0]), ("Logistic regression", &bins[1])]),
        ),
        (
            "confusion",
            ConfusionHeatmap::default().figure(&confusion, &TIERS),
        ),
        (
            "models",
            ModelComparison {
                labels: labels("Models on 4,600 test tracks").x("RMSE (points)"),
                ..Default::default()
            }
            .figure(
                &models.map(|(n, v, h)| Estimate::new(n, v).between(v - h, v + h)),
                Some(16.1),
            ),
        ),
        (
            "times",
            TrainingTimes::default().figure(&[
                ("Network 128-64-32", 8.4),
                ("Boosting", 2.1),
                ("Random forest", 6.3),
                ("Ridge", 0.012),
                ("Nearest neighbours", 0.05),
            ]),
        ),
    ]);
    all.extend(explanations(&t));
    all.push((
        "word_cloud",
        WordCloud {
            labels: labels("Words in the titles of hits"),
            ..Default::default()
        }
        .figure(titles()),
    ));
    all.into_iter()
        .map(|(name, figure)| (name, figure.unwrap_or_else(|error| panic!("{name}: {error}"))))
        .collect()
}

fn explanations(t: &Tracks) -> Vec<(&'static str, Result<Figure>)> {
    let features = [
        "danceability",
        "energy",
        "loudness",
        "acousticness",
        "duration_min",
        "year",
    ];
    let columns = [
        &t.danceability,
        &t.energy,
        &t.loudness,
        &t.acousticness,
        &t.duration,
        &t.year,
    ];
    let n = 600;
    let values = Array2::from_shape_fn((n, 6), |(i, j)| columns[j][i]);
    let weights = [30.0, -8.0, 0.5, 6.0, -1.2, 0.08];
    let centers = [0.6, 0.55, -12.0, 0.4, 3.4, 2000.0];
    let attributions = Array2::from_shape_fn((n, 6), |(i, j)| {
        weights[j] * (values[(i, j)] - centers[j]) + 0.3 * ((i * (j + 3)) as f64).sin()
    });
    let grid: Vec<f64> = (0..40).map(|i| f64::from(i) / 39.0).collect();
    let curves = Array2::from_shape_fn((300, 40), |(i, j)| {
        let x = grid[j];
        30.0 + 20.0 * t.energy[i] + 25.0 * x - 18.0 * x * x + 6.0 * (x - 0.5) * t.acousticness[i] * 3.0
    });
    let row = [
        ("danceability", "0.78", 7.4),
        ("energy", "0.41", -2.1),
        ("loudness", "−6.2 dB", 3.3),
        ("genre", "children's music", -11.8),
        ("duration", "3.1 min", 0.6),
        ("year", "2014", 1.9),
        ("explicit", "no", -0.2),
    ];
    let contributions = row.map(|(name, value, amount)| Contribution {
        name: name.to_owned(),
        value: value.to_owned(),
        amount,
    });
    let importances = [
        ("genre", 61.2, 2.0),
        ("danceability", 9.4, 0.9),
        ("loudness", 6.1, 0.8),
        ("year", 4.2, 0.5),
        ("energy", 1.3, 0.4),
        ("explicit", -0.1, 0.3),
    ];
    vec![
        (
            "importance",
            ImportanceBars {
                labels: Labels::new("Permutation importance").x("Rise of the squared error (points²)"),
                ..Default::default()
            }
            .figure(&importances.map(|(n, v, h)| Estimate::new(n, v).between(v - h, v + h))),
        ),
        (
            "beeswarm",
            Beeswarm {
                labels: Labels::default().x("Attribution (points of popularity)"),
                ..Default::default()
            }
            .figure(&features, attributions.view(), values.view()),
        ),
        (
            "dependence",
            PartialDependence {
                labels: Labels::new("Partial dependence on danceability")
                    .x("Danceability (0 to 1)")
                    .y("Predicted popularity (points)"),
                ..Default::default()
            }
            .figure(&grid, curves.view(), &t.danceability),
        ),
        (
            "dependence_of_two",
            DependenceHeatmap {
                labels: Labels::new("Partial dependence on danceability and loudness")
                    .x("Danceability (0 to 1)")
                    .y("Loudness (dB)"),
                prediction: "Mean predicted popularity (points)".to_owned(),
                rows: 1000,
            }
            .figure(
                [
                    Side::Numbers((0..12).map(|i| 0.2 + 0.06 * f64::from(i)).collect()),
                    Side::Numbers((0..10).map(|j| -20.0 + 2.0 * f64::from(j)).collect()),
                ],
                Array2::from_shape_fn((12, 10), |(i, j)| {
                    30.0 + (i * (10 - j)) as f64 * 0.3 + 2.0 * j as f64
                })
                .view(),
            ),
        ),
        (
            "dependence_on_names",
            DependenceHeatmap {
                labels: Labels::default().x("Genre").y("Key"),
                ..Default::default()
            }
            .figure(
                [
                    Side::Names(GENRES.iter().take(4).map(|&name| name.to_owned()).collect()),
                    Side::Names(["C", "D", "E"].map(str::to_owned).to_vec()),
                ],
                array![
                    [61.0, 60.0, 59.5],
                    [55.0, f64::NAN, 52.0],
                    [40.0, 41.0, 42.0],
                    [35.5, 20.0, 33.0]
                ]
                .view(),
            ),
        ),
        (
            "effects",
            EffectsFigure {
                labels: Labels::new("Accumulated local effects of loudness")
                    .x("Loudness (dB)")
                    .y("Change of predicted popularity (points)"),
            }
            .figure(
                &[-28.0, -20.0, -15.0, -12.0, -10.0, -8.5, -7.0, -6.0, -4.5, -2.0],
                &[-9.0, -7.5, -5.0, -2.0, 0.5, 1.5, 2.5, 3.0, 2.8, 1.0],
                &[100; 9],
            ),
        ),
        (
            "waterfall",
            Waterfall {
                labels: Labels::new("Why 42.1 points for this track").x("Predicted popularity (points)"),
                ..Default::default()
            }
            .figure(43.0, 42.1, &contributions),
        ),
        (
            "correlation_given",
            CorrelationHeatmap {
                labels: Labels::new("Two columns, one of them constant"),
                ..Default::default()
            }
            .figure(&["a", "b"], array![[1.0, f64::NAN], [f64::NAN, 1.0]].view()),
        ),
    ]
}

fn titles() -> Vec<String> {
    let words = [
        "love",
        "night",
        "heart",
        "baby",
        "girl",
        "life",
        "home",
        "dance",
        "amor",
        "summer",
        "fire",
        "dream",
        "light",
        "money",
        "world",
        "rain",
        "corazón",
        "vida",
        "Liebe",
        "любовь",
        "ночь",
        "حب",
        "夜",
        "beautiful",
        "tonight",
        "forever",
        "blue",
        "river",
        "broken",
        "angel",
        "gold",
        "dark",
        "sunshine",
        "ocean",
        "memory",
        "paradise",
        "freedom",
        "shadow",
        "gypsy",
        "noche",
        "playa",
        "soleil",
        "rêve",
        "Nacht",
        "Herz",
        "sommar",
        "hjärta",
        "kiss",
        "moon",
        "stars",
        "🎵party",
    ];
    let mut s = Seed::new(3).stream("titles");
    (0..1500)
        .map(|_| {
            let mut pick = || words[(s.uniform().powf(2.2) * words.len() as f64) as usize];
            format!("The {} of {}", pick(), pick())
        })
        .collect()
}
