use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::compile_ptx;
use hitcast_cuda::outline::*;
use hitcast_cuda::{Batch, CudaError, Gpu, Rows, Seat, Session, Split};

use crate::emulator::Emulator;

fn seats(n: u64) -> Vec<Seat> {
    let stage = |units| Stage {
        units,
        linear: Some(Linear { bias: true }),
        norm: None,
        function: Function::Relu,
        dropout: None,
    };
    let outline = Outline {
        inputs: 3,
        stages: vec![stage(8), stage(5)],
        output: Output::Number {
            head: Head::Linear,
            loss: NumberLoss::Squared,
        },
    };
    let gpu = Gpu::open(0, &[]).unwrap();
    let seeds: Vec<u64> = (0..n).collect();
    Seat::all(Session::new(&gpu, &outline, &update(), 7, &seeds).unwrap())
}

fn update() -> Update {
    Update {
        optimizer: Optimizer::Sgd {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        },
        decays: [true, true],
        clip_norm: None,
        average_decay: None,
    }
}

/// Ten rows whose target is 5.
fn rows(features: &[f32; 30]) -> Rows<'_> {
    Rows {
        features,
        target: &[5.0; 10],
        weights: None,
    }
}

fn batch(start: usize, rows: usize) -> Batch {
    Batch {
        start,
        rows,
        learning_rate: Some(0.1),
    }
}

#[test]
fn losses_come_in_order_however_many_steps_wait_for_them() {
    let _emulator = Emulator::take();
    let seats = seats(1);
    let seat = &seats[0];
    seat.set_rows(rows(&[0.5; 30])).unwrap();
    // Without weights only the bias of the head learns: its error shrinks by a fifth a step.
    for _ in 0..100 {
        seat.note(batch(0, 5)).unwrap();
    }
    let losses = seat.take_losses().unwrap();
    assert_eq!(losses.len(), 100);
    for (step, loss) in losses.iter().enumerate().take(40) {
        let exact = 25.0 * 0.64_f32.powi(i32::try_from(step).unwrap());
        assert!(
            (loss - exact).abs() < 1e-3 * exact + 1e-9,
            "{step}: {loss} {exact}"
        );
    }
    assert!(seat.take_losses().unwrap().is_empty());
    let predicted = seat.predict(Split::Train).unwrap();
    assert!(predicted.len() == 10 && predicted.iter().all(|value| (value - 5.0).abs() < 1e-3));
    assert!(seat.predict(Split::Validation).unwrap().is_empty());
}

#[test]
fn what_is_not_there_is_refused_before_the_device_sees_it() {
    let _emulator = Emulator::take();
    let seats = seats(1);
    let seat = &seats[0];
    seat.set_rows(rows(&[0.5; 30])).unwrap();
    let length = |result: Result<(), CudaError>| matches!(result, Err(CudaError::Length { .. }));
    assert!(length(seat.note(batch(6, 5))));
    assert!(length(seat.note(batch(0, 8))));
    assert!(length(seat.note(batch(0, 0))));
    assert!(length(seat.begin_epoch(&[0; 9])));
    assert!(length(seat.begin_epoch(&[10; 10])));
    assert!(length(seat.set_rows(Rows {
        features: &[0.0; 29],
        target: &[0.0; 10],
        weights: None,
    })));
    assert!(length(seat.set_rows(Rows {
        weights: Some(&[1.0; 3]),
        ..rows(&[0.0; 30])
    })));
    let mut numbers = seat.numbers().unwrap();
    numbers.parameters.pop();
    assert!(length(seat.set_numbers(&numbers)));
}

/// Steps of a seat whose rows have this target; the losses.
fn learn(seat: &Seat, target: f32, steps: usize) -> Result<Vec<f32>, CudaError> {
    let rows = Rows {
        target: &[target; 10],
        ..rows(&[0.5; 30])
    };
    seat.set_rows(rows)?;
    (0..steps).try_for_each(|_| seat.note(batch(0, 5)))?;
    seat.take_losses()
}

