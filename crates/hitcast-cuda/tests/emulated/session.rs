use hitcast_cuda::outline::*;
use hitcast_cuda::{Batch, Gpu, Rows, Seat, Session, Split};

use crate::emulator::Emulator;

fn outline() -> Outline {
    let stage = |units, dropout| Stage {
        units,
        linear: Some(Linear { bias: true }),
        norm: None,
        function: Function::Relu,
        dropout,
    };
    Outline {
        inputs: 3,
        stages: vec![stage(8, None), stage(5, None)],
        output: Output::Number {
            head: Head::Linear,
            loss: NumberLoss::Squared,
        },
    }
}

#[test]
fn first() {
    let _emulator = Emulator::take();
    let gpu = Gpu::open(0, &[]).unwrap();
    let update = Update {
        optimizer: Optimizer::Sgd {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        },
        decays: [true, true],
        clip_norm: None,
        average_decay: None,
    };
    let session = Session::new(&gpu, &outline(), &update, 7, &[1]).unwrap();
    let session = Seat::all(session).remove(0);
    let features: Vec<f32> = (0..30).map(|n| n as f32 / 30.0).collect();
    let target: Vec<f32> = (0..10).map(|n| n as f32).collect();
    session
        .set_rows(Rows {
            features: &features,
            target: &target,
            weights: None,
        })
        .unwrap();
    let batch = |start| Batch {
        start,
        rows: 5,
        learning_rate: Some(0.1),
    };
    for step in 0..100 {
        session.note(batch(5 * (step % 2))).unwrap();
    }
    println!("{:?}", session.take_losses().unwrap());
    println!("{:?}", session.predict(Split::Train).unwrap());
}
