//! Histories that are kept as their steps: what a failure prints is pasted here, under a name that says what
//! must hold, and edited where less of it does.

use super::simulation::history::History;
use super::simulation::steps::{Act::*, DeviceAct::*, ServerAct::*, Start::*, Step, UserAct::*};

/// In the world of this seed, without these kinds of trouble.
fn holds(seed: u64, spared: &[usize], steps: Vec<Step>) {
    let history = History {
        spared: spared.iter().copied().collect(),
        ..History::drawn(seed)
    };
    if let Err(failure) = history.by(steps).run(0) {
        panic!("{}", failure.error);
    }
}

/// R7. Found with the fault `NoJournal`.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "the steps of a history, as they were printed"
)]
fn what_is_committed_while_a_page_is_on_its_way_is_in_the_list() {
    holds(
        68,
        &[0, 1, 2, 3, 4],
        vec![
            Step {
                chance: 0xfb24f55015291a23,
                act: Device(0, Link),
            },
            Step {
                chance: 0x33a388dd845d600c,
                act: Server("c3".into(), Post),
            },
            Step {
                chance: 0x3ac8a7f2942525c3,
                act: Pass(8582),
            },
            Step {
                chance: 0x2295a1886e2c8668,
                act: Server("c2".into(), Change),
            },
            Step {
                chance: 0x27a32b448c781370,
                act: User(
                    0,
                    Open {
                        conversation: "c1".into(),
                        start: FirstUnread,
                        more: 0,
                    },
                ),
            },
            Step {
                chance: 0xef031f760a01ab25,
                act: Server("c3".into(), Post),
            },
            Step {
                chance: 0xf7a23a0cd189fdb9,
                act: Server("c4".into(), Change),
            },
            Step {
                chance: 0x3420a4c180e137c4,
                act: User(
                    0,
                    Open {
                        conversation: "c2".into(),
                        start: Latest,
                        more: 0,
                    },
                ),
            },
            Step {
                chance: 0x17dab68628423bae,
                act: User(
                    0,
                    Open {
                        conversation: "c4".into(),
                        start: Latest,
                        more: 0,
                    },
                ),
            },
            Step {
                chance: 0x7122b10ad3476a51,
                act: User(
                    0,
                    Send {
                        conversation: "c4".into(),
                        twice: false,
                    },
                ),
            },
            Step {
                chance: 0x5445acc59dd9d74,
                act: User(
                    0,
                    Send {
                        conversation: "c4".into(),
                        twice: false,
                    },
                ),
            },
            Step {
                chance: 0x8ba7f937cacf7af8,
                act: Server("c2".into(), Post),
            },
            Step {
                chance: 0x155798fcd3019b91,
                act: Server("c3".into(), Post),
            },
            Step {
                chance: 0x65faa25e0c4a1459,
                act: Server("c4".into(), Post),
            },
            Step {
                chance: 0xad4cc759a58ebdc,
                act: User(
                    0,
                    Send {
                        conversation: "c1".into(),
                        twice: false,
                    },
                ),
            },
            Step {
                chance: 0xcbc471cfadfc0837,
                act: Server("c4".into(), Post),
            },
            Step {
                chance: 0x24c73b7303f709af,
                act: Server("c4".into(), Post),
            },
            Step {
                chance: 0xa9e5dce1af4f5407,
                act: Server("c4".into(), Post),
            },
            Step {
                chance: 0x69ed69c17fe6d4f7,
                act: User(0, Close { timeline: 3 }),
            },
            Step {
                chance: 0xdc29f498350bb817,
                act: Server("c1".into(), Post),
            },
            Step {
                chance: 0x98bc349267e38859,
                act: Server("c3".into(), Post),
            },
            Step {
                chance: 0x484f55529e690514,
                act: Server("c1".into(), Post),
            },
            Step {
                chance: 0x9b29f4a5d55a127a,
                act: User(0, Close { timeline: 2 }),
            },
            Step {
                chance: 0xb6d940c5594ccc37,
                act: Server("c3".into(), Burst(28)),
            },
            Step {
                chance: 0xb15aba7e084de724,
                act: Server("c2".into(), Trim),
            },
            Step {
                chance: 0x15863ed5136698a,
                act: Pass(6810),
            },
            Step {
                chance: 0x186b29c55aed0573,
                act: User(0, Release { timeline: 4 }),
            },
            Step {
                chance: 0xf958fcfd9867eb0,
                act: User(
                    0,
                    Open {
                        conversation: "c4".into(),
                        start: Around(18446744073709551615),
                        more: 0,
                    },
                ),
            },
            Step {
                chance: 0x878cebc0f8f01a4b,
                act: Device(0, Crash),
            },
        ],
    );
}