/// Each of three seats on a thread of its own, with another target and another number of steps.
fn three() -> Vec<Result<Vec<f32>, CudaError>> {
    let seats = seats(3).into_iter().zip([(5.0, 1), (6.0, 40), (7.0, 90)]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = seats
            .map(|(seat, (target, steps))| scope.spawn(move || learn(&seat, target, steps)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn one_who_leaves_holds_nobody_up_and_changes_nobody() {
    let _emulator = Emulator::take();
    for (losses, (target, steps)) in three().into_iter().zip([(5.0, 1), (6.0, 40), (7.0, 90)]) {
        let alone = seats(1);
        assert_eq!(losses.unwrap(), learn(&alone[0], target, steps).unwrap());
    }
}

#[test]
fn a_device_that_vanishes_is_told_to_all_who_wait_for_it() {
    let emulator = Emulator::take();
    emulator.vanishes_after(60);
    let results = three();
    for result in &results[1..] {
        assert!(matches!(result, Err(CudaError::Driver { .. })), "{result:?}");
    }
}

#[test]
fn a_class_that_there_is_not_is_refused() {
    let _emulator = Emulator::take();
    let outline = Outline {
        inputs: 3,
        stages: Vec::new(),
        output: Output::Classes {
            function: Classes::Softmax,
            n: 3,
            loss: ClassLoss::CrossEntropy { label_smoothing: 0.0 },
        },
    };
    let gpu = Gpu::open(0, &[]).unwrap();
    let seat = Seat::all(Session::new(&gpu, &outline, &update(), 7, &[1]).unwrap()).remove(0);
    for wrong in [3.0, -1.0, 0.5, f32::NAN] {
        let mut target = [2.0; 10];
        target[4] = wrong;
        let rows = Rows {
            target: &target,
            ..rows(&[0.5; 30])
        };
        let refused = seat.set_rows(rows);
        assert!(
            matches!(refused, Err(CudaError::Class { row: 4, .. })),
            "{refused:?}"
        );
    }
}

/// The generator's answers that its authors publish (Random123, `kat_vectors`).
#[test]
fn random_words_are_those_of_philox() {
    const SOURCE: &str = concat!(
        "#define THREADS 32\n",
        include_str!("../../src/kernels/primitives.cu"),
        "extern \"C\" __global__ void probe(const Network* from, const Step* to, u32, u32) {
            const u32* const words = reinterpret_cast<const u32*>(from);
            const uint4 counter = make_uint4(words[0], words[1], words[2], words[3]);
            u32* const out = const_cast<u32*>(reinterpret_cast<const u32*>(to));
            const uint4 random = philox(counter, words[4], words[5]);
            if (threadIdx.x == 0) {
                out[0] = random.x;
                out[1] = random.y;
                out[2] = random.z;
                out[3] = random.w;
            }
        }"
    );
    let _emulator = Emulator::take();
    let context = CudaContext::new(0).unwrap();
    // SAFETY: one stream uses all buffers.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream().unwrap();
    let module = context.load_module(compile_ptx(SOURCE).unwrap()).unwrap();
    let probe = module.load_function("probe").unwrap();
    let known = [
        ([0; 6], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        (
            [u32::MAX; 6],
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
        ),
        (
            [
                0x243f_6a88,
                0x85a3_08d3,
                0x1319_8a2e,
                0x0370_7344,
                0xa409_3822,
                0x299f_31d0,
            ],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (words, expected) in known {
        let from = stream.clone_htod(words.as_slice()).unwrap();
        let mut to = stream.alloc_zeros::<u32>(4).unwrap();
        let config = LaunchConfig {
            grid_dim: (1, 1, 1),
            block_dim: (32, 1, 1),
            shared_mem_bytes: 0,
        };
        let mut launch = stream.launch_builder(&probe);
        launch.arg(&from).arg(&mut to).arg(&0_u32).arg(&0_u32);
        // SAFETY: the kernel reads six words and writes four, which the buffers have.
        unsafe { launch.launch(config) }.unwrap();
        assert_eq!(stream.clone_dtoh(&to).unwrap(), expected);
    }
}
