//! Holds a file against a growing array of bytes, over random sequences of calls.

use super::*;
use proptest::prelude::*;

/// One call on a file; the sizes are small, so that calls meet each other.
#[derive(Clone, Debug)]
enum Step {
    Write { offset: u16, bytes: Vec<u8> },
    Reserve(u16),
    SetSize(u16),
    Read { offset: u16, wanted: u16 },
    Sync,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_000_u16, prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(offset, bytes)| Step::Write { offset, bytes }),
        1 => (0..9_000_u16).prop_map(Step::Reserve),
        1 => (0..9_000_u16).prop_map(Step::SetSize),
        4 => (0..9_000_u16, 0..3_000_u16)
            .prop_map(|(offset, wanted)| Step::Read { offset, wanted }),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

/// Takes a step on the file and on the bytes it should hold; says whether they still agree.
fn take(step: &Step, disk: &OsDisk, file: &mut Arc<dyn File>, model: &mut Vec<u8>) {
    match step {
        Step::Write { offset, bytes } => {
            file.write_at(u64::from(*offset), bytes).unwrap();
            let end = usize::from(*offset) + bytes.len();
            if !bytes.is_empty() {
                model.resize(model.len().max(end), 0);
                model[usize::from(*offset)..end].copy_from_slice(bytes);
            }
        }
        Step::Reserve(size) => {
            file.reserve(u64::from(*size)).unwrap();
            model.resize(model.len().max(usize::from(*size)), 0);
        }
        Step::SetSize(size) => {
            file.set_size(u64::from(*size)).unwrap();
            model.resize(usize::from(*size), 0);
        }
        Step::Read { offset, wanted } => {
            let mut buffer = vec![0xee; usize::from(*wanted)];
            let start = usize::from(*offset);
            let expected = model.get(start..start + buffer.len());
            let outcome = file.read_at(u64::from(*offset), &mut buffer);
            match expected {
                Some(expected) => assert_eq!(outcome.map(|()| &buffer[..]).unwrap(), expected),
                None if buffer.is_empty() => outcome.unwrap(),
                None => assert!(matches!(outcome, Err(Error::PastEnd { .. })), "{outcome:?}"),
            }
        }
        Step::Sync => file.sync_data().unwrap(),
        Step::Reopen => *file = disk.open(Path::new("file"), Access::ReadWrite).unwrap(),
    }
    assert_eq!(file.size().unwrap(), model.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_file_behaves_as_a_growing_array_of_bytes(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        on_both(|disk| {
            let mut file = create(disk, "file");
            let mut model = Vec::new();
            steps.iter().for_each(|step| take(step, disk, &mut file, &mut model));
            assert_eq!(bytes_of(disk, "file"), model);
        });
    }
}
