use hitcast_kernels::Level;
use hitcast_kernels::mask::{Chance, MaskGenerator};

fn generator(seed: u64) -> MaskGenerator {
    let mut state = seed;
    MaskGenerator::new(|| {
        // SplitMix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[test]
fn every_level_draws_the_same_bits() {
    let mut expected: Option<(Vec<u8>, [u32; 64])> = None;
    for level in Level::available() {
        let mut bits = vec![0; 333];
        let mut generator = generator(5);
        generator.fill(level, Chance::nearest(0.8), &mut bits);
        generator.fill(level, Chance::nearest(0.5), &mut bits[100..]);
        let got = (bits, generator.state());
        assert_eq!(
            expected.get_or_insert_with(|| got.clone()),
            &got,
            "{}",
            level.name()
        );
    }
}

#[test]
fn a_saved_generator_goes_on_where_it_was() {
    let mut first = generator(1);
    let (mut a, mut b) = ([0; 64], [0; 64]);
    first.fill(Level::best(), Chance::nearest(0.3), &mut a);
    let mut second = MaskGenerator::from_state(&first.state());
    first.fill(Level::best(), Chance::nearest(0.3), &mut a);
    second.fill(Level::best(), Chance::nearest(0.3), &mut b);
    assert_eq!(a, b);
}

#[test]
fn bits_are_set_with_their_chance_and_independent_of_their_neighbours() {
    for probability in [0.5, 0.8, 0.9, 0.25, 1.0 / 3.0, 0.001] {
        let chance = Chance::nearest(probability);
        assert!((chance.value() - probability).abs() <= 1.0 / 131_072.0);
        let mut bits = vec![0; 500_000];
        generator(9).fill(Level::best(), chance, &mut bits);
        let n = bits.len() as f64 * 8.0;
        let set = |bits: &[u8]| f64::from(bits.iter().map(|b| b.count_ones()).sum::<u32>()) / n;
        let deviation = (probability * (1.0 - probability) / n).sqrt();
        assert!(
            (set(&bits) - chance.value()).abs() < 5.0 * deviation,
            "{probability}: {}",
            set(&bits)
        );
        // Pairs of neighbours, and of the same lane in blocks behind each other.
        for shift in [1, 4, 64] {
            let pairs: Vec<u8> = bits.iter().zip(&bits[shift..]).map(|(a, b)| a & b).collect();
            let expected = chance.value().powi(2);
            let deviation = (expected / n).sqrt();
            assert!(
                (set(&pairs) - expected).abs() < 6.0 * deviation,
                "{probability}, {shift}"
            );
        }
    }
}
